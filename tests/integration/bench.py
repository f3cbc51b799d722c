"""A test bench for the back of the pipeline: the real handlers, on DynamoDB Local, with faults on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from tests.support.builders import EVENT, event_item
from tests.support.deliveries import Message, batch
from tests.support.faults import Fault, answer
from tests.support.pipeline import Pipeline
from tests.support.rules import broken_rules
from workers.aws.items import registration_from_item
from workers.domain.records import Registration

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Bench:
    """Fresh tables and queues. `calls` are the DynamoDB requests of the last delivery: (operation, parameters)."""

    def __init__(self, session: boto3.Session, url: str, prefix: str) -> None:
        self.pipeline = Pipeline(_client(session, url), session.client("sqs"), prefix)
        self.pipeline.time.on_sleep.clear()
        self.dynamodb_events = _events_of(self.pipeline.dynamodb)
        self.sqs_events = _events_of(self.pipeline.sqs)
        self.registrar, self.promoter = self.pipeline.registrar, self.pipeline.promoter
        self.tables = self.pipeline.tables
        self.db = _client(session, url)
        """A client of the test's own, to which no faults happen."""
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.hidden: list[int] = []
        self.dynamodb_events.register("before-parameter-build.dynamodb", self._note_call)
        self.sqs_events.register("before-parameter-build.sqs.ChangeMessageVisibilityBatch", self._note_wait)
        self.sqs_events.register("before-call.sqs.ChangeMessageVisibilityBatch", lambda **_: answer({}))

    def add_event(self, capacity: int, event_id: str = EVENT, **attributes: Any) -> str:
        """Puts an event item with just the descriptive fields and `capacity`, and what is named besides."""
        self.db.put_item(TableName=self.tables.events, Item=event_item(event_id, capacity, **attributes))
        return event_id

    def add_queueing_event(self, capacity: int, event_id: str = EVENT) -> str:
        """An event with a waiting list without limit."""
        return self.add_event(capacity, event_id, hasWaitlist={"BOOL": True})

    def deliver(self, *messages: Message, receives: int = 1) -> list[str]:
        """Hands a batch to the registrar as Lambda does; answers the ids to be delivered again (`m0`, `m1`, ...)."""
        self.calls.clear()
        self.hidden.clear()
        result = self.registrar.handle(batch(*messages, receives=receives))
        assert result.keys() == {"batchItemFailures"}
        assert all(failure.keys() == {"itemIdentifier"} for failure in result["batchItemFailures"])
        ids: list[str] = [failure["itemIdentifier"] for failure in result["batchItemFailures"]]
        assert set(ids) <= {f"m{index}" for index in range(len(messages))}
        assert len(ids) == len(set(ids)) == len(self.hidden)
        return ids

    def deliver_all(self, *messages: Message) -> None:
        """Delivers in batches of ten; nothing may fail."""
        for start in range(0, len(messages), 10):
            assert self.deliver(*messages[start : start + 10]) == []

    def operations(self) -> list[str]:
        """The names of the calls of the last delivery."""
        return [name for name, _ in self.calls]

    def written(self) -> list[int]:
        """The number of items of each transaction of the last delivery."""
        return [len(params["TransactItems"]) for name, params in self.calls if name == "TransactWriteItems"]

    def before(self, operation: str, fault: Fault, service: str = "dynamodb") -> None:
        """Lets a fault happen in front of each call of an operation."""
        events = self.dynamodb_events if service == "dynamodb" else self.sqs_events
        events.register(f"before-call.{service}.{operation}", lambda params, **_: fault(params))

    def after(self, operation: str, fault: Fault) -> None:
        """Lets a fault happen behind each call of an operation, when it has had its effect."""
        self.dynamodb_events.register(f"after-call.dynamodb.{operation}", lambda parsed, **_: fault(parsed))

    def records(self, event_id: str = EVENT) -> list[Registration]:
        """All records of an event, in the order of decision."""
        items = self.db.get_paginator("scan").paginate(TableName=self.tables.registrations, ConsistentRead=True)
        records = [registration_from_item(item) for page in items for item in page["Items"]]
        return sorted((r for r in records if r.event_id == event_id), key=lambda record: record.registered_at)

    def statuses(self, event_id: str = EVENT) -> dict[str, str]:
        """Status by user."""
        return {record.user_id: str(record.status) for record in self.records(event_id)}

    def who(self, status: str, event_id: str = EVENT) -> list[str]:
        """The users of one status, in the order of decision."""
        return [user for user, found in self.statuses(event_id).items() if found == status]

    def who_raw(self, status: str, event_id: str = EVENT) -> list[str]:
        """The same where some records cannot be read."""
        items = self.db.scan(TableName=self.tables.registrations)["Items"]
        found = [i for i in items if i["status"]["S"] == status and i.get("eventId", {}).get("S") == event_id]
        return [item["userId"]["S"] for item in sorted(found, key=lambda item: item["registeredAt"]["S"])]

    def check(self, event_id: str = EVENT) -> None:
        """No rule is broken in what is stored."""
        assert broken_rules(self.pipeline.ledger(event_id), self.records(event_id)) == []

    def stored(self) -> list[Any]:
        """Everything in the tables, to be compared."""
        names = (self.tables.events, self.tables.registrations, self.tables.ledger)
        return [sorted(self.db.scan(TableName=name)["Items"], key=str) for name in names]

    def dead_letters(self) -> list[Any]:
        """The messages in the dead-letter queue, with all their attributes."""
        answer = self.pipeline.sqs.receive_message(
            QueueUrl=self.pipeline.dead_letters,
            MaxNumberOfMessages=10,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
            VisibilityTimeout=0,
        )
        return list(answer.get("Messages", []))

    def reasons(self) -> list[str]:
        """Why what lies in the dead-letter queue is there."""
        return [letter["reason"] for letter in self.pipeline.parked()]

    def _note_call(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.calls.append((model.name, params))

    def _note_wait(self, params: dict[str, Any], **_: Any) -> None:
        self.hidden += [entry["VisibilityTimeout"] for entry in params["Entries"]]


def _client(session: boto3.Session, url: str) -> DynamoDBClient:
    """A client that tries everything twice."""
    config = Config(retries={"mode": "standard", "total_max_attempts": 2})
    return session.client("dynamodb", endpoint_url=url, config=config)


def _events_of(client: Any) -> Any:
    """The event system in which hooks are registered. A hook's return value matters, which its type does not say."""
    return client.meta.events
