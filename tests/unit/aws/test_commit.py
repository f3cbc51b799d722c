"""The one transaction of a batch: item by item, and as the SDK sends it; and what becomes of refusals."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError

from tests.support.builders import EVENT, NOW, Book, cancel, change, configure, promote, register, seats
from workers.aws import clients
from workers.aws.commit import CommitCancelled, commit, transaction_items
from workers.aws.items import ledger_to_item, registration_to_item
from workers.aws.load import DecisionTables
from workers.domain.commands import Recount
from workers.domain.decide import decide
from workers.domain.records import Ledger, Totals
from workers.domain.seat_settings import SETTINGS, EventStatus

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLES = DecisionTables(events="E", registrations="R", ledger="L")


def test_a_first_write_must_find_nothing() -> None:
    """Version 1 of ledger and record: on the condition that there is none yet."""
    decision = Book(seats(1)).deliver(register("ann"))
    assert transaction_items(TABLES, [decision]) == [
        {
            "Put": {
                "TableName": "L",
                "Item": ledger_to_item(decision.ledger),
                "ConditionExpression": "attribute_not_exists(eventId)",
            }
        },
        {
            "Put": {
                "TableName": "R",
                "Item": registration_to_item(decision.registrations[0]),
                "ConditionExpression": "attribute_not_exists(registrationId)",
            }
        },
    ]


def test_a_later_write_attribute_by_attribute() -> None:
    """The puts of version 2: the whole item, if and only if version 1 is stored."""
    book = Book(seats(1))
    book.fill("ann")
    decision = book.deliver(cancel("ann"))
    version_1 = {
        "ConditionExpression": "#version = :before",
        "ExpressionAttributeNames": {"#version": "version"},
        "ExpressionAttributeValues": {":before": {"N": "1"}},
    }
    assert transaction_items(TABLES, [decision]) == [
        {"Put": {"TableName": "L", "Item": ledger_to_item(decision.ledger), **version_1}},
        {"Put": {"TableName": "R", "Item": registration_to_item(decision.registrations[0]), **version_1}},
    ]


def test_a_recount_writes_the_ledger_alone() -> None:
    """On the condition of the version that was counted; where there was no ledger, that there still is none."""
    for version, condition in ((3, "#version = :before"), (0, "attribute_not_exists(eventId)")):
        ledger = Ledger(EVENT, seats(2), version, confirmed=7)
        command = Recount("recount", EVENT, version, Totals(confirmed=1), NOW)
        (item,) = transaction_items(TABLES, [decide(ledger, (), [command], NOW)])
        assert (item["Put"]["TableName"], item["Put"]["ConditionExpression"]) == ("L", condition)
        assert item["Put"]["Item"] == ledger_to_item(Ledger(EVENT, seats(2), version + 1, confirmed=1))


def test_decisions_without_change_write_nothing() -> None:
    """Superseded commands cost no write: no items, also beside another event's that have some."""
    idle = Book(seats(1)).deliver(cancel("ann"), promote())
    busy = Book(seats(1), event="e2").deliver(register("ann", event="e2"))
    assert transaction_items(TABLES, [idle]) == []
    assert len(transaction_items(TABLES, [idle, busy])) == 2


def test_a_full_batch_for_one_event_is_eleven_items() -> None:
    """Ten fresh registrations: ten records and one ledger, nothing else."""
    decision = Book(seats(5, waitlist=5)).deliver(*[register(f"u{number}") for number in range(10)])
    tables = [item["Put"]["TableName"] for item in transaction_items(TABLES, [decision])]
    assert tables == ["L"] + ["R"] * 10


@pytest.mark.parametrize("limit", [7, None])
def test_settings_attribute_by_attribute(limit: int | None) -> None:
    """The update of an event that is there: every seat field set, or removed where there is no limit; all by alias,
    because `status` and `capacity` are words of DynamoDB's own."""
    changed = change(1, capacity=4, has_waitlist=True, waitlist_capacity=limit, status=EventStatus.CLOSED)
    ledger, event = transaction_items(TABLES, [Book(seats(1)).deliver(changed)])
    names = ("capacity", "hasWaitlist", "waitlistCapacity", "status")
    written = [name for name in names if limit is not None or name != "waitlistCapacity"]
    expression = "SET " + ", ".join(f"#{name} = :{name}" for name in written)
    expression += " REMOVE #waitlistCapacity" if limit is None else ""
    values = {":capacity": {"N": "4"}, ":hasWaitlist": {"BOOL": True}, ":status": {"S": "closed"}}
    assert ledger["Put"]["TableName"] == "L"
    assert event == {
        "Update": {
            "TableName": "E",
            "Key": {"eventId": {"S": EVENT}},
            "ConditionExpression": "attribute_exists(eventId)",
            "UpdateExpression": expression,
            "ExpressionAttributeNames": {f"#{name}": name for name in names},
            "ExpressionAttributeValues": values if limit is None else {**values, ":waitlistCapacity": {"N": "7"}},
        }
    }


