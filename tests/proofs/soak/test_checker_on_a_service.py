"""The checker on whole histories, of a small service that keeps the rules and of one that does not."""

from __future__ import annotations

import pytest

from tests.proofs.soak.checker import violations
from tests.proofs.soak.small_service import MISTAKES, SmallService

SEEDS = 60


def test_no_false_alarm() -> None:
    """Whatever overlaps, gets lost, comes late or twice: of a service that keeps the rules nothing is reported."""
    found = {seed: violations(*SmallService(seed).run()) for seed in range(SEEDS)}
    assert {seed: sentences for seed, sentences in found.items() if sentences} == {}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_service_with_a_mistake(mistake: str) -> None:
    """A service that makes a mistake now and then is found out within some histories."""
    assert any(violations(*SmallService(seed, mistake).run()) for seed in range(SEEDS))
