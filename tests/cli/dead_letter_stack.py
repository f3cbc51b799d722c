"""A deployment for `turnstile dlq`: queues in memory, tables of moto, one clock for all."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from infra.cli.dlq.journal import Journal
from infra.cli.main import main
from tests.support.builders import EVENT, NOW
from tests.support.deployment import OUTPUTS
from tests.support.fake_sqs import FakeSqs
from tests.support.tables import create_tables
from workers.aws.items import event_key, registration_from_item, registration_key, registration_to_item
from workers.aws.messages import encode, group_of
from workers.aws.send import ReceivedMessage, park
from workers.domain.commands import Command
from workers.domain.records import Registration, Status, registration_id

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DEAD, MAIN = "dead.fifo", "main.fifo"
_NUMBERS = count(1)


class Stack:
    """A deployment whose queues are in memory and whose tables are moto's."""

    def __init__(self, home: Path, db: DynamoDBClient) -> None:
        self.sqs = FakeSqs()
        self.sqs.now = 1_800_000_000
        self.db = db
        self.tables = create_tables(self.db, f"{next(_NUMBERS)}-")
        self.journal = home / "dead-letters-local.jsonl"
        outputs = replace(
            OUTPUTS,
            dead_letter_queue_url=DEAD,
            queue_url=MAIN,
            events_table=self.tables.events,
            registrations_table=self.tables.registrations,
            ledger_table=self.tables.ledger,
        )
        clients = SimpleNamespace(sqs=self.sqs, dynamodb=self.db)
        self.deployment = SimpleNamespace(stage="local", outputs=outputs, clients=clients)

    def event(self, event: str = EVENT, capacity: int = 1) -> None:
        """An event with a waiting list."""
        seats: Any = {"capacity": {"N": str(capacity)}, "hasWaitlist": {"BOOL": True}}
        self.db.put_item(TableName=self.tables.events, Item=event_key(event) | seats)

    def die(self, *commands: Command | str, group: str = EVENT, reason: str = "failed: Trouble") -> list[str]:
        """Commands, or rubbish, are parked; answers their ids. Then some time passes."""
        ids = []
        for number, command in enumerate(commands):
            body = command if isinstance(command, str) else encode(command)
            where = group if isinstance(command, str) else group_of(command.event_id)
            letter = ReceivedMessage(f"main-{number}-{body}", "", where, 3, body)
            ids.append(park(cast("Any", self.sqs), DEAD, letter, reason, "now"))
        self.sqs.sleep(10)
        return ids

    def sent_before(self, *ids: str, seconds: float = 60) -> None:
        """A run has sent these, and was killed so long ago before it could delete them. Handles are void after 20 s."""
        received = self.sqs.receive_message(
            QueueUrl=DEAD, MaxNumberOfMessages=10, VisibilityTimeout=20, WaitTimeSeconds=1
        )
        with Journal(self.journal) as journal:
            journal.note_taken({message["MessageId"]: message["ReceiptHandle"] for message in received["Messages"]})
            journal.note_sent(dict.fromkeys(ids, "m"), [EVENT])
        self.sqs.sleep(seconds)

    def pending(self, user: str, generation: int = 1, *, cancelling: bool = False) -> None:
        """The API has promised this person an answer; `cancelling`: she asked to be cancelled since."""
        record = Registration(EVENT, user, Status.PENDING, generation, 1, NOW, cancelling=cancelling)
        self.db.put_item(TableName=self.tables.registrations, Item=registration_to_item(record))

    def record(self, user: str) -> Registration:
        """The stored registration."""
        key: Any = registration_key(registration_id(EVENT, user))
        return registration_from_item(self.db.get_item(TableName=self.tables.registrations, Key=key)["Item"])

    @property
    def visible(self) -> bool:
        """Whether everything that is in the dead-letter queue can be received."""
        return all(message.visible_at <= self.sqs.now for message in self.sqs.queue(DEAD).messages)


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """What `list --json` says."""
    assert main(["dlq", "list", "--json", *arguments]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def users(found: dict[str, Any]) -> list[str]:
    """The users of what is listed."""
    return [letter["userId"] for letter in found["letters"]]
