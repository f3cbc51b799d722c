"""Does the simulator see the mistakes that somebody could make? Each is made in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass

from tests.simulation.plants import PLANTS, VARIABLE

MOST = 200
"""A mistake that so many histories do not show is not seen."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """Which rule a mistake broke, and in the how many-th history; None if it was not seen."""

    plant: str
    rule: str | None
    histories: int


def look(plant: str) -> Sighting:
    """Runs histories 0, 1, 2 and so on with a mistake in the product, until one shows it."""
    command = [sys.executable, "-m", "tests.simulation", "--plant", plant, "--json", "--brief"]
    command += ["--seeds", str(MOST), "--first-only"]
    environment = os.environ | {VARIABLE: plant}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if not ran.stdout:
        raise RuntimeError(f"{plant}: {ran.stderr}")
    found = json.loads(ran.stdout)
    rules = [broken["rule"] for broken in found["broken"].values()]
    return Sighting(plant, rules[0] if rules else None, found["histories"])


def table(sightings: list[Sighting]) -> str:
    """As it stands in docs/testing.md."""
    rows = [f"| {PLANTS[s.plant].what} | {s.rule or '**not seen**'} | {s.histories} |" for s in sightings]
    return "\n".join(["| mistake | the rule that it breaks | after so many histories |", "|---|---|---|", *rows])


if __name__ == "__main__":
    found = [look(name) for name in PLANTS]
    print(table(found))
    sys.exit(any(sighting.rule is None for sighting in found))
