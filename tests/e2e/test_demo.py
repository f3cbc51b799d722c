"""The demo's day, a small one, on the stack under test."""

from __future__ import annotations

import pytest

from infra.cli.deployment import Deployment
from tests.tools.demo.__main__ import play
from tests.tools.demo.sizes import Sizes

pytestmark = pytest.mark.e2e


@pytest.mark.usefixtures("stack")
def test_a_small_day(capsys: pytest.CaptureFixture[str]) -> None:
    """Seats fill, the line grows, the rest hear that it is full; who leaves makes room for the line, as added seats do;
    the message that died is replayed; and every rule was kept."""
    sizes = Sizes(people=30, seats=6, places=4, cancel=2, more_seats=1, again=2, within=2)
    report = play(Deployment.resolve(), sizes)
    assert [ruling for ruling in report.rulings if not ruling.kept] == []
    assert report.standing["seats"] == report.standing["people with a seat"] == 7
    assert report.standing["people in the line"] == 3
    assert report.standing["people who gave up their seats"] == 2
    assert len(report.moved_up) == 3
    assert {name: len(found) for name, found in report.waits.items() if name.startswith("told")} == {
        "told: a seat": 6, "told: a place in the line": 6, "told: full": 20,
    }  # fmt: skip
    said = capsys.readouterr().err
    assert "its message is a dead letter: event-not-found: there is no such event" in said
    assert "replaying it would come to: confirmed (seat-given)" in said
    assert max(look.dead_letters for look in report.looks) == 1
