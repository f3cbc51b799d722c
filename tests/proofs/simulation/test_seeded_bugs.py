"""Mistakes in the product that the simulator must see: one that it does not see would mean that it is blind."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.proofs.simulation.lambdas import RAISED
from tests.proofs.simulation.seeded_bugs import PLANTS, Missing, Plant, install

_NAMES = list(PLANTS)
_TOGETHER = 24


def source(module: str) -> str:
    """The text of one of the product's modules."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_text(encoding="utf-8")


@pytest.mark.parametrize("first", range(0, len(_NAMES), _TOGETHER))
def test_a_mistake_is_seen(first: int) -> None:
    """Within two hundred histories a rule breaks, and not that nothing raises: it would not be seen for what it is."""
    # Several at a time, because the libraries take long to load.
    names = _NAMES[first : first + _TOGETHER]
    command = [sys.executable, "-m", "tests.proofs.simulation.survey", "--json", *names]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    sightings = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [sighting["plant"] for sighting in sightings] == names, ran.stderr
    assert [sighting["plant"] for sighting in sightings if sighting["rule"] in {None, RAISED}] == []


@pytest.mark.parametrize("name", PLANTS)
def test_a_mistake_changes_the_product(name: str) -> None:
    """The text that a mistake replaces is there, once."""
    for module in PLANTS[name].instead:
        assert PLANTS[name].text(module, source(module)) != source(module)


def test_a_mistake_names_only_what_there_is(tmp_path: Path) -> None:
    """None is seen merely because a name in it is no longer known in its module."""
    for name, plant in PLANTS.items():
        for module in plant.instead:
            (tmp_path / f"{name}.{module}.py").write_text(plant.text(module, source(module)), encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821", "--output-format", "concise"]
    ran = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def test_a_mistake_that_no_longer_fits_is_an_error() -> None:
    """When the product has moved on, the mistake must move too."""
    plant = Plant("nothing", {"workers.registrar.handler": ("there is no such text", "")})
    with pytest.raises(Missing, match="has 0 times"):
        plant.text("workers.registrar.handler", "x = 1")


def test_a_mistake_comes_before_the_product() -> None:
    """A module that is loaded already cannot be changed any more."""
    importlib.import_module("workers.domain.decide")
    with pytest.raises(Missing, match=r"workers\.domain\.decide"):
        install("settle-first-dropped")
