"""`turnstile promote` on moto's DynamoDB and SQS: whom it asks, and what becomes of the records of failures."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from infra.cli.deployment import Deployment
from infra.cli.main import main
from tests.support.builders import ledger_of, seats
from tests.support.deployment import OUTPUTS, deployment_of
from tests.support.tables import create_tables
from workers.aws.items import ledger_to_item
from workers.aws.messages import decode
from workers.aws.send import promotion
from workers.domain.commands import Promote
from workers.domain.seat_settings import EventStatus

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient


class World:
    """A queue, the records of failed promotions, and a ledger table."""

    def __init__(self, sqs: SQSClient, dynamodb: DynamoDBClient) -> None:
        self.sqs, self.dynamodb = sqs, dynamodb
        create_tables(dynamodb)
        self.queue = sqs.create_queue(QueueName="commands.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        self.failed = sqs.create_queue(QueueName="failed-promotions")["QueueUrl"]
        self.deployment = deployment_of(sqs=sqs, dynamodb=dynamodb)
        self.deployment.outputs = dataclasses.replace(
            OUTPUTS, queue_url=self.queue, failed_promotions_queue_url=self.failed
        )

    def event(self, event_id: str, *, free: int, waiting: int, version: int = 5, **settings: Any) -> None:
        """An event with so many free seats and waiters."""
        ledger = ledger_of(event_id, seats(10, True, **settings), 10 - free, waiting, version)
        self.dynamodb.put_item(TableName="ledger", Item=ledger_to_item(ledger))

    def fail(self, times: int) -> None:
        """Records of promotions that could not be sent."""
        for number in range(times):
            self.sqs.send_message(QueueUrl=self.failed, MessageBody=f"record {number}")

    def records(self) -> tuple[int, int]:
        """How many records there are: visible, invisible."""
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.failed, AttributeNames=["All"])["Attributes"]
        return (
            int(attributes["ApproximateNumberOfMessages"]),
            int(attributes["ApproximateNumberOfMessagesNotVisible"]),
        )

    def asked(self) -> dict[str, Promote]:
        """The commands in the queue, by group; they are taken out."""
        found = {}
        while messages := self.sqs.receive_message(
            QueueUrl=self.queue, MaxNumberOfMessages=10, MessageSystemAttributeNames=["MessageGroupId"]
        ).get("Messages"):
            for message in messages:
                command = decode(message["Body"])
                assert isinstance(command, Promote)
                assert message["Attributes"]["MessageGroupId"] not in found
                found[message["Attributes"]["MessageGroupId"]] = command
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return found


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The deployment that `turnstile` finds."""
    with mock_aws():
        world = World(boto3.client("sqs"), boto3.client("dynamodb"))
        monkeypatch.setattr(Deployment, "resolve", lambda _stage: world.deployment)
        monkeypatch.setattr("infra.cli.commands.promote._WAIT", 0)
        yield world


