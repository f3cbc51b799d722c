"""Mistakes in the product that the simulator must see: one that it does not see would mean that it is blind."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.simulation.plants import PLANTS, Missing, Plant, install
from tests.simulation.survey import look


@pytest.mark.parametrize("name", PLANTS)
def test_a_mistake_is_seen(name: str) -> None:
    """Within two hundred histories a rule breaks."""
    (sighting,) = look([name])
    assert sighting.rule is not None, f"{PLANTS[name].what}: not seen in {sighting.histories} histories"


@pytest.mark.parametrize("name", PLANTS)
def test_a_mistake_changes_the_product(name: str) -> None:
    """The text that a mistake replaces is there, once."""
    for module in PLANTS[name].instead:
        spec = importlib.util.find_spec(module)
        assert spec is not None
        assert spec.origin is not None
        source = Path(spec.origin).read_text(encoding="utf-8")
        assert PLANTS[name].text(module, source) != source


def test_a_mistake_that_no_longer_fits_is_an_error() -> None:
    """When the product has moved on, the mistake must move too."""
    plant = Plant("nothing", {"workers.registrar": ("there is no such text", "")})
    with pytest.raises(Missing, match="has 0 times"):
        plant.text("workers.registrar", "x = 1")


def test_a_mistake_comes_before_the_product() -> None:
    """A module that is loaded already cannot be changed any more."""
    importlib.import_module("workers.domain.decide")
    with pytest.raises(Missing, match=r"workers\.domain\.decide"):
        install("settle-first-dropped")
