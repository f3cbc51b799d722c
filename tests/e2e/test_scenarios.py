"""The five scenarios that the requirements name, over HTTP, through queue, worker, tables and stream."""

from __future__ import annotations

import time

import pytest

from tests.support.client import ApiClient

pytestmark = pytest.mark.e2e


def test_successful_registration(front: ApiClient) -> None:
    """While there are seats, a registration is confirmed in under 2 s, and `Location` leads to it."""
    event_id, user_id = front.event(2), front.user()
    begun = time.monotonic()
    answer = front.register(event_id, user_id)
    assert time.monotonic() - begun < 2
    assert answer.status_code == 201
    registration = answer.json()
    assert (registration["status"], registration["eventId"], registration["userId"]) == ("confirmed", event_id, user_id)
    assert front.http.get(answer.headers["location"]).json() == registration
    event = front.read_event(event_id)
    assert (event["currentAttendees"], event["seatsLeft"]) == (1, 1)


def test_waiting_list(front: ApiClient) -> None:
    """When the seats are gone people join the waiting list, each behind the one before."""
    event_id = front.event(1, hasWaitlist=True)
    seats = [front.seat(event_id, user_id) for user_id in front.users(3)]
    assert [seat["status"] for seat in seats] == ["confirmed", "waitlisted", "waitlisted"]
    assert [seat.get("waitlistPosition") for seat in seats] == [None, 1, 2]
    assert front.read_event(event_id)["waitlistLength"] == 2


def test_automatic_promotion(front: ApiClient) -> None:
    """Under 2 s after the 204 of a cancellation the first waiter has the seat, and the next one is first."""
    event_id = front.event(1, hasWaitlist=True)
    seated, first, second = front.users(3)
    for user_id in (seated, first, second):
        front.seat(event_id, user_id)
    assert front.cancel(event_id, seated).status_code == 204
    promoted = front.has(event_id, first, "confirmed", within=2)
    assert "waitlistPosition" not in promoted
    assert front.registration(event_id, second)["waitlistPosition"] == 1
    assert front.registration(event_id, seated)["status"] == "cancelled"


def test_event_and_waiting_list_full(front: ApiClient) -> None:
    """When seats and waiting list are full, or there is no waiting list, it is a 409 that says which."""
    with_line, without = front.event(1, hasWaitlist=True, waitlistCapacity=1), front.event(1)
    users = front.users(3)
    for user_id in users[:2]:
        front.seat(with_line, user_id)
    front.seat(without, users[0])
    for event_id, code in ((with_line, "waitlist-full"), (without, "event-full")):
        answer = front.register(event_id, users[2])
        assert (answer.status_code, answer.json()["code"]) == (409, code)
        assert answer.headers["content-type"] == "application/problem+json"
        assert front.registration(event_id, users[2])["code"] == "not-registered"  # refused by the API


def test_listing_a_users_registrations(front: ApiClient) -> None:
    """A user's list has the active registrations, oldest first, with events and waiting-list positions."""
    other, user_id = front.users(2)
    confirmed, waiting, left = front.event(1), front.event(1, hasWaitlist=True), front.event(1)
    front.seat(waiting, other)
    for event_id in (confirmed, waiting, left):
        front.seat(event_id, user_id)
    assert front.cancel(left, user_id).status_code == 204
    path = f"/users/{user_id}/registrations"
    entries = front.list(path)
    assert [(entry["eventId"], entry["status"], entry.get("waitlistPosition")) for entry in entries] == [
        (confirmed, "confirmed", None),
        (waiting, "waitlisted", 1),
    ]
    assert [entry["event"] for entry in entries] == [front.read_event(confirmed), front.read_event(waiting)]
    assert [entry["eventId"] for entry in front.list(path, status="cancelled")] == [left]
    everything = front.list(path, status="confirmed,waitlisted,cancelled", limit=1)
    assert [entry["eventId"] for entry in everything] == [confirmed, waiting, left]