def test_every_event_where_one_is_due(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A Promote of the ledger's version goes to each event with a free seat beside a waiter, and to no other."""
    world.event("due", free=1, waiting=3, version=7)
    world.event("full", free=0, waiting=3)
    world.event("nobody waits", free=2, waiting=0)
    world.event("off", free=1, waiting=1, status=EventStatus.CANCELLED)
    assert main(["promote"]) == 0
    (command,) = world.asked().values()
    assert (command.event_id, command.ledger_version) == ("due", 7)
    assert command.command_id == promotion("due", 7, 0).command_id  # so SQS takes it and the promoter's for the same
    assert capsys.readouterr().out.splitlines() == [
        "requested a promotion for 'due' (ledger version 7)",
        "1 promotions requested; 0 records of failed promotions deleted.",
    ]


def test_the_records_of_failures_are_deleted(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """When all is asked for, the records of what had failed are gone, however many: that ends the alarm."""
    for number in range(23):
        world.event(f"event-{number}", free=1, waiting=1)
    world.fail(25)
    assert main(["promote", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert len(said["promotions"]) == len(world.asked()) == 23
    assert {"eventId": "event-3", "ledgerVersion": 5} in said["promotions"]
    assert (said["recordsDeleted"], said["recordsKept"]) == (25, 0)
    assert world.records() == (0, 0)


def test_one_event(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """With `--event` only that event is asked, and the records stay: they may be about others."""
    world.event("this", free=1, waiting=1)
    world.event("that", free=1, waiting=1)
    world.fail(1)
    assert main(["promote", "--event", "this"]) == 0
    assert set(world.asked()) == {"this"}
    assert world.records() == (1, 0)
    assert capsys.readouterr().out.endswith("1 promotions requested.\n")


def test_one_event_where_nothing_is_due(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """An event without a free seat beside a waiter is asked nothing, which is fine."""
    world.event("full", free=0, waiting=1)
    assert main(["promote", "--event", "full"]) == 0
    assert world.asked() == {}
    assert capsys.readouterr().out == "0 promotions requested.\n"


def test_an_unknown_event(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """An event without a ledger is an error that names it."""
    assert main(["promote", "--event", "nope"]) == 1
    assert "event 'nope' has no ledger" in capsys.readouterr().err


def test_an_empty_event(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """`--event ""`, as from a variable that is not set, is wrong usage: it neither fails in AWS nor means all."""
    world.event("due", free=1, waiting=1)
    assert main(["promote", "--event", ""]) == 2
    assert capsys.readouterr().err == "turnstile: --event is empty; omit it to request promotions for every event\n"
    assert world.asked() == {}


def test_when_sending_fails_the_records_stay(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """When not all can be sent, the records are visible again at once, and the exit code is 1."""
    world.event("due", free=1, waiting=1)
    world.fail(12)
    world.deployment.outputs = dataclasses.replace(world.deployment.outputs, queue_url=world.queue + "-gone")
    assert main(["promote"]) == 1
    assert world.records() == (12, 0)
    assert "not all promotions could be requested" in capsys.readouterr().err


def test_a_failure_meanwhile_keeps_its_record(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A promotion that fails after the ledgers were read has a record that nobody has dealt with: it stays."""
    world.fail(2)
    scan = world.dynamodb.get_paginator

    def paginator(operation: Any) -> Any:
        world.fail(1)
        return scan(operation)

    monkeypatch.setattr(world.dynamodb, "get_paginator", paginator)
    assert main(["promote"]) == 0
    assert world.records() == (1, 0)


def test_records_that_cannot_be_deleted(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Records that SQS does not delete are counted, and the exit code is 1."""
    world.fail(1)
    refused: dict[str, Any] = {"Successful": [], "Failed": [{"Id": "0", "Code": "InternalError"}]}
    monkeypatch.setattr(world.sqs, "delete_message_batch", lambda **_: refused)
    assert main(["promote", "--json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out) == {"promotions": [], "recordsDeleted": 0, "recordsKept": 1}
    assert "1 records of failed promotions could not be deleted" in said.err


def test_a_ledger_that_a_hand_has_changed(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """What counts is a seat free beside a waiter, whether the ledger says so or not; a damaged one is named."""
    world.event("mended", free=1, waiting=1)
    key: Any = {"eventId": {"S": "mended"}}
    world.dynamodb.update_item(TableName="ledger", Key=key, UpdateExpression="REMOVE promotable")
    world.dynamodb.put_item(TableName="ledger", Item={"eventId": {"S": "damaged"}, "version": {"S": "?"}})
    assert main(["promote"]) == 0
    assert set(world.asked()) == {"mended"}
    assert "cannot read the ledger of 'damaged'" in capsys.readouterr().err
    world.dynamodb.update_item(
        TableName="ledger",
        Key=key,
        UpdateExpression="SET version = version + :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )
    assert main(["promote", "--event", "mended"]) == 0
    assert set(world.asked()) == {"mended"}
