"""mutmut's results: each mutant with its fate, and the explanations of those that survive."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import chdir
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import get_module_from_key, orig_function_and_class_names_from_key

GOAL = 95.0
"""Per cent of the mutants that the tests must notice."""

_COLUMNS = ("file", "mutants", "killed", "endless", "survived", "%")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one function, and its status by mutmut: "killed", "timeout", "survived", "no tests", ...

    `function` is the full name. `change` has the lines removed (-) and added (+); empty if the tests noticed.
    """

    name: str
    file: str
    function: str
    status: str
    change: str = ""

    @property
    def noticed(self) -> bool:
        """True if a test failed or did not end."""
        return self.status in {"killed", "timeout"}


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why no test can notice one mutant. Fits by function and by changed lines, whatever their indentation."""

    function: str
    change: str
    why: str

    def fits(self, mutant: Mutant) -> bool:
        """Return whether it explains this mutant."""
        return (self.function, _lines(self.change)) == (mutant.function, _lines(mutant.change))


def _lines(change: str) -> list[str]:
    return [f"{line[0]} {line[1:].strip()}" for line in change.splitlines() if line.strip()]


def read_explanations(path: Path) -> list[Explanation]:
    """Read the tables `[[survivor]]` of a file. OSError, TypeError or ValueError if one is not as it should be."""
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("survivor", [])
    explanations = [Explanation(**entry) for entry in entries]
    for one in explanations:
        if not all(isinstance(text, str) and text.strip() for text in asdict(one).values()):
            raise ValueError(f"function, change and why must be texts: {one}")
    return explanations


def read_mutants(directory: Path, files: Sequence[Path]) -> list[Mutant]:
    """Read what mutmut has found in the copy of the project at `directory`."""
    found: list[Mutant] = []
    with chdir(directory):  # mutmut looks for its results here
        for file in files:
            data = SourceFileMutationData(path=file)
            data.load()
            tried = {name: code for name, code in data.exit_code_by_key.items() if code is not None}
            found += [_mutant(str(file), name, status_by_exit_code[code]) for name, code in tried.items()]
    return found


def _mutant(file: str, name: str, status: str) -> Mutant:
    function, class_name = orig_function_and_class_names_from_key(name)
    full_name = ".".join(part for part in (get_module_from_key(name), class_name, function) if part)
    if status in {"killed", "timeout"}:
        return Mutant(name, file, full_name, status)
    diff = get_diff_for_mutant(name, path=file).splitlines()[2:]
    return Mutant(name, file, full_name, status, "\n".join(line for line in diff if line.startswith(("-", "+"))))


class MutationReport:
    """The mutants beside the explanations, each of which is good for one survivor."""

    def __init__(self, mutants: Sequence[Mutant], explanations: Iterable[Explanation]) -> None:
        self.mutants = mutants
        self.unused = list(explanations)
        self.survivors: list[tuple[Mutant, str | None]] = []
        for mutant in mutants:
            if not mutant.noticed:
                fitting = next((one for one in self.unused if one.fits(mutant)), None)
                if fitting is not None:
                    self.unused.remove(fitting)
                self.survivors.append((mutant, fitting.why if fitting else None))

    @property
    def percent(self) -> float:
        """The percentage of mutants that the tests noticed; 0 without any."""
        return 100 * (len(self.mutants) - len(self.survivors)) / max(1, len(self.mutants))

    @property
    def faults(self) -> list[str]:
        """A sentence for everything that must be put right."""
        few = [f"{self.percent:.1f} % of the mutants were noticed, not {GOAL:g} %"] if self.percent < GOAL else []
        return [
            *few,
            *(f"{mutant.name}: {mutant.status}, and nothing explains it" for mutant, why in self.survivors if not why),
            *(f"the explanation of {one.function} fits no survivor:\n{one.change}" for one in self.unused),
        ]

    def rows(self) -> list[tuple[str, int, int, int, int, float]]:
        """Return the figures of each file, and of all together."""
        rows = []
        for file in (*dict.fromkeys(mutant.file for mutant in self.mutants), "all"):
            counts = Counter(mutant.status for mutant in self.mutants if file in {"all", mutant.file})
            total, killed, endless = counts.total(), counts["killed"], counts["timeout"]
            percent = round(100 * (killed + endless) / max(1, total), 1)
            rows.append((file, total, killed, endless, total - killed - endless, percent))
        return rows

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "met": not self.faults,
            "faults": self.faults,
            "goal": GOAL,
            "percent": round(self.percent, 2),
            "files": [dict(zip(_COLUMNS, row, strict=True)) for row in self.rows()],
            "survivors": [asdict(mutant) | {"why": why} for mutant, why in self.survivors],
        }

    def as_text(self) -> str:
        """Return each survivor with its explanation, and a table."""
        survivors = [f"{m.name}: {why or f'{m.status}, NOT EXPLAINED'}\n{m.change}\n" for m, why in self.survivors]
        width = max(len(str(row[0])) for row in self.rows())
        table = [
            f"{row[0]:<{width}}" + "".join(f"{cell!s:>10}" for cell in row[1:]) for row in (_COLUMNS, *self.rows())
        ]
        return "\n".join([*survivors, *table])
