"""FIFO queues in memory that behave as AWS's where it matters, on a manual clock.

While a message of a group is invisible no other one of that group is handed out. A group that begins behind the first
120,000 messages of the queue is not found. A receipt handle is worth nothing once its time is over or the message was
handed out anew. A deduplication id is recognised within its group for five minutes. Batches may fail in part or be too
long, answers may get lost or be slow, counts may be old, and the caller may die at any call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from itertools import count
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from tests.support.pii_canaries import watch
from workers.aws.clock import Clock

DEDUPLICATION = 300
MAX_BYTES = 1_048_576
"""SQS's limit for a call, bodies and attributes together."""
WINDOW = 120_000
"""A FIFO queue looks for available groups among its first messages only, so many of them (the SQS developer guide,
"Avoid having a large backlog of messages with the same message group ID")."""
Hook = Callable[[str], None]


class Killed(BaseException):
    """The process was killed."""


@dataclass(slots=True)
class Message:
    """A message. `visible_at` and `sent_at` are in seconds."""

    id: str
    body: str
    group: str
    deduplication_id: str
    attributes: dict[str, Any]
    sent_at: float
    visible_at: float
    receives: int = 0
    handle: str | None = None


@dataclass(slots=True)
class Fifo:
    """One queue, and everything that it ever received."""

    messages: list[Message] = field(default_factory=list)
    history: list[Message] = field(default_factory=list)
    known: dict[tuple[str, str], tuple[float, str]] = field(default_factory=dict)
    counts: list[tuple[float, int, int]] = field(default_factory=list)

    def count(self, now: float) -> None:
        """Record how many messages are visible, and how many are not."""
        invisible = sum(message.visible_at > now for message in self.messages)
        self.counts.append((now, len(self.messages) - invisible, invisible))

    def counted(self, when: float) -> tuple[int, int]:
        """Return the recorded numbers of visible and invisible messages at a time."""
        return next(((visible, not_) for at, visible, not_ in reversed(self.counts) if at <= when), (0, 0))

    def bodies(self, group: str | None = None) -> list[str]:
        """Return the bodies of everything that the queue received, in order."""
        return [message.body for message in self.history if group in {None, message.group}]

    def left(self, group: str | None = None) -> list[str]:
        """Return the bodies of what is in it now."""
        return [message.body for message in self.messages if group in {None, message.group}]


