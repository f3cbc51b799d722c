"""A queue in memory without order, with copies, and with deliveries to several registrars at once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.support.deliveries import record
from workers.aws.messages import decode
from workers.domain.commands import Cancel, Register

QUEUE, DEAD_LETTERS = "https://sqs.example/commands.fifo", "https://sqs.example/dead.fifo"
BATCH = 10
_VISIBILITY_SECONDS, _BACK_OFF = 2.0, 0.1
"""The visibility timeout is shorter than some of the SDK's waits, so that two registrars may hold a batch. The second
number is the length of a second of back-off."""
_COPIED = 5
"""Every fifth message is there twice: counted, not drawn, so that it happens in every race."""


@dataclass(slots=True)
class QueuedMessage:
    """A message in the queue; `visible_at` is in seconds of the monotonic clock."""

    id: str
    body: str
    group: str
    receives: int = 0
    visible_at: float = 0.0


class StandardQueue:
    """An SQS client with a queue that guarantees as little as a standard queue.

    Messages come in any order, those of one event to several registrars at once, some twice, until they are
    acknowledged. While `held`, it delivers nothing. `accepted` are the API's commands.
    """

    def __init__(self, chance: Random) -> None:
        self.held = True
        self.messages: dict[str, QueuedMessage] = {}
        self.accepted: list[Register | Cancel] = []
        self.parked: list[str] = []
        self.counts = Counter[str]()
        self._chance = chance
        self._sent = 0
        self._lock = threading.Lock()

    def send_message(self, **request: Any) -> dict[str, Any]:
        """SendMessage, to the queue or to the dead letters."""
        body, group = request["MessageBody"], request["MessageGroupId"]
        with self._lock:
            self._sent += 1
            key = f"m{self._sent}"
            if request["QueueUrl"] == DEAD_LETTERS:
                self.parked.append(f"{request['MessageAttributes']['reason']['StringValue']}, {body}")
                return {"MessageId": key}
            self.messages[key] = QueuedMessage(key, body, group)
            if self._sent % _COPIED == 0:
                self.counts["copies"] += 1
                self.messages[f"{key}-copy"] = QueuedMessage(f"{key}-copy", body, group)
            if isinstance(command := decode(body), Register | Cancel):
                self.accepted.append(command)
            return {"MessageId": key}

    def send_message_batch(self, **request: Any) -> dict[str, Any]:
        """SendMessageBatch."""
        for entry in request["Entries"]:
            self.send_message(QueueUrl=request["QueueUrl"], **entry)
        return {"Successful": [], "Failed": []}

    def change_message_visibility_batch(self, **request: Any) -> dict[str, Any]:
        """ChangeMessageVisibilityBatch."""
        with self._lock:
            for entry in request["Entries"]:
                if message := self.messages.get(entry["ReceiptHandle"]):
                    message.visible_at = time.monotonic() + entry["VisibilityTimeout"] * _BACK_OFF
        return {"Successful": [], "Failed": []}

    def receive(self) -> list[dict[str, Any]]:
        """Return at most ten records of an SQS event, half of the time of one group only."""
        with self._lock:
            now = time.monotonic()
            found = [m for m in self.messages.values() if m.visible_at <= now and not self.held]
            if found and self._chance.random() < 0.5:
                group = self._chance.choice(found).group
                found = [message for message in found if message.group == group]
            batch = self._chance.sample(found, min(len(found), BATCH))
            for message in batch:
                message.receives += 1
                message.visible_at = now + _VISIBILITY_SECONDS
                self.counts["redeliveries"] += message.receives > 1
            return [record(m.id, m.body, m.group, m.receives) for m in batch]

    def acknowledge(self, records: Sequence[dict[str, Any]], result: dict[str, Any]) -> None:
        """Delete the records that the registrar's result does not report as failed."""
        failed = {failure["itemIdentifier"] for failure in result["batchItemFailures"]}
        with self._lock:
            for key in {record["messageId"] for record in records} - failed:
                self.messages.pop(key, None)
