"""Many at once: nothing is oversold, nobody passes an earlier waiter, and every 202 leads to an outcome."""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx
import pytest

from infra.cli.deployment import Clients, Outputs
from tests.support.client import ApiClient, eventually, unique
from tests.support.tables import put_items
from tests.support.threads import at_once
from workers.aws.items import ledger_from_item, registration_from_item, registration_key, timestamp
from workers.domain.records import registration_id

pytestmark = pytest.mark.e2e

CLIENTS, SEATS, PLACES = 50, 20, 10


def all_at_once(api_url: str, event_id: str, user_ids: list[str]) -> list[dict[str, Any]]:
    """Register each user from a thread of its own; return the outcomes in the order of `user_ids`."""
    with httpx.Client(base_url=api_url, timeout=60, trust_env=False) as http:

        def register(number: int) -> dict[str, Any]:
            answer = ApiClient(http).register(event_id, user_ids[number])
            body: dict[str, Any] = answer.json()
            if answer.status_code != 202:
                return {"answer": answer.status_code} | body
            assert (body["status"], int(answer.headers["retry-after"]) > 0) == ("pending", True)
            return {"answer": 202} | eventually(lambda: decided(answer.headers["location"]), within=30)

        def decided(location: str) -> dict[str, Any] | None:
            read: dict[str, Any] = http.get(location).json()
            return None if read["status"] == "pending" else read

        return at_once(len(user_ids), register)


def crowd(aws: Clients, table: str) -> list[str]:
    """Write all clients as users straight into their table: this test is not about creating them."""
    user_ids = [unique("client") for _ in range(CLIENTS)]
    fields = {"name": {"S": "N"}, "createdAt": {"S": timestamp(0)}}  # others on this stack read them, too
    put_items(aws.dynamodb, table, [{"userId": {"S": user_id}} | fields for user_id in user_ids])
    return user_ids


def outcome(result: dict[str, Any]) -> str:
    """Return a status or code, from the response itself or from the Location of a 202."""
    if result["answer"] == 409 or result["status"] == "rejected":
        return str(result["code"])
    return str(result["status"])


def test_fifty_clients(stack: Outputs, front: ApiClient, aws: Clients) -> None:
    """Of 50 clients at once exactly 20 are confirmed, 10 wait in the order of their tickets, the rest are refused."""
    event_id = front.event(SEATS, hasWaitlist=True, waitlistCapacity=PLACES)
    user_ids = crowd(aws, stack.users_table)
    results = all_at_once(stack.api_url, event_id, user_ids)
    expected = {"confirmed": SEATS, "waitlisted": PLACES, "waitlist-full": CLIENTS - SEATS - PLACES}
    assert Counter(map(outcome, results)) == expected

    keys = [registration_key(registration_id(event_id, user_id)) for user_id in user_ids]
    wanted: Any = {stack.registrations_table: {"Keys": keys, "ConsistentRead": True}}
    stored = aws.dynamodb.batch_get_item(RequestItems=wanted)["Responses"][stack.registrations_table]
    records = sorted(map(registration_from_item, stored), key=lambda record: record.registered_at)
    in_order = ["confirmed"] * SEATS + ["waitlisted"] * PLACES
    # Requests that found the ledger full were refused by the API and have no record.
    assert [str(record.status) for record in records] == in_order + ["rejected"] * (len(records) - len(in_order))
    waiting = [record for record in records if record.ticket is not None]
    assert [record.ticket for record in waiting] == list(range(1, PLACES + 1))
    line = front.list(f"/events/{event_id}/registrations", status="waitlisted")
    assert [entry["userId"] for entry in line] == [record.user_id for record in waiting]
    assert [entry["waitlistPosition"] for entry in line] == list(range(1, PLACES + 1))

    key: Any = {"eventId": {"S": event_id}}
    ledger = ledger_from_item(aws.dynamodb.get_item(TableName=stack.ledger_table, Key=key, ConsistentRead=True)["Item"])
    assert (ledger.confirmed, len(ledger.waitlist)) == (SEATS, PLACES)
    event = front.read_event(event_id)
    assert (event["currentAttendees"], event["seatsLeft"], event["waitlistLength"]) == (SEATS, 0, PLACES)
