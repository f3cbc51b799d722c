"""Messages that are put into the queue past the API, and looked for among the dead letters."""

from __future__ import annotations

import time
from typing import Any

from infra.cli.deployment import Clients
from tests.support.client import unique
from workers.aws.messages import group_of
from workers.domain.commands import Register


def deliver(aws: Clients, queue_url: str, event_id: str, *bodies: str) -> list[str]:
    """Puts messages into an event's group, each as one that SQS has never seen; their message ids."""
    sent = []
    for start in range(0, len(bodies), 10):
        answer = aws.sqs.send_message_batch(
            QueueUrl=queue_url,
            Entries=[
                {
                    "Id": str(index),
                    "MessageBody": body,
                    "MessageGroupId": group_of(event_id),
                    "MessageDeduplicationId": unique("message"),
                }
                for index, body in enumerate(bodies[start : start + 10])
            ],
        )
        assert not answer.get("Failed")
        sent += [entry["MessageId"] for entry in answer["Successful"]]
    return sent


def register_command(event_id: str, user_id: str, generation: int = 1) -> Register:
    """A Register as the API sends it."""
    return Register(unique("command"), event_id, user_id, generation, accepted_at=time.time_ns() // 1000)


def find_letter(aws: Clients, queue_url: str, message_id: str) -> Any | None:
    """The dead letter of a message; all others are left as they are."""
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
