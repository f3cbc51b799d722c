"""Does the simulator see the mistakes that somebody could make? Each is made in a process of its own."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from tests.simulation.plants import PLANTS, install

MOST = 200
"""A mistake that so many histories do not show is not seen."""

_LIBRARIES = ["aws_lambda_powertools.metrics", "botocore.client", "botocore.session", "greenlet", "pydantic"]
"""What takes long to load, and is the same with every mistake: it is loaded once, before the processes part."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """Which rule a mistake broke, and in the how many-th history; None if it was not seen."""

    plant: str
    rule: str | None
    histories: int


def look(plants: Iterable[str], processes: int = 1) -> Iterator[Sighting]:
    """Runs histories 0, 1, 2 and so on with each mistake in the product, until one shows it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LIBRARIES)
    with ProcessPoolExecutor(processes, context, max_tasks_per_child=1) as pool:
        yield from pool.map(_look, plants)


def _look(plant: str) -> Sighting:
    install(plant)
    campaign = importlib.import_module("tests.simulation.campaign")  # which imports the product: now, with the mistake
    totals = campaign.some(range(MOST))
    rules = [violation.rule for violation in totals.broken.values()]
    return Sighting(plant, rules[0] if rules else None, totals.histories)


def table(sightings: list[Sighting]) -> str:
    """As it stands in docs/testing.md."""
    rows = [f"| {PLANTS[s.plant].what} | {s.rule or '**not seen**'} | {s.histories} |" for s in sightings]
    return "\n".join(["| mistake | the rule that it breaks | after so many histories |", "|---|---|---|", *rows])


if __name__ == "__main__":
    found = list(look(PLANTS, os.cpu_count() or 1))
    print(table(found))
    sys.exit(any(sighting.rule is None for sighting in found))
