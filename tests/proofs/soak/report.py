"""The figures of a soak: requests and answers, faults, and what is wrong."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tests.proofs.soak.faults import FaultCounts
from tests.proofs.soak.history import Exchange


@dataclass(frozen=True, slots=True)
class SoakReport:
    """The result. `seconds` is how long requests were sent; with `shortcomings` the run proves less than it should."""

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
        """True if nothing was found, and the run lacked nothing."""
        return not (self.violations or self.shortcomings)

    def as_text(self) -> str:
        """Return all figures, a line each."""
        figures = {name: value for name, value in asdict(self).items() if not isinstance(value, list | dict)}
        lines = [f"{name:<28} {value}" for name, value in figures.items()]
        for name, counts in (("fault", self.faults), ("answer", self.answers)):
            lines += [f"{name + ': ' + what:<42} {count}" for what, count in counts.items()]
        return "\n".join([*lines, f"violations                   {len(self.violations)}"])


def report_of(
    exchanges: Sequence[Exchange],
    seconds: float,
    counts: FaultCounts,
    asked: float,
    dead_letters: int,
    found: list[str],
) -> SoakReport:
    """Count."""
    waits = sorted(x.end - x.start for x in exchanges if x.status) or [math.nan]
    kinds = Counter(f"{x.what} {x.status or 'no answer'}" for x in exchanges)
    return SoakReport(
        seconds=round(seconds, 1),
        requests=len(exchanges),
        unknown=sum(x.unknown for x in exchanges),
        rate=round(len(exchanges) / seconds, 2),
        p50=round(waits[len(waits) // 2], 3),
        p99=round(waits[min(len(waits) - 1, math.ceil(len(waits) * 0.99) - 1)], 3),
        answers=dict(sorted(kinds.items())),
        calls=counts.calls,
        fault_share=round(counts.share, 4),
        faults=dict(counts.faults.most_common()),
        dead_letters=dead_letters,
        shortcomings=counts.shortcomings(asked),
        violations=found,
    )
