"""Sold out is cheap: the answer comes from the one read that every POST begins with; nothing goes into the queue."""

from __future__ import annotations

import pytest

from tests.api.conftest import Taps
from tests.support.pipeline import Pipeline
from workers.aws.commit import versioned_put
from workers.domain.records import Registration, Status


@pytest.fixture
def full(pipeline: Pipeline) -> Pipeline:
    """An event with one seat, which `ann` has, and one place in the line, which `bob` has; `cid` has neither."""
    pipeline.add_event("e", 1, hasWaitlist=True, waitlistCapacity=1)
    pipeline.fill("e", "ann", "bob")
    pipeline.add_user("cid")
    return pipeline


def test_one_read(full: Pipeline, taps: Taps) -> None:
    """A refusal for want of room is one BatchGetItem, no message, no record, however often somebody asks."""
    calls = taps.calls()
    for _ in range(3):
        answer = full.register("e", "cid")
        assert (answer.status, answer.code) == (409, "waitlist-full")
    assert calls == ["BatchGetItem"] * 3
    assert full.record("e", "cid") is None


def test_already_registered_wins(full: Pipeline) -> None:
    """Who has a seat or waits at a full event hears that, and not that it is full."""
    assert [full.register("e", user).code for user in ("ann", "bob")] == ["already-registered"] * 2


def test_who_left_may_not_come_back_to_a_full_event(full: Pipeline) -> None:
    """An inactive registration is no way in; it stays as it is."""
    full.cancel("e", "ann")  # bob moves up
    full.register("e", "cid")
    assert full.register("e", "ann").code == "waitlist-full"
    assert full.standing("e", "ann") == ("cancelled", 1)


def test_room_is_never_denied(full: Pipeline) -> None:
    """A seat that is free for a waiter makes room in the line: nobody is refused before the line has moved up."""
    full.time.on_sleep.clear()
    full.cancel("e", "ann", Prefer="respond-async")
    full.deliver()  # the seat is free, and nobody has been promoted yet
    assert full.ledger("e").promotable
    full.time.on_sleep.append(full.run)
    answer = full.register("e", "cid")
    assert (answer.status, answer.body["status"], answer.body["waitlistPosition"]) == (201, "waitlisted", 1)


def test_a_request_on_its_way_is_waited_for(full: Pipeline) -> None:
    """Who is pending has a command in the queue: she hears what comes of it, though the ledger has no room now."""
    pending = Registration("e", "cid", Status.PENDING, 1, 1, full.time.now)
    full.dynamodb.put_item(**versioned_put(full.tables.registrations, pending))
    assert full.register("e", "cid", Prefer="respond-async").status == 202


def test_the_first_command_of_an_event_goes_through_the_queue(pipeline: Pipeline, taps: Taps) -> None:
    """Without a ledger nobody is refused at the door: the registrar makes it, and decides."""
    pipeline.add_event("e", 0)
    calls = taps.calls()
    assert pipeline.register("e", pipeline.add_user("ann")).code == "event-full"
    assert calls.count("SendMessage") == 1


def test_the_preference_is_confirmed(full: Pipeline) -> None:
    """Who asked not to wait is told that this was heeded, though there was nothing to wait for."""
    answer = full.register("e", "cid", Prefer="respond-async")
    assert (answer.status, answer.headers["Preference-Applied"]) == (409, "respond-async")
