"""The queues: `tests.support.fake_sqs` in virtual time, with SQS's own redrive to the dead letters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.proofs.simulation.scheduler import SECOND, Scheduler
from tests.support.fake_sqs import FakeSqs

QUEUE, DEAD_LETTERS = "commands.fifo", "dead.fifo"


class SimulatedQueues(FakeSqs):
    """Calls `arrived` when a queue took a message, and `sent` for every sent message, new or not.

    `most_receives` is SQS's `maxReceiveCount`; None for no redrive.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self._scheduler = scheduler
        self.arrived: Callable[[str], None] = lambda _queue: None
        self.sent: Callable[[str, str], None] = lambda _queue, _body: None
        self.most_receives: int | None = None

    def next_visible(self) -> int | None:
        """Return in how many microseconds the next command becomes visible, if one is invisible."""
        now = self._scheduler.now / SECOND
        times = [message.visible_at - now for message in self.queue(QUEUE).messages if message.visible_at > now]
        return int(min(times) * SECOND) + 1 if times else None

    def _call(self, _name: str, effect: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        self.now = self._scheduler.now / SECOND
        return effect()

    def _take(self, url: str, entry: dict[str, Any]) -> str:
        before = len(self.queue(url).history)
        message_id = super()._take(url, entry)
        self.sent(url, entry["MessageBody"])
        if len(self.queue(url).history) > before:
            self.arrived(url)
        return message_id

    def _receive(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["QueueUrl"] == QUEUE and self.most_receives is not None:
            self._move_away(self.most_receives)
        return super()._receive(request)

    def _move_away(self, most: int) -> None:
        """Move messages with too many receives to the dead letters, unchanged."""
        queue, dead = self.queue(QUEUE), self.queue(DEAD_LETTERS)
        for message in [m for m in queue.messages if m.receives >= most and m.visible_at <= self.now]:
            queue.messages.remove(message)
            message.receives = 0
            dead.messages.append(message)
            dead.history.append(message)
            self.arrived(DEAD_LETTERS)
