"""Stop a replay while dead letters keep arriving: their cause has not been fixed yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.cli.dlq.dead_letters import DeadLetterQueue
    from workers.aws.clock import Clock

_ARRIVALS = 10
"""The arrivals, plus one per hundred messages sent, at which the cause is taken to persist."""
_COUNT_EVERY = 2 * 1_000_000


@dataclass(frozen=True, slots=True)
class CountSample:
    """The numbers of messages that the run had deleted and received when it last counted the queue."""

    at: int
    deleted: int = 0
    received: int = 0


class InflowGuard:
    """Tracks the messages that arrive during a run: those it saw (`arrivals`), and by the queue's count the others.

    The run maintains `received` and `deleted`. `lag` is how many microseconds a count may be behind.
    """

    def __init__(self, queue: DeadLetterQueue, clock: Clock, lag: int) -> None:
        self._queue = queue
        self._clock = clock
        self._lag = lag
        self._began = self._at_start = 0
        self._sample = CountSample(0)
        self.arrivals: set[str] = set()
        self.received = self.deleted = 0

    def begin(self, now: int, total: int) -> None:
        """Record that the run begins with `total` messages in the queue."""
        self._began, self._at_start, self._sample = now, total, CountSample(now)

    def reason_to_stop(self, sent: int) -> str | None:
        """Return why a run that has sent `sent` messages must stop, None while it may go on."""
        limit = _ARRIVALS + sent // 100
        arrived = max(len(self.arrivals), self._growth())
        if arrived < limit:
            return None
        return f"at least {arrived} messages have arrived since the start, or came back; fix the cause first"

    def _growth(self) -> int:
        """Count the messages in the queue beyond those that may have been there at the start.

        A count may be as old as `lag`, so the first count that is sure to reflect the start is taken `lag` after the
        first sample. Any count may still include messages deleted since the previous one, and include received
        messages twice, as visible and as invisible.
        """
        now, before = self._clock.now(), self._sample
        if now - before.at < max(self._lag, _COUNT_EVERY):
            return 0
        total = self._queue.count().total
        self._sample = CountSample(now, self.deleted, self.received)
        if now - self._began < 2 * self._lag:
            self._at_start = total + self.deleted
            return 0
        return total - (self._at_start - before.deleted + self.received - before.received)
