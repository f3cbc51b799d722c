"""The report of a run of the benchmark: a table for the terminal, and one JSON object."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from infra import DISTRIBUTION
from tests.tools.bench.figures import Part

_PACKAGES = (DISTRIBUTION, "boto3", "botocore", "aws-lambda-powertools", "pydantic", "ministack", "aws-cdk-lib")
_STOLEN = 7
"""The column of /proc/stat that counts stolen time (see its manual page, proc(5))."""
_WORTH_MENTIONING = 0.05


@dataclass(frozen=True, slots=True)
class PartResult:
    """The result of one part: its figures, or the error that ended it, and its seconds.

    `stolen` is the share of processor time (0 to 1) that the host gave to others meanwhile; it slows all that is timed.
    """

    name: str
    seconds: float
    part: Part | None = None
    error: str | None = None
    stolen: float = 0

    @property
    def headline(self) -> str:
        """Say how long it took, and whether the host took much of the time."""
        stolen = f", {self.stolen:.0%} of the processor time taken by the host"
        return f"{self.seconds:.0f} s{stolen if self.stolen >= _WORTH_MENTIONING else ''}"


@dataclass(frozen=True, slots=True)
class BenchReport:
    """A whole run; `began` is in UTC, timings were repeated `runs` times."""

    began: datetime
    results: Sequence[PartResult]
    runs: int = 5

    @property
    def missed(self) -> list[str]:
        """A sentence for each missed goal and each part that failed."""
        sentences: list[str] = []
        for result in self.results:
            if result.error is not None:
                sentences.append(f"{result.name}: failed: {result.error}")
            sentences += [
                f"{result.name}: {figure.name} is {figure.amount}, not {figure.goal}"
                for figure in (result.part.figures if result.part else ())
                if figure.met is False
            ]
        return sentences

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "began": self.began.isoformat(timespec="seconds"),
            "seconds": round(sum(result.seconds for result in self.results), 1),
            "runs": self.runs,
            "met": not self.missed,
            "missed": self.missed,
            "versions": {package: version(package) for package in _PACKAGES} | {"python": platform.python_version()},
            "machine": {"cores": os.cpu_count(), "system": platform.platform()},
            "parts": [
                {
                    "name": result.name,
                    "seconds": round(result.seconds, 1),
                    "stolen": round(result.stolen, 3),
                    "error": result.error,
                    "figures": [figure.as_json() for figure in result.part.figures] if result.part else [],
                }
                for result in self.results
            ],
        }

    def table(self) -> Table:
        """Return a table for the terminal, with a section for each part."""
        table = Table(box=None, pad_edge=False, show_edge=False)
        for header, justify in (("", "left"), ("", "right"), ("goal", "right"), ("", "left")):
            table.add_column(header, justify=justify, no_wrap=bool(header or justify == "right"))  # type: ignore[arg-type]
        table.add_column("how", style="dim")
        for result in self.results:
            table.add_row(f"[bold]{result.name}[/] [dim]{result.headline}[/]")
            if result.error is not None:
                table.add_row("  [red]failed[/]", "", "", "[red]✗[/]", escape(result.error))
            for figure in result.part.figures if result.part else ():
                mark = {True: "[green]✓[/]", False: "[red]✗[/]", None: ""}[figure.met]
                goal = str(figure.goal or "")
                table.add_row(f"  {escape(figure.name)}", figure.amount, goal, mark, escape(figure.note))
            table.add_section()
        return table


def processor_ticks() -> tuple[int, int]:
    """Return the ticks since the machine started: those that its host gave to others, and all; (0, 0) if unknown."""
    statistics = Path("/proc/stat")  # Linux
    if not statistics.is_file():
        return 0, 0
    ticks = [int(word) for word in statistics.read_text(encoding="utf-8").splitlines()[0].split()[1:9]]
    return ticks[_STOLEN], sum(ticks)
