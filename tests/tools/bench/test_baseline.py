"""The textbook solution is correct, so that it is worth beating; the modelled DynamoDB makes transactions conflict."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.support.faults import refusal
from tests.tools.bench.baseline import CHUNK, Textbook, TextbookResult
from tests.tools.bench.engine import THREADS, Engine, names
from tests.tools.bench.modelled_dynamodb import ModelledDynamoDB

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

pytestmark = pytest.mark.integration

EVENT = "e1"


def counters(engine: Engine) -> tuple[int, int]:
    """Return the seats taken and the people waiting, as the event counts them."""
    item = engine.reader.get_item(TableName=engine.tables.events, Key={"eventId": {"S": EVENT}})["Item"]
    return int(item["currentAttendees"]["N"]), int(item["waitlistLength"]["N"])


def stored(engine: Engine) -> dict[str, tuple[str, str]]:
    """Return each user's status and waiting-list position."""
    found = engine.reader.scan(TableName=engine.tables.registrations)["Items"]
    return {i["userId"]["S"]: (i["status"]["S"], i.get("waitlistPosition", {}).get("N", "")) for i in found}


def test_a_rush_never_oversells(engine: Engine) -> None:
    """Of 64 people at once for 20 seats, 20 are confirmed, and the others get `event-full`."""
    users = names(64)
    engine.add_users(users)
    engine.add_event(EVENT, 20)
    textbook = Textbook(engine.client(THREADS), engine.tables, lambda seconds: time.sleep(seconds / 10))
    with ThreadPoolExecutor(THREADS) as pool:
        outcomes = [result.outcome for result in pool.map(lambda user: textbook.register(EVENT, user), users)]
    assert sorted(outcomes) == ["confirmed"] * 20 + ["event-full"] * 44
    assert counters(engine) == (20, 0)
    assert [status for status, _ in stored(engine).values()] == ["confirmed"] * 20
    assert textbook.register(EVENT, users[outcomes.index("confirmed")]).outcome == "already-registered"
    assert textbook.register(EVENT, "nobody").outcome == "not-found"


def test_a_conflict_is_retried_without_another_read(engine: Engine) -> None:
    """After two conflicts the third transaction succeeds, and counts once."""
    engine.add_users(["ann"])
    engine.add_event(EVENT, 5)
    client, calls, tries = engine.client(), list[str](), count()
    conflict = refusal(
        "TransactionCanceledException", CancellationReasons=[{"Code": "None"}, {"Code": "TransactionConflict"}]
    )
    events: Any = client.meta.events
    events.register("before-parameter-build.dynamodb", lambda model, **_: calls.append(model.name))
    events.register("before-call.dynamodb.TransactWriteItems", lambda **_: conflict if next(tries) < 2 else None)
    textbook = Textbook(client, engine.tables, lambda _: None)
    assert textbook.register(EVENT, "ann") == TextbookResult("confirmed", 3)
    assert calls == ["BatchGetItem", *["TransactWriteItems"] * 3]
    assert counters(engine) == (1, 0)


def test_a_cancelled_seat_goes_to_the_first_waiter(engine: Engine) -> None:
    """The first waiter is confirmed; everybody behind moves up, in chunks of a transaction's size."""
    engine.add_textbook_event(EVENT, CHUNK + 5)
    assert engine.textbook(engine.client()).cancel(EVENT, "seated").outcome == "cancelled"
    expected = {"seated": ("cancelled", ""), "waiting-1": ("confirmed", "")}
    expected |= {f"waiting-{n}": ("waitlisted", str(n - 1)) for n in range(2, CHUNK + 6)}
    assert stored(engine) == expected
    assert counters(engine) == (1, CHUNK + 4)


def test_transactions_conflict(engine: Engine) -> None:
    """While a transaction is under way, another one or a PutItem with one of its items is refused; reads and other
    items are not."""
    table, modelled = engine.tables.users, ModelledDynamoDB(engine.reader)
    client, other = engine.client(), engine.client()
    modelled.attach(client)
    modelled.attach(other)

    def put(through: DynamoDBClient, *users: str) -> None:
        writes: Any = [{"Put": {"TableName": table, "Item": {"userId": {"S": user}}}} for user in users]
        through.transact_write_items(TransactItems=writes)

    def interfere(**_: Any) -> None:
        with pytest.raises(ClientError) as refused:
            put(other, "bob", "ann")
        reasons: Any = refused.value.response.get("CancellationReasons")
        assert [reason["Code"] for reason in reasons] == ["None", "TransactionConflict"]
        with pytest.raises(ClientError, match="TransactionConflictException"):
            other.put_item(TableName=table, Item={"userId": {"S": "ann"}})
        other.batch_get_item(RequestItems={table: {"Keys": [{"userId": {"S": "ann"}}]}})
        put(other, "bob")

    events: Any = client.meta.events
    events.register("before-send.dynamodb.TransactWriteItems", interfere)
    put(client, "ann")
    assert modelled.conflicts == 2
    put(other, "bob", "ann")
