"""Simulates Lambda: starts functions and kills slow ones, polls the queue, reads the stream."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.proofs.simulation.faults import Fault
from tests.proofs.simulation.invocation_log import InvocationLog
from tests.proofs.simulation.queues import QUEUE
from tests.proofs.simulation.scheduler import SECOND, ProcessEnd
from workers.aws.clock import Clock
from workers.aws.items import PROMOTABLE, Item

if TYPE_CHECKING:
    from tests.proofs.simulation.simulation import Simulation

RAISED = "no function raises an exception"

Handler = Callable[[dict[str, Any]], Any]

_LARGEST_SKEW = SECOND // 2
_BATCH = 10
_SHARDS = 3
_PACES = (20_000, 20_000, 20_000, SECOND)
"""The longest time between two polls, in microseconds. With rare polls several events share a batch."""


class SimulatedFunction:
    """A function and its instances, each with a clock of its own and one event at a time.

    `make` makes the handler of a new instance. `seconds` is the function's timeout.
    """

    def __init__(self, sim: Simulation, name: str, make: Callable[[Clock], Handler], seconds: int) -> None:
        self._sim = sim
        self._name = name
        self._make = make
        self._timeout = seconds * SECOND
        self._idle: list[Handler] = []
        self._started = 0

    def invoke(
        self, event: dict[str, Any], then: Callable[[ProcessEnd], None], name: str = "", delay: int = 0
    ) -> InvocationLog:
        """Handle an event after so many microseconds, and call `then` at the end. Return the log of the invocation."""
        sim = self._sim
        self._started += 1
        name = name or f"{self._name}-{self._started}"
        handler = self._idle.pop() if self._idle else self._new(name)
        invocation = sim.invocations[name] = InvocationLog(self._name, name)

        def work() -> Any:
            invocation.began = sim.scheduler.now
            return handler(event)

        def ended(how: ProcessEnd) -> None:
            del sim.invocations[name]
            if how.killed:
                sim.note("%s is killed", name)
            else:
                self._idle.append(handler)
            then(how)

        process = sim.scheduler.start(name, sim.chance(name), work, ended, delay)
        sim.scheduler.after(delay + self._timeout, process.kill)
        return invocation

    def _new(self, name: str) -> Handler:
        sim, skew = self._sim, 0
        chance = sim.chance(f"clock of {name}")
        if sim.faults.happens(Fault.CLOCK_SKEW, chance):
            sim.count(Fault.CLOCK_SKEW, name)
            skew = chance.randrange(-_LARGEST_SKEW, _LARGEST_SKEW)
        scheduler = sim.scheduler
        return self._make(
            Clock(lambda: scheduler.now + skew, lambda seconds: scheduler.current.pause(int(seconds * SECOND)))
        )


class CommandsTrigger:
    """The event source mapping of the queue: hands batches to the registrar, deletes processed messages."""

    def __init__(self, sim: Simulation, registrar: SimulatedFunction, visibility: int) -> None:
        self._sim = sim
        self._registrar = registrar
        self._visibility = visibility
        self._chance = sim.chance("poller")
        self._held: Counter[str] = Counter()
        self._processed: set[str] = set()
        self._due: int | None = None
        self._pace = self._chance.choice(_PACES)

    def wake(self, microseconds: int = 0) -> None:
        """Poll the queue soon, or after so many microseconds."""
        scheduler = self._sim.scheduler
        at = scheduler.now + microseconds + self._chance.randrange(1000, self._pace)
        if self._due is None or self._due > at:
            self._due = at
            scheduler.after(at - scheduler.now, lambda: self._poll(at))

    def _poll(self, due: int) -> None:
        if due != self._due:
            return  # there is an earlier poll
        self._due = None
        sim = self._sim
        size = self._chance.choice((_BATCH, _BATCH, self._chance.randint(1, _BATCH)))
        messages = sim.sqs.receive_message(
            QueueUrl=QUEUE, MaxNumberOfMessages=size, VisibilityTimeout=self._visibility, WaitTimeSeconds=0
        )["Messages"]
        if not messages:
            if (soonest := sim.sqs.next_visible()) is not None:
                self.wake(soonest)
            return
        late = 0
        if sim.faults.happens(Fault.VISIBILITY_LOST, self._chance):
            # As when the function is throttled: the batch waits, and its visibility timeout runs.
            late = self._visibility * SECOND - self._chance.randrange(-SECOND // 5, SECOND // 2)
        for message in messages:
            if self._held[message["MessageId"]]:
                sim.count(Fault.VISIBILITY_LOST, message["MessageId"])
            if message["MessageId"] in self._processed:
                sim.count(Fault.DUPLICATE_DELIVERY, message["MessageId"])
            self._held[message["MessageId"]] += 1
        event = {"Records": [_as_record(message) for message in messages]}
        invocation = self._registrar.invoke(event, lambda how: self._done(messages, invocation, how), delay=late)
        self.wake()

    def _done(self, messages: list[dict[str, Any]], invocation: InvocationLog, how: ProcessEnd) -> None:
        sim = self._sim
        for message in messages:
            self._held[message["MessageId"]] -= 1
        if how.error is not None:
            sim.broken(RAISED, repr(how.error))
        if how.value is not None:
            failed = sim.deliveries.answered(messages, how.value, invocation)
            lost = sim.faults.happens(Fault.DUPLICATE_DELIVERY, self._chance)
            done = [message for message in messages if message["MessageId"] not in failed]
            self._processed.update(message["MessageId"] for message in done)
            if done and not lost:
                sim.sqs.delete_message_batch(
                    QueueUrl=QUEUE,
                    Entries=[{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(done)],
                )
        self.wake()


@dataclass(slots=True)
class _Record:
    """A record of the stream, and its number among those of all shards."""

    image: Item
    written: int


class StreamTrigger:
    """The event source mapping of the ledger's stream: hands filtered records to the promoter, by shard."""

    def __init__(self, sim: Simulation, promoter: SimulatedFunction) -> None:
        self._sim = sim
        self._promoter = promoter
        self._chance = sim.chance("stream")
        self._shards: list[list[_Record]] = [[] for _ in range(_SHARDS)]
        self._busy = [False] * _SHARDS
        self._written = 0
        self._delivered = 0

    def wrote(self, image: Item) -> None:
        """Add a ledger that was written, if it passes the filter."""
        self._written += 1
        if image.get("promotable") != {"S": PROMOTABLE}:
            return
        shard = zlib.crc32(image["eventId"]["S"].encode()) % _SHARDS
        self._shards[shard].append(_Record(image, self._written))
        late = self._chance.randrange(1_000, 50_000)
        for fault, most in ((Fault.STREAM_DELAY, 20 * SECOND), (Fault.STREAM_REORDER, SECOND)):
            if self._sim.faults.happens(fault, self._chance):
                late += self._chance.randrange(most)
                if fault is Fault.STREAM_DELAY:
                    self._sim.count(fault, image["eventId"]["S"])
        self._sim.scheduler.after(late, lambda: self._deliver(shard))

    def _deliver(self, shard: int) -> None:
        records = self._shards[shard]
        if self._busy[shard] or not records:
            return
        self._busy[shard] = True
        batch = records[: self._chance.randint(1, _BATCH)]
        if batch[0].written < self._delivered:
            self._sim.count(Fault.STREAM_REORDER, str(batch[0].written))
        self._delivered = max(self._delivered, batch[-1].written)
        event = {"Records": [{"dynamodb": {"NewImage": record.image}} for record in batch]}
        self._promoter.invoke(event, lambda how: self._done(shard, len(batch), how))

    def _done(self, shard: int, delivered: int, how: ProcessEnd) -> None:
        sim, records = self._sim, self._shards[shard]
        self._busy[shard] = False
        if how.killed or how.error is not None:
            sim.count(Fault.STREAM_RETRY, f"shard {shard}")
        elif sim.faults.happens(Fault.STREAM_RETRY, self._chance):
            sim.count(Fault.STREAM_RETRY, f"shard {shard}, although it went well")
        elif sim.faults.happens(Fault.STREAM_DUPLICATE, self._chance):
            sim.count(Fault.STREAM_DUPLICATE, f"shard {shard}")
            del records[: delivered - 1]
        else:
            del records[:delivered]
        if records:
            sim.scheduler.after(self._chance.randrange(10_000, SECOND), lambda: self._deliver(shard))


def _as_record(message: dict[str, Any]) -> dict[str, Any]:
    attributes = {
        name: {"stringValue": value["StringValue"], "dataType": value["DataType"]}
        for name, value in message["MessageAttributes"].items()
    }
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": attributes,
    }
