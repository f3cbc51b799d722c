"""A stack for `turnstile dlq`: queues in memory, tables of moto, one clock for all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from infra.cli.dlq.journal import Journal
from tests.support.builders import EVENT, NOW
from tests.support.deployment import OUTPUTS
from tests.support.fake_sqs import FakeSqs
from tests.support.tables import create_tables
from workers.aws.items import event_key, registration_from_item, registration_key, registration_to_item
from workers.aws.messages import encode, event_group
from workers.aws.send import ReceivedMessage, park
from workers.domain.commands import Command
from workers.domain.records import Registration, Status, registration_id

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DEAD, MAIN = "dead.fifo", "main.fifo"


class DeadLetterStack:
    """A stack with in-memory queues and moto's tables."""

    def __init__(self, home: Path, db: DynamoDBClient, prefix: str) -> None:
        self.sqs = FakeSqs()
        self.sqs.now = 1_800_000_000
        self.db = db
        self.tables = create_tables(self.db, prefix)
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
        """Store an event with a waiting list."""
        seats: Any = {"capacity": {"N": str(capacity)}, "hasWaitlist": {"BOOL": True}}
        self.db.put_item(TableName=self.tables.events, Item=event_key(event) | seats)

    def die(self, *commands: Command | str, group: str = EVENT, reason: str = "failed: Trouble") -> list[str]:
        """Park commands or undecodable bodies, let 10 s pass, and return the message ids."""
        ids = []
        for number, command in enumerate(commands):
            body = command if isinstance(command, str) else encode(command)
            where = group if isinstance(command, str) else event_group(command.event_id)
            message = ReceivedMessage(f"main-{number}-{body}", "", where, 3, body)
            ids.append(park(cast("Any", self.sqs), DEAD, message, reason, "now"))
        self.sqs.sleep(10)
        return ids

    def came_back(self, old: str) -> str:
        """Park the message that a replay of `old` sent, as the registrar does when it fails again; return its id."""
        [message] = self.sqs.queue(MAIN).messages
        failed = ReceivedMessage(message.id, "", EVENT, 3, message.body, old)
        return park(cast("Any", self.sqs), DEAD, failed, "failed: Trouble", "later")

    def sent_before(self, *ids: str, seconds: float = 60) -> None:
        """Pretend that a run sent these, and was killed `seconds` ago before it deleted them. Handles last 20 s."""
        received = self.sqs.receive_message(
            QueueUrl=DEAD, MaxNumberOfMessages=10, VisibilityTimeout=20, WaitTimeSeconds=1
        )
        with Journal(self.journal) as journal:
            journal.note_taken({message["MessageId"]: message["ReceiptHandle"] for message in received["Messages"]})
            journal.note_sent(dict.fromkeys(ids, "m"), [EVENT])
        self.sqs.sleep(seconds)

    def pending(self, user: str, generation: int = 1, *, cancelling: bool = False) -> None:
        """Store a pending registration; with `cancelling`, a cancellation was accepted since."""
        record = Registration(EVENT, user, Status.PENDING, generation, 1, NOW, cancelling=cancelling)
        self.db.put_item(TableName=self.tables.registrations, Item=registration_to_item(record))

    def record(self, user: str) -> Registration:
        """Return the stored registration."""
        key: Any = registration_key(registration_id(EVENT, user))
        return registration_from_item(self.db.get_item(TableName=self.tables.registrations, Key=key)["Item"])

    @property
    def visible(self) -> bool:
        """Tell whether everything in the dead-letter queue can be received."""
        return all(message.visible_at <= self.sqs.now for message in self.sqs.queue(DEAD).messages)


def users(found: dict[str, Any]) -> list[str]:
    """Return the users of the listed messages."""
    return [message["userId"] for message in found["letters"]]
