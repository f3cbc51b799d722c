"""What came of a day: the figures, the rulings, and both as words and as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from tests.tools.demo.crowd import Told
from tests.tools.demo.day import Chapter
from tests.tools.demo.monitor import Look
from tests.tools.demo.rule_report import Ruling
from tests.tools.demo.sizes import Sizes

PERCENTILES = (50, 90, 99, 100)
ANSWERS = {
    "told: a seat": ("confirmed",),
    "told: a place in the line": ("waitlisted",),
    "told: full": ("event-full", "waitlist-full"),
}
"""What people are told, and the statuses and codes that say it."""


@dataclass(frozen=True, slots=True)
class Report:
    """A day that is over. `standing` says how the event stands at its end, by what was counted."""

    sizes: Sizes
    chapters: Sequence[Chapter]
    looks: Sequence[Look]
    arrived: Sequence[float]
    told: Sequence[Told]
    moved_up: Sequence[float]
    requests: int
    standing: Mapping[str, int | str]
    rulings: Sequence[Ruling]
    seconds: float

    @property
    def kept(self) -> bool:
        """True when every rule was kept."""
        return all(ruling.kept for ruling in self.rulings)

    @property
    def waits(self) -> dict[str, list[float]]:
        """Seconds that people waited, sorted, by what they waited for."""
        waits = {
            name: [one.known - one.asked for one in self.told if one.outcome in outcomes]
            for name, outcomes in ANSWERS.items()
        }
        waits["any answer"] = [one.answered - one.asked for one in self.told]
        waits["moved up (they look every second)"] = list(self.moved_up)
        return {name: sorted(found) for name, found in waits.items() if found}

    def as_json(self) -> dict[str, Any]:
        """The object that --json prints. Seconds; percentiles by their number."""
        return {
            "ok": self.kept,
            "seconds": round(self.seconds, 1),
            "sizes": asdict(self.sizes),
            "requests": self.requests,
            "standing": dict(self.standing),
            "waits": {name: percentiles(found) for name, found in self.waits.items()},
            "rules": [asdict(ruling) | {"kept": ruling.kept} for ruling in self.rulings],
        }


def percentiles(ordered: Sequence[float]) -> dict[str, float]:
    """Nearest rank: each is one of the measured times."""
    return {f"p{p}": round(ordered[math.ceil(len(ordered) * p / 100) - 1], 3) for p in PERCENTILES}


def show(report: Report, console: Console) -> None:
    """Prints the end of the day."""
    console.print(Group(_standing(report), _waits(report), _rules(report)))
    for ruling in report.rulings:
        for sentence in ruling.broken[:5]:
            console.print(Text(f"rule {ruling.rule}: {sentence}", style="red"))


def _standing(report: Report) -> Table:
    table = Table(box=SIMPLE_HEAD, show_header=False)
    for name, count in report.standing.items():
        table.add_row(name, str(count))
    return table


def _waits(report: Report) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("how long people waited")
    for name in ("people", *(f"p{p}" for p in PERCENTILES)):
        table.add_column(name, justify="right")
    for name, found in report.waits.items():
        table.add_row(name, str(len(found)), *(f"{value:.2f} s" for value in percentiles(found).values()))
    return table


def _rules(report: Report) -> Table:
    table = Table("rule", "held against", "", box=SIMPLE_HEAD)
    for ruling in report.rulings:
        mark = Text("✓ kept", style="green") if ruling.kept else Text("✗ BROKEN", style="bold red")
        table.add_row(ruling.rule, ruling.looked_at, mark)
    return table
