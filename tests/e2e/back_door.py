"""Reads and writes that bypass the API: messages in the queue, dead letters, damaged registrations."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from infra.cli.deployment import Clients
from tests.support.client import unique
from workers.aws.items import Item, registration_key
from workers.aws.messages import event_group
from workers.domain.commands import Register

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def deliver(aws: Clients, queue_url: str, event_id: str, *bodies: str) -> list[str]:
    """Send messages to an event's group, each with a new deduplication id, and return their message ids."""
    sent = []
    for start in range(0, len(bodies), 10):
        answer = aws.sqs.send_message_batch(
            QueueUrl=queue_url,
            Entries=[
                {
                    "Id": str(index),
                    "MessageBody": body,
                    "MessageGroupId": event_group(event_id),
                    "MessageDeduplicationId": unique("message"),
                }
                for index, body in enumerate(bodies[start : start + 10])
            ],
        )
        assert not answer.get("Failed")
        sent += [entry["MessageId"] for entry in answer["Successful"]]
    return sent


def register_command(event_id: str, user_id: str, generation: int = 1) -> Register:
    """Return a Register as the API sends it."""
    return Register(unique("command"), event_id, user_id, generation, accepted_at=time.time_ns() // 1000)


def find_dead_letter(aws: Clients, queue_url: str, message_id: str) -> Any | None:
    """Return the dead letter of a message; leave all others visible."""
    answer = aws.sqs.receive_message(
        QueueUrl=queue_url,
        MaxNumberOfMessages=10,
        VisibilityTimeout=2,
        AttributeNames=["All"],
        MessageAttributeNames=["All"],
    )
    found = None
    for letter in answer.get("Messages", []):
        if letter["MessageAttributes"]["messageId"]["StringValue"] == message_id:
            found = letter
        else:
            aws.sqs.change_message_visibility(
                QueueUrl=queue_url, ReceiptHandle=letter["ReceiptHandle"], VisibilityTimeout=0
            )
    return found


@contextmanager
def damaged(dynamodb: DynamoDBClient, table: str, registration_id: str, fields: Item) -> Iterator[None]:
    """Overwrite fields of a registration, which need not exist, while the block runs.

    What is left behind would be found by everything that counts registrations, in whatever test comes next.
    """
    key = registration_key(registration_id)
    before = dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
    dynamodb.put_item(TableName=table, Item={**(before or key), **fields})
    try:
        yield
    finally:
        if before is None:
            dynamodb.delete_item(TableName=table, Key=key)
        else:
            dynamodb.put_item(TableName=table, Item=before)
