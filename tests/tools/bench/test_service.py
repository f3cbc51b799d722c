"""The modelled DynamoDB: requests take their time, and a transaction keeps others off its items."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.tools.bench import service
from tests.tools.bench.engine import Engine
from tests.tools.bench.latencies import PUT_MS, batch_get_ms, transaction_ms
from tests.tools.bench.service import Service, modelled_ms

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

pytestmark = pytest.mark.integration


class Watch:
    """A clock that stands still unless it is told to move; it notes how long it was slept on."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        """Seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Moves on."""
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """The clock of the modelled service."""
    made = Watch()
    monkeypatch.setattr(service, "time", made)
    return made


def put(engine: Engine, client: DynamoDBClient, *users: str) -> None:
    """Puts people in one transaction."""
    items: Any = [{"Put": {"TableName": engine.tables.users, "Item": {"userId": {"S": user}}}} for user in users]
    client.transact_write_items(TransactItems=items)


def in_flight(client: DynamoDBClient, act: Any) -> None:
    """Acts while each transaction of the client is under way."""
    events: Any = client.meta.events
    events.register("before-send.dynamodb.TransactWriteItems", lambda **_: act())


def test_a_request_takes_what_is_left_of_its_time(engine: Engine, watch: Watch) -> None:
    """The engine's own 5 ms are part of the modelled time, not added to it."""
    client = engine.client()
    Service(engine.reader).attach(client)
    in_flight(client, lambda: watch.sleep(0.005))
    put(engine, client, "ann")
    assert sum(watch.slept) == pytest.approx(transaction_ms(1) / 1000)


def test_a_transaction_keeps_others_off_its_items(engine: Engine, watch: Watch) -> None:
    """Another one with an item of it is cancelled with the reason at that item, after the time of a transaction."""
    client, other, modelled = engine.client(), engine.client(), Service(engine.reader)
    modelled.attach(client)
    modelled.attach(other)
    refused: list[ClientError] = []

    def meddle() -> None:
        with pytest.raises(ClientError) as caught:
            put(engine, other, "bob", "ann")
        refused.append(caught.value)
        assert sum(watch.slept) == pytest.approx(transaction_ms(2) / 1000)

    in_flight(client, meddle)
    put(engine, client, "ann")
    response: Any = refused[0].response
    assert response["Error"]["Code"] == "TransactionCanceledException"
    assert [reason["Code"] for reason in response["CancellationReasons"]] == ["None", "TransactionConflict"]
    assert modelled.conflicts == 1
    assert "Item" not in engine.reader.get_item(TableName=engine.tables.users, Key={"userId": {"S": "bob"}})
    put(engine, other, "bob", "ann")


@pytest.mark.parametrize(("held", "conflicts"), [(1.0, 1), (0.5, 0)])
def test_items_may_be_let_go_before_the_answer(
    engine: Engine, watch: Watch, monkeypatch: pytest.MonkeyPatch, held: float, conflicts: int
) -> None:
    """Held for half the time, they are free for others in the second half; the answer comes as late as ever."""
    client, other, modelled = engine.client(), engine.client(), Service(engine.reader, held)
    modelled.attach(client)
    modelled.attach(other)
    began, slept = watch.now, watch.sleep

    def sleep(seconds: float) -> None:
        """Somebody else comes when three quarters of the time are over, if somebody sleeps then."""
        late = began + 0.75 * transaction_ms(1) / 1000
        if watch.now < late < watch.now + seconds:
            slept(late - watch.now)
            monkeypatch.setattr(watch, "sleep", slept)
            with suppress(ClientError):
                put(engine, other, "ann")
        else:
            slept(seconds)

    monkeypatch.setattr(watch, "sleep", sleep)
    put(engine, client, "ann")
    assert modelled.conflicts == conflicts


def test_a_transaction_keeps_single_writes_off_its_items(engine: Engine, watch: Watch) -> None:
    """A PutItem of an item in a transaction is refused, one of another item is not."""
    client, other, modelled = engine.client(), engine.client(), Service(engine.reader)
    modelled.attach(client)
    modelled.attach(other)

    def meddle() -> None:
        other.put_item(TableName=engine.tables.users, Item={"userId": {"S": "bob"}})
        with pytest.raises(ClientError, match="TransactionConflictException"):
            other.put_item(TableName=engine.tables.users, Item={"userId": {"S": "ann"}})

    in_flight(client, meddle)
    put(engine, client, "ann")
    assert modelled.conflicts == 1


def test_reads_and_other_items_meet_no_conflict(engine: Engine, watch: Watch) -> None:
    """Who reads the items of a transaction, or writes others, is not kept off."""
    client, other, modelled = engine.client(), engine.client(), Service(engine.reader)
    modelled.attach(client)
    modelled.attach(other)
    key: Any = {"userId": {"S": "ann"}}

    def meddle() -> None:
        other.batch_get_item(RequestItems={engine.tables.users: {"Keys": [key], "ConsistentRead": True}})
        put(engine, other, "bob")

    in_flight(client, meddle)
    put(engine, client, "ann")
    assert modelled.conflicts == 0


def test_each_request_has_its_latency() -> None:
    """Transactions and batch reads by their items, over all tables; a request without a latency is an error."""
    assert modelled_ms("TransactWriteItems", {"TransactItems": [{}] * 11}) == transaction_ms(11)
    assert modelled_ms("BatchGetItem", {"RequestItems": {"a": {"Keys": [1]}, "b": {"Keys": [1, 2]}}}) == batch_get_ms(3)
    assert modelled_ms("PutItem", {}) == PUT_MS
    with pytest.raises(KeyError):
        modelled_ms("Scan", {})
