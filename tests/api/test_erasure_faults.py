"""`DELETE /users/{userId}` when AWS fails, lags or takes only some: nothing is left undone for good."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.users.erasure import PATIENCE
from tests.api.conftest import Taps
from tests.api.erasure import LATER, assert_erased, bind, user_items
from tests.support import faults
from tests.support.fake_sqs import Killed
from tests.support.pipeline import Pipeline
from tests.support.telemetry import log_lines
from workers.aws import erasure
from workers.aws.items import registration_key
from workers.domain.records import registration_id

CALLS = ("UpdateItem", "SendMessage", "Query", "BatchGetItem", "SendMessageBatch", "DeleteItem", "UpdateItem")
"""The calls to AWS of one request, in this order."""


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("number", range(len(CALLS)))
def test_killed_half_way(everywhere: Pipeline, taps: Taps, number: int, side: str) -> None:
    """Killed before or after any of its calls and then asked again, it comes to what one request comes to."""
    bind(everywhere, "login", "ann")
    made: list[str] = []

    def die(operation: str) -> None:
        made.append(operation)
        if len(made) > number:
            raise Killed

    taps.each(side, die)
    with pytest.raises(Killed):
        everywhere.forget("ann")
    taps.remove()
    assert tuple(made) == CALLS[: number + 1]
    everywhere.run()
    everywhere.time.now += LATER
    assert everywhere.forget("ann").status == 202
    assert "subject#login" not in user_items(everywhere)
    everywhere.run()
    assert_erased(everywhere)


def test_tombstones_are_read_strongly(everywhere: Pipeline, taps: Taps) -> None:
    """Every read of a user is strongly consistent, so that an erased user is never found."""
    reads: list[bool] = []

    def note(request: dict[str, Any]) -> None:
        asked = json.loads(request["body"])
        table = asked.get("RequestItems", {asked.get("TableName"): asked}).get(everywhere.tables.users)
        reads.extend([] if table is None else [table.get("ConsistentRead", False)])

    for operation in ("GetItem", "BatchGetItem", "Scan"):
        taps.before(f"dynamodb.{operation}", note, times=1000)
    with everywhere.signed_in("s-bob"):
        everywhere.request("DELETE", "/users/ann")
        everywhere.request("GET", "/users/ann")
        everywhere.request("GET", "/users/ann/registrations")
        everywhere.request("POST", "/events/left/registrations", {"userId": "ann"})
        everywhere.request("DELETE", "/events/waiting/registrations/ann")
    everywhere.request("GET", "/events/waiting/registrations")
    erasure.erased_users(everywhere.dynamodb, everywhere.tables.users)
    assert reads == [True] * 7


def test_a_queue_that_takes_only_some(everywhere: Pipeline, taps: Taps) -> None:
    """If SQS did not take all of the cancellations it is a 503, and the same request again does the rest."""
    bind(everywhere, "login", "ann")
    failed = {"Successful": [], "Failed": [{"Id": "1", "Code": "InternalError", "SenderFault": False}]}
    taps.before("sqs.SendMessageBatch", lambda _: faults.answer(failed))
    answer = everywhere.forget("ann")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert "subject#login" in user_items(everywhere)
    assert everywhere.forget("ann").status == 202
    everywhere.run()
    assert_erased(everywhere)


def test_an_index_that_lags(everywhere: Pipeline, taps: Taps) -> None:
    """A registration that the index does not show yet is cancelled by a retry."""
    taps.before("dynamodb.Query", lambda _: faults.answer({"Items": [], "Count": 0}))
    assert everywhere.forget("ann").body["cancellations"] == 0
    everywhere.run()
    assert everywhere.stored("waited-for", "ann").status == "confirmed"
    assert everywhere.forget("ann").body["cancellations"] == 3  # what she was taking back is decided meanwhile
    everywhere.run()
    assert_erased(everywhere)


def test_who_registers_in_the_same_moment_keeps_no_seat(everywhere: Pipeline, taps: Taps) -> None:
    """A registration that the erasure cannot see yet gets a seat. The message about the erasure, which arrives when no
    request can be on its way, has it cancelled without a second request."""
    everywhere.add_event("new", 1)
    taps.before("sqs.SendMessage", lambda _: _forget_unseen(everywhere, taps))  # of the Register, which is under way
    everywhere.register("new", "ann")
    everywhere.run()
    assert everywhere.stored("new", "ann").status == "confirmed"
    everywhere.finish_erasures()
    everywhere.run()
    assert everywhere.stored("new", "ann").status == "cancelled"
    assert_erased(everywhere)


def _forget_unseen(pipeline: Pipeline, taps: Taps) -> None:
    taps.before("dynamodb.Query", lambda _: faults.answer({"Items": [], "Count": 0}))
    assert pipeline.forget("ann").body["cancellations"] == 0


def test_an_index_that_shows_what_was(everywhere: Pipeline) -> None:
    """Outdated rows of the index cancel nothing twice: the records count."""
    everywhere.cancel("waited-for", "ann")
    rows = everywhere.dynamodb.query(
        TableName=everywhere.tables.registrations,
        IndexName="UserRegistrationsIndex",
        KeyConditionExpression="userId = :user",
        ExpressionAttributeValues={":user": {"S": "ann"}},
    )["Items"]
    assert {row["registrationId"]["S"] for row in rows} >= {registration_id("waited-for", "ann")}
    everywhere.run()
    assert everywhere.forget("ann").body["cancellations"] == 2
    everywhere.run()
    assert_erased(everywhere)


def test_more_than_fits_into_one_request(everywhere: Pipeline, taps: Taps, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many registrations take several requests: 503 with Retry-After, each continues where the last stopped."""
    monkeypatch.setattr(erasure, "_PAGE", 2)
    bind(everywhere, "login", "ann")
    behind: list[object] = []

    def slow(request: Any) -> None:
        behind.append(json.loads(request["body"]).get("ExclusiveStartKey"))
        everywhere.time.now += PATIENCE

    taps.before("dynamodb.Query", slow, times=100)
    answers = [everywhere.forget("ann") for _ in range(3)]
    assert [(answer.status, answer.code) for answer in answers[:2]] == [(503, "overloaded")] * 2
    assert [answer.headers.get("Retry-After") for answer in answers] == ["1", "1", None]
    assert answers[2].status == 202
    assert (behind[0], len({str(place) for place in behind})) == (None, 3)
    assert "subject#login" not in user_items(everywhere)
    everywhere.run()
    assert_erased(everywhere)
    assert everywhere.request("GET", "/users/ann").status == 404


def test_a_registration_that_cannot_be_read(everywhere: Pipeline) -> None:
    """It is logged as an error, for the operator to mend; all others are given back."""
    key = registration_id("left", "ann")
    where: Any = {"TableName": everywhere.tables.registrations, "Key": registration_key(key)}
    everywhere.dynamodb.update_item(**where, UpdateExpression="REMOVE generation")
    with log_lines() as lines:
        assert everywhere.forget("ann").body["cancellations"] == 4
    (line,) = [line for line in lines if line["level"] == "ERROR"]
    assert (line["message"], line["registration_id"]) == ("a registration cannot be read", key)
