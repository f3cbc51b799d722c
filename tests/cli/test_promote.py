"""`turnstile promote` on moto: which promotions it requests, and what becomes of the records of failures."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from infra.cli.deployment import Deployment
from tests.cli.command import Turnstile
from tests.support.builders import ledger_of, seats
from tests.support.deployment import deployment_of, outputs_of
from tests.support.pipeline import Pipeline
from workers.aws.items import ledger_to_item
from workers.aws.messages import decode
from workers.aws.send import promotion
from workers.domain.commands import Promote
from workers.domain.seat_settings import EventStatus

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient


class PromoteStack(Pipeline):
    """A pipeline in which nobody works, and the records of failed promotions."""

    def __init__(self, dynamodb: DynamoDBClient, sqs: SQSClient, prefix: str) -> None:
        super().__init__(dynamodb, sqs, prefix)
        self.failed = sqs.create_queue(QueueName=f"{prefix}failed-promotions")["QueueUrl"]
        self.deployment = deployment_of(sqs=sqs, dynamodb=dynamodb)
        self.find_queue(self.queue)

    def find_queue(self, url: str) -> None:
        """Make this the queue of the deployment."""
        outputs = outputs_of(self)
        self.deployment.outputs = replace(outputs, queue_url=url, failed_promotions_queue_url=self.failed)

    def event(self, event_id: str, *, free: int, waiting: int, version: int = 5, **settings: Any) -> None:
        """Store the ledger of an event with this many free seats and people waiting."""
        ledger = ledger_of(event_id, seats(10, True, **settings), 10 - free, waiting, version)
        self.dynamodb.put_item(TableName=self.tables.ledger, Item=ledger_to_item(ledger))

    def fail(self, times: int) -> None:
        """Record promotions that could not be sent."""
        for number in range(times):
            self.sqs.send_message(QueueUrl=self.failed, MessageBody=f"record {number}")

    def records(self) -> tuple[int, int]:
        """Return the number of visible and invisible records."""
        found = self.sqs.get_queue_attributes(QueueUrl=self.failed, AttributeNames=["All"])["Attributes"]
        return int(found["ApproximateNumberOfMessages"]), int(found["ApproximateNumberOfMessagesNotVisible"])

    def requested(self) -> dict[str, Promote]:
        """Take the commands out of the queue, and return them by group."""
        found = {}
        while batch := self.receive():
            for message in batch:
                command, group = decode(message["body"]), message["attributes"]["MessageGroupId"]
                assert isinstance(command, Promote)
                assert group not in found
                found[group] = command
            self.delete(*batch)
        return found


@pytest.fixture
def stack(db: DynamoDBClient, sqs: SQSClient, prefix: str, monkeypatch: pytest.MonkeyPatch) -> PromoteStack:
    """The deployment that `turnstile` finds."""
    stack = PromoteStack(db, sqs, prefix)
    monkeypatch.setattr(Deployment, "resolve", lambda _stage: stack.deployment)
    monkeypatch.setattr("infra.cli.commands.promote._WAIT", 0)
    return stack


def test_every_event_with_a_due_promotion(stack: PromoteStack, turnstile: Turnstile) -> None:
    """A Promote of the ledger's version goes to each event with a free seat and people waiting, and to no other."""
    stack.event("due", free=1, waiting=3, version=7)
    stack.event("full", free=0, waiting=3)
    stack.event("nobody waits", free=2, waiting=0)
    stack.event("off", free=1, waiting=1, status=EventStatus.CANCELLED)
    ended = turnstile("promote")
    assert ended.code == 0
    assert ended.lines == [
        "requested a promotion for 'due' (ledger version 7)",
        "1 promotions requested; 0 records of failed promotions deleted.",
    ]
    (command,) = stack.requested().values()
    assert (command.event_id, command.ledger_version) == ("due", 7)
    assert command.command_id == promotion("due", 7, 0).command_id  # so SQS deduplicates it and the promoter's


