"""A stack for tests of `turnstile reconcile`: one event on moto, with the real registrar behind the queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.cli.command import CommandResult
from tests.support.deployment import deployment_of, outputs_of
from tests.support.pipeline import Pipeline
from workers.aws.items import event_key, registration_key
from workers.domain.records import registration_id

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

EVENT = "pycon"

Run = Callable[..., CommandResult]
"""Runs `turnstile reconcile` with some arguments."""


class ReconcileStack(Pipeline):
    """A deployment with one event: ann has its only seat, bob and cid wait. The registrar works while others sleep."""

    def __init__(self, dynamodb: DynamoDBClient, sqs: SQSClient, prefix: str) -> None:
        super().__init__(dynamodb, sqs, prefix)
        self.deployment = deployment_of(sqs=sqs, dynamodb=dynamodb)
        self.deployment.outputs = outputs_of(self)
        self.add_event(EVENT, 1, hasWaitlist=True)
        for user in ("ann", "bob", "cid"):
            self.register(EVENT, self.add_user(user))

    def damage(self, event_id: str = EVENT, **values: int) -> None:
        """Overwrite numbers of the ledger."""
        self._set(self.tables.ledger, event_id, values)

    def add_seats(self, capacity: int) -> None:
        """Overwrite the capacity, in the ledger and in the event item."""
        for table in (self.tables.ledger, self.tables.events):
            self._set(table, EVENT, {"capacity": capacity})

    def _set(self, table: str, event_id: str, values: dict[str, int]) -> None:
        self.dynamodb.update_item(
            TableName=table,
            Key=event_key(event_id),
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
            ExpressionAttributeNames={f"#{name}": name for name in values},
            ExpressionAttributeValues={f":{name}": {"N": str(value)} for name, value in values.items()},
        )

    def spoil(self, user: str) -> str:
        """Make a registration unreadable, and return its id."""
        key = registration_id(EVENT, user)
        where: Any = {"TableName": self.tables.registrations, "Key": registration_key(key)}
        self.dynamodb.update_item(**where, UpdateExpression="REMOVE generation")
        return key
