"""The simulation sees every seeded bug: a bug that it did not see would mean that it is blind."""

from __future__ import annotations

from tests.proofs.simulation.lambdas import RAISED
from tests.proofs.simulation.seeded_bugs import SEEDED_BUGS
from tests.proofs.simulation.survey import survey


def test_every_bug_is_seen() -> None:
    """Each bug breaks a rule within some runs; an exception in the product would not show what the bug is."""
    found = list(survey(SEEDED_BUGS))
    assert [sighting.bug for sighting in found] == list(SEEDED_BUGS)
    assert [sighting for sighting in found if sighting.rule in {None, RAISED}] == []
