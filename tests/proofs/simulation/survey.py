"""`python -m tests.proofs.simulation.survey`: look for every seeded bug, and write a table to build/."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.proofs.simulation.campaign import some
from tests.proofs.simulation.seeded_bugs import SEEDED_BUGS

MOST = 200
"""A bug that so many runs do not show is not seen."""

TABLE = Path("build/seeded-bugs.md")


@dataclass(frozen=True, slots=True)
class Sighting:
    """The rule that a bug broke, None if it was not seen, and how many runs it took from its `first` on."""

    bug: str
    rule: str | None
    histories: int


def survey(names: Iterable[str]) -> Iterator[Sighting]:
    """Run the simulation with each bug, in a process of its own, until a run shows it."""
    with multiprocessing.get_context("fork").Pool(maxtasksperchild=1) as pool:
        yield from pool.imap(_look_for, names)


def _look_for(name: str) -> Sighting:
    SEEDED_BUGS[name].plant()
    first = SEEDED_BUGS[name].first
    totals = some(range(first, first + MOST))
    rules = [violation.rule for violation in totals.broken.values()]
    return Sighting(name, rules[0] if rules else None, totals.histories)


def main() -> int:
    """Print the rule that each bug breaks. Returns 1 if a bug is not seen."""
    parser = argparse.ArgumentParser("python -m tests.proofs.simulation.survey", description=__doc__)
    parser.add_argument("bugs", nargs="*", metavar="BUG", help=f"all, or some of: {', '.join(SEEDED_BUGS)}")
    args = parser.parse_args()
    if unknown := sorted(set(args.bugs) - SEEDED_BUGS.keys()):
        parser.error(f"there is no bug {', '.join(unknown)}")
    found = list(survey(args.bugs or SEEDED_BUGS))
    rows = [f"| {SEEDED_BUGS[s.bug].what} | {s.rule or '**not seen**'} | {s.histories} |" for s in found]
    table = "\n".join(["| bug | the rule that it breaks | runs until it is seen |", "|---|---|---|", *rows])
    print(table)
    if not args.bugs:
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text(table + "\n", encoding="utf-8")
    return 1 if any(sighting.rule is None for sighting in found) else 0


if __name__ == "__main__":
    sys.exit(main())
