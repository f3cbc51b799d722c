"""A small demo on the stack under test."""

from __future__ import annotations

import pytest

from infra.cli.deployment import Deployment
from tests.tools.demo.__main__ import play
from tests.tools.demo.sizes import Sizes

pytestmark = pytest.mark.e2e


@pytest.mark.usefixtures("stack")
def test_a_small_day(capsys: pytest.CaptureFixture[str]) -> None:
    """Seats and waiting list fill, the rest are refused; cancelled and added seats go to the waiting list; the dead
    letter is replayed; and every rule is kept."""
    sizes = Sizes(people=30, seats=6, places=4, cancel=2, more_seats=1, again=2, within=2)
    report = play(Deployment.resolve(), sizes)
    assert [rule for rule in report.rules if not rule.kept] == []
    totals = [report.totals[name] for name in ("seats", "confirmed", "waitlisted", "cancelled")]
    assert totals == [7, 7, 3, 2]
    assert len(report.promoted) == 3
    outcomes = {name: len(report.waits[name]) for name in ("confirmed", "waitlisted", "full")}
    assert outcomes == {"confirmed": 6, "waitlisted": 6, "full": 20}
    printed = capsys.readouterr().err
    assert "its message is a dead letter: event-not-found: there is no such event" in printed
    assert "replaying it would come to: confirmed (seat-given)" in printed
    assert max(found.dead_letters for found in report.observations) == 1
