"""Runs many histories over all processors, adds up their figures, and stops at the first broken rule."""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from unittest.mock import patch

from tests.proofs.simulation.faults import Fault
from tests.proofs.simulation.invariants import Violation
from tests.proofs.simulation.seeded_bugs import SEEDED_BUGS
from tests.proofs.simulation.simulation import RunResult, RunSettings, simulate
from workers import telemetry

ENOUGH = 200
"""From this number of histories on, each fault must have happened, and these averages be reached."""
LEAST = {"commands": 60, "events": 3, "faults": 10}
FAILED = (
    ("registrations", "send_message"),
    ("events", "send_message"),
    ("registrar", "batch_get_item"),
    ("registrar", "transact_write_items"),
    ("registrar", "send_message"),
    ("registrar", "change_message_visibility_batch"),
    ("promoter", "send_message_batch"),
)
"""Calls that must have failed after all attempts, by function. The registrar parks with `send_message`."""

_CHUNK = 25


@dataclass(slots=True)
class CampaignTotals:
    """The sums of some histories. `broken` has violations by seed."""

    histories: int = 0
    commands: int = 0
    events: int = 0
    steps: int = 0
    fired: Counter[Fault] = field(default_factory=Counter)
    failed: Counter[tuple[str, str]] = field(default_factory=Counter)
    broken: dict[int, Violation] = field(default_factory=dict)

    def add(self, history: RunResult) -> None:
        """Add a history."""
        broken = {} if history.violation is None else {history.settings.seed: history.violation}
        calls, fired, failed = history.steps, Counter(history.fired), Counter(history.failed)
        self.merge(CampaignTotals(1, history.commands, len(history.workload.events), calls, fired, failed, broken))

    def merge(self, other: CampaignTotals) -> None:
        """Add the sums of other histories."""
        self.histories += other.histories
        self.commands += other.commands
        self.events += other.events
        self.steps += other.steps
        self.fired.update(other.fired)
        self.failed.update(other.failed)
        self.broken |= other.broken

    def averages(self) -> dict[str, float]:
        """Return averages per history."""
        sums = {"commands": self.commands, "events": self.events, "faults": self.fired.total(), "calls": self.steps}
        return {name: round(number / max(1, self.histories), 1) for name, number in sums.items()}

    def shortcomings(self) -> list[str]:
        """Return why the histories prove too little; empty if they are too few to judge."""
        if self.histories < ENOUGH or self.broken:
            return []
        averages = self.averages()
        never = [f"never happened: {fault}" for fault in Fault if not self.fired[fault]]
        never += [f"never failed for good: {' '.join(call)}" for call in FAILED if not self.failed[call]]
        return never + [
            f"{averages[name]} {name} in a history on average; at least {least} are wanted"
            for name, least in LEAST.items()
            if averages[name] < least
        ]


@contextmanager
def quiet() -> Iterator[None]:
    """Turn off logs and metrics, which take time and which nobody reads."""
    level = telemetry.logger.log_level
    telemetry.logger.setLevel("CRITICAL")
    try:
        with patch.object(telemetry, "EphemeralMetrics", _NoMetrics):
            yield
    finally:
        telemetry.logger.setLevel(level)


class _NoMetrics:
    metric_set: dict[str, object] = {}  # noqa: RUF012 - never written

    def __init__(self, **_: object) -> None: ...

    def add_dimension(self, *_: object) -> None:
        """Do nothing."""

    def add_metric(self, *_: object) -> None:
        """Do nothing."""


def some(seeds: Sequence[int]) -> CampaignTotals:
    """Run histories one after the other, until one breaks a rule."""
    totals = CampaignTotals()
    with quiet():
        for seed in seeds:
            totals.add(simulate(RunSettings(seed)))
            if totals.broken:
                break
    return totals


def run(
    first: int,
    histories: int,
    say: Callable[[CampaignTotals, float], None],
    processes: int | None = None,
    bug: str | None = None,
) -> tuple[CampaignTotals, float]:
    """Run histories from seed `first` on, over all processors, until one breaks a rule; also return the seconds.

    `say` is called with the progress. `bug` names a seeded bug.
    """
    began, totals = time.monotonic(), CampaignTotals()
    seeds = range(first, first + histories)
    chunks = [seeds[start : start + _CHUNK] for start in range(0, histories, _CHUNK)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _initialize, (bug,)) as pool:
        for part in pool.map(some, chunks):
            totals.merge(part)
            say(totals, time.monotonic() - began)
            if totals.broken:
                pool.shutdown(cancel_futures=True)
                break
    return totals, time.monotonic() - began


def _initialize(bug: str | None) -> None:
    """Plant the bug, and collect garbage less often: a run leaves little behind, and collecting takes a tenth of it."""
    if bug is not None:
        SEEDED_BUGS[bug].plant()
    gc.freeze()
    gc.set_threshold(50_000)
