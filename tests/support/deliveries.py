"""SQS events as Lambda delivers them to the registrar."""

from __future__ import annotations

from typing import Any

from tests.support.builders import NOW
from workers.aws.messages import encode, event_group
from workers.domain.commands import Command

Message = Command | tuple[str, str]
"""A command, or a group and a raw body."""


def batch(*messages: Message, receives: int = 1) -> dict[str, Any]:
    """Return an SQS event whose messages have the ids `m0`, `m1` and so on."""
    found = [m if isinstance(m, tuple) else (event_group(m.event_id), encode(m)) for m in messages]
    return {
        "Records": [record(f"m{index}", body, group, receives) for index, (group, body) in enumerate(found)],
    }


def record(message_id: str, body: str, group: str, receives: int) -> dict[str, Any]:
    """Return a message of an SQS event, sent at `NOW` and received `receives` times; its receipt handle is its id."""
    attributes = {
        "MessageGroupId": group,
        "ApproximateReceiveCount": str(receives),
        "SentTimestamp": str(NOW // 1000),
    }
    return {"messageId": message_id, "receiptHandle": message_id, "body": body, "attributes": attributes}
