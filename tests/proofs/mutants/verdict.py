"""What is to be thought of the mutants: how many were noticed, and whether the others are known to be harmless."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from tests.proofs.mutants.workshop import Mutant

GOAL = 95.0
"""Per cent of the mutants that the tests must notice."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why no test can see one mutant: the full name of the function, the lines taken away and put there, a sentence."""

    function: str
    change: str
    why: str

    def fits(self, mutant: Mutant) -> bool:
        """Whether it is about this mutant. How lines are indented makes no difference."""
        return (self.function, _lines(self.change)) == (mutant.function, _lines(mutant.change))


class Unreadable(Exception):
    """The file of explanations cannot be read; says why."""


def explanations(path: Path) -> list[Explanation]:
    """What the file says of survivors: tables `[[survivor]]`, each with the texts `function`, `change` and `why`."""
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("survivor", [])
        found = [Explanation(**entry) for entry in entries]
    except (OSError, tomllib.TOMLDecodeError, TypeError) as error:
        raise Unreadable(f"{path}: {error}") from error
    for one in found:
        if not all(isinstance(text, str) and text.strip() for text in asdict(one).values()):
            raise Unreadable(f"{path}: function, change and why must be texts: {one.function!r}")
    return found


class Verdict:
    """The mutants held against the explanations. Each explanation is good for one survivor."""

    def __init__(self, mutants: Sequence[Mutant], known: Iterable[Explanation]) -> None:
        self.mutants = mutants
        self.explained: list[tuple[Mutant, str]] = []
        self.unexplained: list[Mutant] = []
        left = list(known)
        for mutant in mutants:
            if mutant.noticed:
                continue
            one = next((one for one in left if one.fits(mutant)), None)
            if one is None:
                self.unexplained.append(mutant)
            else:
                left.remove(one)
                self.explained.append((mutant, one.why))
        self.idle = left

    @property
    def percent(self) -> float:
        """How many of a hundred mutants the tests noticed; 0 without any."""
        return 100 * sum(mutant.noticed for mutant in self.mutants) / len(self.mutants) if self.mutants else 0.0

    @property
    def faults(self) -> list[str]:
        """A sentence for all that is not as it must be."""
        sentences = []
        if self.percent < GOAL:
            sentences.append(f"{self.percent:.1f} % of the mutants were noticed, not {GOAL:g} %")
        sentences += [f"{mutant.name}: {mutant.status}, and nothing explains it" for mutant in self.unexplained]
        sentences += [
            f"what explains {one.function} fits no survivor (noticed by now, or the code has changed):\n{one.change}"
            for one in self.idle
        ]
        return sentences

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {
            "met": not self.faults,
            "faults": self.faults,
            "goal": GOAL,
            "percent": round(self.percent, 2),
            "files": [dict(zip(COLUMNS, row, strict=True)) for row in self.rows()],
            "survivors": [asdict(mutant) | {"why": why} for mutant, why in self.explained]
            + [asdict(mutant) | {"why": None} for mutant in self.unexplained],
        }

    def rows(self) -> list[tuple[str, int, int, int, int, float]]:
        """A row for each file and one for all, as COLUMNS says."""
        files = dict.fromkeys(mutant.file for mutant in self.mutants)
        return [*(self._row(file, file) for file in files), self._row("all", None)]

    def _row(self, name: str, file: str | None) -> tuple[str, int, int, int, int, float]:
        status = Counter(mutant.status for mutant in self.mutants if file in {None, mutant.file})
        total, killed, endless = status.total(), status["killed"], status["timeout"]
        percent = round(100 * (killed + endless) / total, 1) if total else 0.0
        return name, total, killed, endless, total - killed - endless, percent

    def table(self) -> Table:
        """For the terminal."""
        table = Table(box=None, pad_edge=False, show_edge=False)
        for column in COLUMNS:
            table.add_column(column, justify="left" if column == "file" else "right")
        for row in self.rows():
            table.add_row(*map(str, row))
        return table

    def survivors(self) -> str:
        """Each survivor with its change and what is known of it."""
        parts = [f"{mutant.name}: {why}\n{mutant.change}" for mutant, why in self.explained]
        parts += [f"{mutant.name}: {mutant.status}, NOT EXPLAINED\n{mutant.change}" for mutant in self.unexplained]
        return "\n\n".join(parts)


COLUMNS = ("file", "mutants", "killed", "endless", "survived", "%")


def _lines(change: str) -> list[str]:
    return [f"{line[0]} {line[1:].strip()}" for line in change.splitlines() if line.strip()]
