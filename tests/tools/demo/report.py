"""The report of a day: the figures and the rules, as tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from tests.tools.demo.crowd import PersonOutcome
from tests.tools.demo.day import Chapter
from tests.tools.demo.monitor import Observation
from tests.tools.demo.rule_report import RuleResult
from tests.tools.demo.sizes import Sizes

PERCENTILES = (50, 90, 99, 100)
OUTCOMES = {"confirmed": ("confirmed",), "waitlisted": ("waitlisted",), "full": ("event-full", "waitlist-full")}
"""The answers that people get, and the statuses and codes that say it."""


@dataclass(frozen=True, slots=True)
class DayReport:
    """A day that is over. `totals` describes the event in the end, counted from its registrations."""

    sizes: Sizes
    chapters: Sequence[Chapter]
    observations: Sequence[Observation]
    arrived: Sequence[float]
    known: Sequence[PersonOutcome]
    promoted: Sequence[float]
    requests: int
    totals: Mapping[str, int | str]
    rules: Sequence[RuleResult]
    seconds: float

    @property
    def kept(self) -> bool:
        """True when every rule was kept."""
        return all(rule.kept for rule in self.rules)

    @property
    def waits(self) -> dict[str, list[float]]:
        """Seconds that people waited, sorted, by what they waited for."""
        waits = {
            name: [found.known - found.asked for found in self.known if found.outcome in outcomes]
            for name, outcomes in OUTCOMES.items()
        }
        waits["any response"] = [found.answered - found.asked for found in self.known]
        waits["promoted (polling every second)"] = list(self.promoted)
        return {name: sorted(found) for name, found in waits.items() if found}


def percentiles(ordered: Sequence[float]) -> dict[str, float]:
    """Return percentiles by nearest rank: each is one of the measured times."""
    return {f"p{p}": round(ordered[math.ceil(len(ordered) * p / 100) - 1], 3) for p in PERCENTILES}


def show(report: DayReport, console: Console) -> None:
    """Print the report."""
    totals = Table(box=SIMPLE_HEAD, show_header=False)
    for name, count in report.totals.items():
        totals.add_row(name, str(count))
    waits = Table(box=SIMPLE_HEAD)
    waits.add_column("how long people waited")
    for name in ("people", *(f"p{p}" for p in PERCENTILES)):
        waits.add_column(name, justify="right")
    for name, found in report.waits.items():
        waits.add_row(name, str(len(found)), *(f"{value:.2f} s" for value in percentiles(found).values()))
    rules = Table("rule", "checked against", "", box=SIMPLE_HEAD)
    for rule in report.rules:
        mark = Text("✓ kept", style="green") if rule.kept else Text("✗ BROKEN", style="bold red")
        rules.add_row(rule.rule, rule.evidence, mark)
    console.print(Group(totals, waits, rules))
    for rule in report.rules:
        for sentence in rule.broken[:5]:
            console.print(Text(f"rule {rule.rule}: {sentence}", style="red"))
