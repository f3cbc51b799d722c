"""A person is forgotten while the queue stands still, on the whole stack."""

from __future__ import annotations

import httpx
import pytest

from infra.cli.deployment import Clients, Outputs
from tests.support.client import Front, eventually
from tests.support.stacks import function_logs, printed, registrar_paused, turnstile
from workers.aws.items import registration_key
from workers.domain.records import registration_id

pytestmark = pytest.mark.e2e


def test_what_they_had_goes_to_those_who_wait(stack: Outputs, front: Front, api: httpx.Client) -> None:
    """Whoever is forgotten loses seat, place and undecided request; who waits moves up; nobody finds them any more."""
    seat, place = front.event(1, hasWaitlist=True), front.event(0, hasWaitlist=True)
    leaver, waiter = front.users(2)
    for user_id in (leaver, waiter):
        front.seat(seat, user_id)
        front.seat(place, user_id)
    answer = api.delete(f"/users/{leaver}")
    assert (answer.status_code, answer.json()["cancellations"]) == (202, 2)
    front.has(seat, waiter, "confirmed")
    assert eventually(lambda: front.registration(place, waiter)["waitlistPosition"] == 1)
    event = front.read_event(seat)
    assert (event["currentAttendees"], event["waitlistLength"]) == (1, 0)
    assert front.registration(seat, leaver)["status"] == "cancelled"
    assert front.register(seat, leaver).json()["code"] == "user-not-found"
    assert front.list(f"/events/{seat}/registrations", status="cancelled")[0]["user"] == {"userId": leaver}
    assert api.delete(f"/users/{leaver}").json() == answer.json() | {"cancellations": 0}
    assert eventually(lambda: '"message":"forgotten"' in function_logs(stack))


def test_forgotten_while_queued(stack: Outputs, aws: Clients, front: Front, api: httpx.Client) -> None:
    """A Register that was queued before its user was forgotten, and is decided afterwards, seats them; `turnstile
    reconcile` finds it and cancels it, and who waits gets the seat."""
    event_id, (leaver, waiter) = front.event(1, hasWaitlist=True), front.users(2)
    registration = registration_id(event_id, leaver)
    with registrar_paused(aws):
        assert front.register(event_id, leaver, Prefer="respond-async").status_code == 202
        # Nothing of it is in the index yet, as when that lags.
        aws.dynamodb.delete_item(TableName=stack.registrations_table, Key=registration_key(registration))
        answer = api.delete(f"/users/{leaver}")
        assert (answer.status_code, answer.json()["cancellations"]) == (202, 0)
    front.has(event_id, leaver, "confirmed")
    assert front.seat(event_id, waiter)["waitlistPosition"] == 1

    found = turnstile("reconcile", event_id)
    assert found.returncode == 1
    assert f"registration {registration} at event '{event_id}' is confirmed, of a forgotten user" in found.stdout
    (erased,) = printed("reconcile", event_id, "--repair")["erased"]
    assert (erased["registrationId"], erased["repair"]) == (registration, "cancelled")
    front.has(event_id, waiter, "confirmed")
    assert front.registration(event_id, leaver)["status"] == "cancelled"
    assert turnstile("reconcile", event_id).returncode == 0