def test_the_records_of_failures_are_deleted(stack: PromoteStack, turnstile: Turnstile) -> None:
    """After all promotions are requested, the records of failures are gone, however many: that ends the alarm."""
    for number in range(23):
        stack.event(f"event-{number}", free=1, waiting=1)
    stack.fail(25)
    found = turnstile("promote", "--json").json
    assert len(found["promotions"]) == len(stack.requested()) == 23
    assert {"eventId": "event-3", "ledgerVersion": 5} in found["promotions"]
    assert (found["recordsDeleted"], found["recordsKept"]) == (25, 0)
    assert stack.records() == (0, 0)


@pytest.mark.parametrize(
    ("event", "code", "requested", "out", "err"),
    [
        ("this", 0, {"this"}, "1 promotions requested.\n", ""),
        ("full", 0, set(), "0 promotions requested.\n", ""),
        ("nope", 1, set(), "", "event 'nope' has no ledger"),
    ],
)
def test_one_event(
    stack: PromoteStack, turnstile: Turnstile, *, event: str, code: int, requested: set[str], out: str, err: str
) -> None:
    """`--event` is for that event only, and the records stay: they may concern others."""
    stack.event("this", free=1, waiting=1)
    stack.event("that", free=1, waiting=1)
    stack.event("full", free=0, waiting=1)
    stack.fail(1)
    ended = turnstile("promote", "--event", event)
    assert (ended.code, ended.out.endswith(out), err in ended.err) == (code, True, True)
    assert set(stack.requested()) == requested
    assert stack.records() == (1, 0)


def test_when_sending_fails_the_records_stay(stack: PromoteStack, turnstile: Turnstile) -> None:
    """If a promotion cannot be sent, the records are visible again at once, and the exit code is 1."""
    stack.event("due", free=1, waiting=1)
    stack.fail(12)
    stack.find_queue(stack.queue + "-gone")
    code, _, err = turnstile("promote")
    assert (code, "not all promotions could be requested" in err, stack.records()) == (1, True, (12, 0))


def test_a_failure_meanwhile_keeps_its_record(
    stack: PromoteStack, monkeypatch: pytest.MonkeyPatch, turnstile: Turnstile
) -> None:
    """The record of a promotion that fails after the ledgers were read stays."""
    stack.fail(2)
    scan = stack.dynamodb.get_paginator

    def paginator(operation: Any) -> Any:
        stack.fail(1)
        return scan(operation)

    monkeypatch.setattr(stack.dynamodb, "get_paginator", paginator)
    assert turnstile("promote").code == 0
    assert stack.records() == (1, 0)


def test_records_that_cannot_be_deleted(
    stack: PromoteStack, monkeypatch: pytest.MonkeyPatch, turnstile: Turnstile
) -> None:
    """Records that SQS does not delete are counted, and the exit code is 1."""
    stack.fail(1)
    refused: dict[str, Any] = {"Successful": [], "Failed": [{"Id": "0", "Code": "InternalError"}]}
    monkeypatch.setattr(stack.sqs, "delete_message_batch", lambda **_: refused)
    ended = turnstile("promote", "--json")
    assert (ended.code, ended.json) == (1, {"promotions": [], "recordsDeleted": 0, "recordsKept": 1})
    assert "1 records of failed promotions could not be deleted" in ended.err


def test_a_manually_changed_ledger(stack: PromoteStack, turnstile: Turnstile) -> None:
    """The counts decide whether a promotion is due, not the ledger's flag; an unreadable ledger is reported."""
    stack.event("mended", free=1, waiting=1)
    key: Any = {"eventId": {"S": "mended"}}
    stack.dynamodb.update_item(TableName=stack.tables.ledger, Key=key, UpdateExpression="REMOVE promotable")
    stack.dynamodb.put_item(TableName=stack.tables.ledger, Item={"eventId": {"S": "damaged"}, "version": {"S": "?"}})
    code, _, err = turnstile("promote")
    assert (code, set(stack.requested())) == (0, {"mended"})
    assert "cannot read the ledger of 'damaged'" in err
    stack.dynamodb.update_item(
        TableName=stack.tables.ledger,
        Key=key,
        UpdateExpression="SET version = version + :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )
    assert turnstile("promote", "--event", "mended").code == 0
    assert set(stack.requested()) == {"mended"}