def test_every_setting_that_is_none_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second setting that may be null is removed in the same clause."""
    more = replace(SETTINGS["waitlist_capacity"], name="another", wire_name="another")
    monkeypatch.setattr("workers.aws.commit.SETTINGS", {**SETTINGS, "another": more})
    _, event = transaction_items(TABLES, [Book(seats(1)).deliver(configure(1, seats(4)))])
    assert event["Update"]["UpdateExpression"].endswith(" REMOVE #waitlistCapacity, #another")


class Wire:
    """A made-up network between the SDK and AWS: it keeps each request, and gives the answer that it was set to."""

    def __init__(self, client: DynamoDBClient) -> None:
        self.client = client
        self.requests: list[dict[str, Any]] = []
        self.status, self.answer = 200, dict[str, Any]()

    def send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        """In place of the network."""
        assert request.headers["X-Amz-Target"] == b"DynamoDB_20120810.TransactWriteItems"
        self.requests.append(json.loads(cast("bytes", request.body)))
        return AWSResponse(request.url, self.status, HTTPHeaders(), RawBody(json.dumps(self.answer).encode()))

    def refuse(self, code: str, **more: object) -> None:
        """From now on the answer is an error."""
        self.status = 400
        self.answer = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "no", **more}


class RawBody:
    """The body of an answer, as urllib3 gives it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        """All in one piece."""
        yield self._content


@pytest.fixture(scope="module")
def client() -> DynamoDBClient:
    """The client of the functions."""
    return clients.dynamodb()


@pytest.fixture
def wire(client: DynamoDBClient) -> Iterator[Wire]:
    """A wire that accepts everything."""
    wire = Wire(client)
    send = cast("Callable[..., None]", wire.send)  # whoever listens here may answer, whatever the stubs say
    client.meta.events.register("before-send.dynamodb", send)
    yield wire
    client.meta.events.unregister("before-send.dynamodb", send)


def a_batch() -> list[Any]:
    """The items of a batch with a first and a later write, and changed settings."""
    book = Book(seats(2))
    book.fill("ann")
    return transaction_items(TABLES, [book.deliver(cancel("ann"), register("bob"), configure(1, seats(4, 7)))])


def test_all_items_go_in_one_request_with_a_token(wire: Wire) -> None:
    """One TransactWriteItems with every item as it is, and a token by which AWS knows the SDK's own retry."""
    items = a_batch()
    commit(wire.client, items)
    (sent,) = wire.requests
    assert len(sent.pop("ClientRequestToken")) == 36
    assert sent == json.loads(json.dumps({"TransactItems": items}))
    assert [next(iter(item)) for item in items] == ["Put", "Put", "Put", "Update"]


@pytest.mark.parametrize(
    ("more", "reasons"),
    [({"CancellationReasons": [{"Code": "None"}, {"Code": "Conflict"}, {}]}, ("None", "Conflict", "?")), ({}, ())],
)
def test_a_cancelled_transaction_has_its_reasons(wire: Wire, more: dict[str, Any], reasons: tuple[str, ...]) -> None:
    """The reason of each item, in their order; a question mark for an item without."""
    wire.refuse("TransactionCanceledException", **more)
    with pytest.raises(CommitCancelled) as caught:
        commit(wire.client, a_batch())
    assert caught.value.reasons == reasons
    assert str(caught.value) == "transaction cancelled: " + ", ".join(reasons)
    assert isinstance(caught.value.__cause__, ClientError)
    assert len(wire.requests) == 1


def test_another_refusal_is_what_it_is(wire: Wire) -> None:
    """Any other error comes through as the SDK raised it, code and all."""
    wire.refuse("ResourceNotFoundException", CancellationReasons=[{"Code": "None"}])
    with pytest.raises(ClientError) as caught:
        commit(wire.client, a_batch())
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"


@pytest.mark.parametrize("answer", [{}, {"Error": {}}])
def test_a_refusal_without_a_code_is_what_it_is(answer: Any) -> None:
    """An answer that nobody understands is no cancellation: it comes through."""

    class Odd:
        def transact_write_items(self, **_: object) -> None:
            raise ClientError(answer, "TransactWriteItems")

    with pytest.raises(ClientError):
        commit(cast("DynamoDBClient", Odd()), [])
