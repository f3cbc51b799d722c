"""Shortens a history that breaks a rule, as long as it breaks the same rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.proofs.simulation.faults import Fault
from tests.proofs.simulation.scheduler import START
from tests.proofs.simulation.simulation import RunResult, RunSettings, simulate

_MOST_RUNS = 400


class Shrinker:
    """Omits requests and faults while the same rule breaks. `best` is the shortest so far."""

    def __init__(self, failed: RunResult, say: Callable[[str], None]) -> None:
        assert failed.violation is not None
        self._rule = failed.violation.rule
        self._say = say
        self._runs_left = _MOST_RUNS
        last = failed.violation.at - START
        self.best = replace(failed.settings, keep=frozenset(s.number for s in failed.workload.steps if s.at <= last))
        if not self._breaks(self.best):
            self.best = replace(failed.settings, keep=frozenset(s.number for s in failed.workload.steps))

    def shrink(self) -> RunSettings:
        """Return the shortest settings found."""
        while self._runs_left > 0:
            before = self.best
            self._leave_out_faults()
            self._leave_out_steps()
            if self.best == before:
                break
        return self.best

    def _leave_out_faults(self) -> None:
        for fault in Fault:
            if fault not in self.best.without:
                self._try(replace(self.best, without=self.best.without | {fault}))

    def _leave_out_steps(self) -> None:
        """Omit half of the requests at a time, then a quarter, down to one by one."""
        size = max(1, len(self.best.keep or ()) // 2)
        while True:
            steps = sorted(self.best.keep or ())
            for start in range(0, len(steps), size):
                keep = (self.best.keep or frozenset()) - set(steps[start : start + size])
                self._try(replace(self.best, keep=keep))
            if size == 1 or self._runs_left <= 0:
                break
            size //= 2

    def _try(self, settings: RunSettings) -> None:
        if settings != self.best and self._runs_left > 0 and self._breaks(settings):
            self.best = settings
            self._say(f"{len(settings.keep or ())} requests, without {len(settings.without)} kinds of faults")

    def _breaks(self, settings: RunSettings) -> bool:
        self._runs_left -= 1
        violation = simulate(settings).violation
        return violation is not None and violation.rule == self._rule
