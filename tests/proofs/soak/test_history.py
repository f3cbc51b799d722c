"""The history file and the tables' file: what was written is what is read."""

from __future__ import annotations

import math
from io import StringIO
from pathlib import Path

import pytest

from tests.proofs.soak.history import CONFIGURE, REGISTER, History, read_history, read_items, shown, write_items
from tests.proofs.soak.made_up import tables
from workers.aws.items import ledger_to_item, registration_to_item, seat_settings_to_attributes


def written(tmp_path: Path, text: str) -> Path:
    """A file with that text."""
    path = tmp_path / "history.jsonl"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_request_and_its_answer(tmp_path: Path) -> None:
    """A request is read back with its answer, one without an answer as under way for ever."""
    file = StringIO()
    history = History(file)
    first = history.sends(REGISTER, "event", "ada", headers={"Prefer": "wait=4"})
    history.hears(history.sends(CONFIGURE, "event", settings={"capacity": 3}), failure="ReadTimeout")
    history.hears(first, status=201, outcome="waitlisted", registered_at=17, position=2)
    one, two = read_history(written(tmp_path, file.getvalue()))
    assert (one.what, one.user, one.status, one.outcome, one.registered_at, one.position) == (
        (REGISTER, "ada", 201, "waitlisted", 17, 2)
    )
    assert 0 <= one.start <= two.start <= one.end < math.inf
    assert not one.unknown
    assert (two.what, two.settings, two.status, two.end) == (CONFIGURE, {"capacity": 3}, 0, math.inf)
    assert two.unknown


def test_a_run_that_was_killed(tmp_path: Path) -> None:
    """A last line that is not whole is left out; another one that cannot be read is an error."""
    file = StringIO()
    history = History(file)
    history.hears(history.sends(REGISTER, "event", "ada"), status=202)
    text = file.getvalue()
    (exchange,) = read_history(written(tmp_path, text[:-1]))
    assert exchange.status == 0
    with pytest.raises(ValueError, match="Expecting"):
        read_history(written(tmp_path, "{\n" + text))


def test_what_an_answer_shows() -> None:
    """Of a registration its status, time and place; of a problem its code; of a page that is no JSON its status."""
    body = {"status": "waitlisted", "registeredAt": "1970-01-01T00:00:01.000002Z", "waitlistPosition": 3}
    assert shown(201, body, {"idempotent-replayed": "true"}) == {
        "status": 201,
        "outcome": "waitlisted",
        "registered_at": 1_000_002,
        "position": 3,
        "replayed": True,
    }
    assert shown(409, {"status": 409, "code": "event-full"}, {}) == {"status": 409, "outcome": "event-full"}
    assert shown(204, None, {}) == {"status": 204}
    assert shown(502, None, {}) == {"status": 502}


def test_the_tables(tmp_path: Path) -> None:
    """Items are read back as they were in the tables, the line among them."""
    kept = tables([("ada", "confirmed", 100), ("bob", "waitlisted", 200), ("cyd", "waitlisted", 300)], 1)
    (ledger,) = kept.ledgers.values()
    items = {
        "registrations": [registration_to_item(record) for record in kept.registrations],
        "ledgers": [ledger_to_item(ledger)],
        "events": [{"eventId": {"S": "event"}} | seat_settings_to_attributes(ledger.settings)],
    }
    path = tmp_path / "tables.json"
    write_items(path, items, ["the queue is not empty"])
    read = read_items(path)
    assert (read.registrations, read.ledgers, read.settings) == (kept.registrations, kept.ledgers, kept.settings)
    assert read.unrest == ("the queue is not empty",)
    assert len(ledger.waitlist) == 2