class FakeSqs:
    """The part of an SQS client that dead letters need. Any queue name exists.

    `before` and `after` are called with the name of each call, before it has an effect and before its answer arrives;
    what they raise is what the caller sees. `refuse` says which entries of batches fail. An answer takes `takes`
    seconds to arrive. The counts of visible and of invisible messages are as old as `lags` says, in seconds.
    Without `dated` they come without a date. Groups are looked for among the first `window` messages of a queue.
    """

    def __init__(self) -> None:
        self.now = 1_800_000_000.5
        self.queues: dict[str, Fifo] = {}
        self.before: Hook = _nothing
        self.after: Hook = _nothing
        self.refuse: Callable[[str, str], bool] = lambda _call, _what: False
        self.calls: list[str] = []
        self.takes = 0.0
        self.dated = True
        self.window = WINDOW
        self.lags = 0.0, 0.0
        self._numbers = count(1)
        self.clock = Clock(lambda: int(self.now * 1_000_000), self.sleep)

    def sleep(self, seconds: float) -> None:
        """Advance the clock."""
        self.now += seconds

    def queue(self, url: str) -> Fifo:
        """Return the queue of that name."""
        return self.queues.setdefault(url, Fifo())

    def send_message(self, **request: Any) -> dict[str, Any]:
        """SendMessage."""
        return self._call("park", lambda: {"MessageId": self._take(request["QueueUrl"], request)})

    def send_message_batch(self, **request: Any) -> dict[str, Any]:
        """SendMessageBatch; an entry whose body `refuse` names fails."""
        if sum(map(_size, request["Entries"])) > MAX_BYTES:
            self.calls.append("send")
            raise ClientError({"Error": {"Code": "AWS.SimpleQueueService.BatchRequestTooLong"}}, "SendMessageBatch")
        return self._batch("send", request, "MessageBody", lambda entry: self._take(request["QueueUrl"], entry))

    def receive_message(self, **request: Any) -> dict[str, Any]:
        """ReceiveMessage; an empty answer takes as long as the poll."""
        return self._call("receive", lambda: self._receive(request))

    def delete_message_batch(self, **request: Any) -> dict[str, Any]:
        """DeleteMessageBatch."""
        queue = self.queue(request["QueueUrl"])

        def delete(entry: dict[str, Any]) -> str | None:
            if message := self._held(queue, entry["ReceiptHandle"]):
                queue.messages.remove(message)
            return message.id if message else None

        return self._batch("delete", request, "ReceiptHandle", delete)

    def change_message_visibility_batch(self, **request: Any) -> dict[str, Any]:
        """ChangeMessageVisibilityBatch."""
        queue = self.queue(request["QueueUrl"])

        def change(entry: dict[str, Any]) -> str | None:
            if message := self._held(queue, entry["ReceiptHandle"]):
                message.visible_at = self.now + entry["VisibilityTimeout"]
            return message.id if message else None

        return self._batch("hide", request, "ReceiptHandle", change)

    def get_queue_attributes(self, **request: Any) -> dict[str, Any]:
        """GetQueueAttributes; its answer has SQS's time, to the second."""
        queue = self.queue(request["QueueUrl"])

        def attributes() -> dict[str, Any]:
            queue.count(self.now)
            visible, invisible = (queue.counted(self.now - lag)[index] for index, lag in enumerate(self.lags))
            counts = {"": visible, "NotVisible": invisible}
            date = {"date": formatdate(int(self.now), usegmt=True)} if self.dated else {}
            return {
                "Attributes": {f"ApproximateNumberOfMessages{name}": str(value) for name, value in counts.items()},
                "ResponseMetadata": {"HTTPHeaders": date},
            }

        return self._call("count", attributes)

    def _call(self, name: str, effect: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        self.before(name)
        self.calls.append(name)
        answer = effect()
        for queue in self.queues.values():
            queue.count(self.now)
        self.now += self.takes
        self.after(name)
        return answer

    def _batch(
        self, name: str, request: dict[str, Any], what: str, effect: Callable[[dict[str, Any]], str | None]
    ) -> dict[str, Any]:
        entries = request["Entries"]
        assert 0 < len(entries) <= 10
        assert len({entry["Id"] for entry in entries}) == len(entries)

        def each() -> dict[str, Any]:
            answer: dict[str, Any] = {"Successful": [], "Failed": []}
            for entry in entries:
                done = None if self.refuse(name, entry[what]) else effect(entry)
                if done is None:
                    answer["Failed"].append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
                else:
                    answer["Successful"].append({"Id": entry["Id"], "MessageId": done})
            return answer

        return self._call(name, each)

    def _take(self, url: str, entry: dict[str, Any]) -> str:
        watch(f"a message to {url}", f"{entry['MessageBody']} {entry.get('MessageAttributes')}")
        queue, key = self.queue(url), (entry["MessageGroupId"], entry["MessageDeduplicationId"])
        at, known = queue.known.get(key, (-DEDUPLICATION, ""))
        if self.now - at < DEDUPLICATION:
            return known
        message = Message(
            id=f"{next(self._numbers):08}-in-{url}",
            body=entry["MessageBody"],
            group=key[0],
            deduplication_id=key[1],
            attributes=entry.get("MessageAttributes", {}),
            sent_at=self.now,
            visible_at=self.now,
        )
        queue.messages.append(message)
        queue.history.append(message)
        queue.known[key] = self.now, message.id
        return message.id

    def _receive(self, request: dict[str, Any]) -> dict[str, Any]:
        queue = self.queue(request["QueueUrl"])
        locked = {message.group for message in queue.messages if message.visible_at > self.now}
        open_ = {message.group for message in queue.messages[: self.window]} - locked
        free = [message for message in queue.messages if message.group in open_]
        for message in free[: request["MaxNumberOfMessages"]]:
            message.visible_at = self.now + request["VisibilityTimeout"]
            message.receives += 1
            message.handle = f"handle-{next(self._numbers)}"
        if not free:
            self.now += request["WaitTimeSeconds"]
        return {"Messages": [_as_received(message) for message in free[: request["MaxNumberOfMessages"]]]}

    def _held(self, queue: Fifo, handle: str) -> Message | None:
        return next((m for m in queue.messages if m.handle == handle and m.visible_at > self.now), None)


def _size(entry: dict[str, Any]) -> int:
    attributes = entry.get("MessageAttributes", {}).items()
    return len(entry["MessageBody"].encode()) + sum(
        len(name) + len(value["DataType"]) + len(value["StringValue"]) for name, value in attributes
    )


def lost_answer(_call: str) -> None:
    """Raise what the SDK raises when it gives up on a response."""
    raise EndpointConnectionError(endpoint_url="https://sqs.example")


def _as_received(message: Message) -> dict[str, Any]:
    return {
        "MessageId": message.id,
        "ReceiptHandle": message.handle,
        "Body": message.body,
        "Attributes": {
            "MessageGroupId": message.group,
            "SentTimestamp": str(int(message.sent_at * 1000)),
            "ApproximateReceiveCount": str(message.receives),
        },
        "MessageAttributes": message.attributes,
    }


def _nothing(_call: str) -> None:
    """Do nothing."""
