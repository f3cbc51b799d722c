"""A user is erased while a registration is queued."""

from __future__ import annotations

import httpx
import pytest

from infra.cli.deployment import Clients, Outputs
from tests.support.client import ApiClient
from tests.support.stacks import printed, registrar_paused, turnstile
from workers.aws.items import registration_key
from workers.domain.records import registration_id

pytestmark = pytest.mark.e2e


def test_forgotten_while_queued(stack: Outputs, aws: Clients, front: ApiClient, api: httpx.Client) -> None:
    """A `Register` that was queued before its user was erased is confirmed; `turnstile reconcile` finds and cancels it,
    and the first waiter gets the seat."""
    event_id, (leaver, waiter) = front.event(1, hasWaitlist=True), front.users(2)
    registration = registration_id(event_id, leaver)
    with registrar_paused(aws):
        assert front.register(event_id, leaver, Prefer="respond-async").status_code == 202
        # As if the index lagged.
        aws.dynamodb.delete_item(TableName=stack.registrations_table, Key=registration_key(registration))
        answer = api.delete(f"/users/{leaver}")
        assert (answer.status_code, answer.json()["cancellations"]) == (202, 0)
    front.has(event_id, leaver, "confirmed")
    assert front.seat(event_id, waiter)["waitlistPosition"] == 1

    found = turnstile("reconcile", event_id)
    assert found.returncode == 1
    assert f"registration {registration} at event '{event_id}' is confirmed, of an erased user" in found.stdout
    (erased,) = printed("reconcile", event_id, "--repair")["erased"]
    assert (erased["registrationId"], erased["repair"]) == (registration, "cancelled")
    front.has(event_id, waiter, "confirmed")
    assert front.registration(event_id, leaver)["status"] == "cancelled"
    assert turnstile("reconcile", event_id).returncode == 0
