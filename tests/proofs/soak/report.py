"""The figures of a soak: what was asked and answered, how many faults there were, and what is wrong."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tests.proofs.soak.faults import Tally
from tests.proofs.soak.history import Exchange


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it. `seconds` is how long there were requests; `shortcomings` is what the run itself lacked: then it
    proves less than it was asked to."""

    seconds: float
    requests: int
    unknown: int
    rate: float
    p50: float
    p99: float
    answers: dict[str, int]
    calls: int
    fault_share: float
    faults: dict[str, int]
    dead_letters: int
    shortcomings: list[str]
    violations: list[str]

    @property
    def ok(self) -> bool:
        """True when nothing was found, and the run was what it was asked to be."""
        return not (self.violations or self.shortcomings)


def report_of(
    exchanges: Sequence[Exchange], seconds: float, tally: Tally, asked: float, dead_letters: int, found: list[str]
) -> Report:
    """The figures of a run."""
    waits = sorted(x.end - x.start for x in exchanges if x.status) or [math.nan]
    answers = Counter(f"{x.what} {x.status or 'no answer'}" for x in exchanges)
    return Report(
        seconds=round(seconds, 1),
        requests=len(exchanges),
        unknown=sum(x.unknown for x in exchanges),
        rate=round(len(exchanges) / seconds, 2),
        p50=round(waits[len(waits) // 2], 3),
        p99=round(waits[min(len(waits) - 1, math.ceil(len(waits) * 0.99) - 1)], 3),
        answers=dict(sorted(answers.items())),
        calls=tally.calls,
        fault_share=round(tally.share, 4),
        faults=dict(tally.faults.most_common()),
        dead_letters=dead_letters,
        shortcomings=tally.shortcomings(asked),
        violations=found,
    )


def words(report: Report) -> str:
    """All figures, a line each."""
    figures = {name: value for name, value in asdict(report).items() if not isinstance(value, list | dict)}
    lines = [f"{name:<28} {value}" for name, value in figures.items()]
    for name, counts in (("fault", report.faults), ("answer", report.answers)):
        lines += [f"{name + ': ' + what:<42} {count}" for what, count in counts.items()]
    return "\n".join([*lines, f"violations                   {len(report.violations)}"])
