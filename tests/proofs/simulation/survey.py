"""`python -m tests.proofs.simulation.survey`: does the simulator see the mistakes that somebody could make?"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from tests.proofs.simulation.seeded_bugs import PLANTS, install

MOST = 200
"""A mistake that so many histories do not show is not seen."""

_LIBRARIES = (
    "aws_lambda_powertools.metrics", "botocore.client", "botocore.session", "greenlet", "jsonschema_rs",
    "pydantic.main", "pydantic.networks", "pydantic.root_model", "pytest", "unittest.mock",
)  # fmt: skip
"""What takes long to load, and is the same with every mistake: it is loaded once, before the processes part."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """The rule that a mistake broke, None if it was not seen, and how many histories were run to see it."""

    plant: str
    rule: str | None
    histories: int


def look(plants: Iterable[str]) -> Iterator[Sighting]:
    """Run histories with each mistake in the product, one after the other from its `first` on, until one shows it.

    Each is made in a process that is forked from this one, which so must not have loaded the product.
    """
    for library in _LIBRARIES:
        importlib.import_module(library)
    with multiprocessing.get_context("fork").Pool(os.cpu_count(), maxtasksperchild=1) as pool:
        yield from pool.imap(_look, plants)


def _look(plant: str) -> Sighting:
    install(plant)
    campaign = importlib.import_module(
        "tests.proofs.simulation.campaign"
    )  # which imports the product: now, with the mistake
    first = PLANTS[plant].first
    totals = campaign.some(range(first, first + MOST))
    rules = [violation.rule for violation in totals.broken.values()]
    return Sighting(plant, rules[0] if rules else None, totals.histories)


def table(sightings: list[Sighting]) -> str:
    """As it stands in docs/testing.md."""
    rows = [f"| {PLANTS[s.plant].what} | {s.rule or '**not seen**'} | {s.histories} |" for s in sightings]
    return "\n".join(["| mistake | the rule that it breaks | after so many histories |", "|---|---|---|", *rows])


def main() -> int:
    """Prints the table, or one JSON object per mistake. 1 if one is not seen."""
    parser = argparse.ArgumentParser("python -m tests.proofs.simulation.survey", description=__doc__)
    parser.add_argument("plants", nargs="*", metavar="MISTAKE", help=f"all, or some of: {', '.join(PLANTS)}")
    parser.add_argument("--json", action="store_true", help="print one JSON object per mistake")
    args = parser.parse_args()
    if unknown := sorted(set(args.plants) - PLANTS.keys()):
        parser.error(f"there is no mistake {', '.join(unknown)}")
    found = list(look(args.plants or PLANTS))
    print("\n".join(json.dumps(asdict(sighting)) for sighting in found) if args.json else table(found))
    return 1 if any(sighting.rule is None for sighting in found) else 0


if __name__ == "__main__":
    sys.exit(main())
