"""What a run of the benchmark says: a table for the terminal, and one JSON object."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from rich.table import Table

from tests.tools.bench.figures import Figure, Goal, Part
from tests.tools.bench.machine import machine, versions

SIGNS = {"at least": "≥", "at most": "≤", "exactly": "="}
_WORTH_A_WORD = 0.05


@dataclass(frozen=True, slots=True)
class Result:
    """How one part went: what it found, or the error that ended it; how many seconds it took; and which share of the
    processors' time the machine's host gave to others meanwhile (0 to 1): what is timed then is slower."""

    name: str
    seconds: float
    part: Part | None = None
    error: str | None = None
    stolen: float = 0

    @property
    def headline(self) -> str:
        """What there is to know of how it ran."""
        taken = f", {self.stolen:.0%} of the processors' time taken by the host" if self.stolen >= _WORTH_A_WORD else ""
        return f"{self.seconds:.0f} s{taken}"


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run; `began` is in UTC, what is timed was repeated `runs` times."""

    began: datetime
    results: Sequence[Result]
    runs: int = 5

    @property
    def missed(self) -> list[str]:
        """A sentence for each goal that is not met and each part that failed."""
        sentences: list[str] = []
        for result in self.results:
            if result.error is not None:
                sentences.append(f"{result.name}: failed: {result.error}")
            sentences += [
                f"{result.name}: {figure.name} is {amount(figure)}, not {wanted(figure)}"
                for figure in (result.part.figures if result.part else ())
                if met(figure) is False
            ]
        return sentences

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain values. A figure that is no finite number is null."""
        return {
            "began": self.began.isoformat(timespec="seconds"),
            "seconds": round(sum(result.seconds for result in self.results), 1),
            "runs": self.runs,
            "met": not self.missed,
            "missed": self.missed,
            "versions": versions(),
            "machine": machine(),
            "parts": [
                {
                    "name": result.name,
                    "seconds": round(result.seconds, 1),
                    "stolen": round(result.stolen, 3),
                    "error": result.error,
                    "figures": [_figure_as_json(figure) for figure in result.part.figures] if result.part else [],
                    "pictures": [asdict(picture) for picture in result.part.pictures] if result.part else [],
                }
                for result in self.results
            ],
        }

    def table(self) -> Table:
        """For the terminal: a section for each part."""
        table = Table(box=None, pad_edge=False, show_edge=False)
        table.add_column("")
        table.add_column("", justify="right", no_wrap=True)
        table.add_column("goal", justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
        table.add_column("how", style="dim")
        for result in self.results:
            table.add_row(f"[bold]{result.name}[/] [dim]{result.headline}[/]")
            if result.error is not None:
                table.add_row("  [red]failed[/]", "", "", "[red]✗[/]", _plain(result.error))
            for figure in result.part.figures if result.part else ():
                mark = {True: "[green]✓[/]", False: "[red]✗[/]", None: ""}[met(figure)]
                table.add_row(f"  {_plain(figure.name)}", amount(figure), wanted(figure), mark, _plain(figure.note))
            table.add_section()
        return table


def met(figure: Figure) -> bool | None:
    """Whether the goal is met; None where there is none."""
    return figure.goal.met(figure.value) if figure.goal is not None else None


def number(value: float) -> str:
    """A number as people read it: whole ones in full, others with four digits or up to the point."""
    if not math.isfinite(value):
        return "–"
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def amount(figure: Figure) -> str:
    """The value with its unit."""
    return f"{number(figure.value)} {figure.unit}".strip()


def wanted(figure: Figure) -> str:
    """The goal, or nothing."""
    goal: Goal | None = figure.goal
    return f"{SIGNS[goal.kind]} {number(goal.bound)}" if goal is not None else ""


def _figure_as_json(figure: Figure) -> dict[str, Any]:
    value = figure.value if math.isfinite(figure.value) else None
    return asdict(figure) | {"value": value, "met": met(figure)}


def _plain(text: str) -> str:
    """Square brackets are no markup here."""
    return text.replace("[", r"\[")
