"""Do more and more dead letters come while they are replayed? Then their cause is still there: the run must stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.cli.dlq.dead_letters import DeadLetterQueue
    from workers.aws.clock import Clock

_ARRIVALS = 10
"""So many letters that were not there at the start, and one more per hundred sent: the cause is still there."""
_COUNT_EVERY = 2 * 1_000_000


@dataclass(frozen=True, slots=True)
class CountSample:
    """How many letters the run had deleted and received when the queue was last counted."""

    at: int
    deleted: int = 0
    received: int = 0


class InflowGuard:
    """What came during a run: letters that it saw come (`arrivals`), and by the queue's count those that it did not.

    The run says how many it has `received` and `deleted`. `lag` is how many microseconds a count may be behind.
    """

    def __init__(self, queue: DeadLetterQueue, clock: Clock, lag: int) -> None:
        self._queue = queue
        self._clock = clock
        self._lag = lag
        self._began = self._at_start = 0
        self._tide = CountSample(0)
        self.arrivals: set[str] = set()
        self.received = self.deleted = 0

    def begin(self, now: int, total: int) -> None:
        """The run begins with so many letters in the queue."""
        self._began, self._at_start, self._tide = now, total, CountSample(now)

    def rising(self, sent: int) -> str | None:
        """Why to stop because more and more dead letters come, if they do; `sent` is how many the run has sent."""
        limit = _ARRIVALS + sent // 100
        arrived = max(len(self.arrivals), self._grown())
        if arrived < limit:
            return None
        return f"{arrived} letters or more have come (back) since the start; fix the cause first"

    def _grown(self) -> int:
        """How many letters the queue says that it has beyond those that may have been there at the start.

        A count may be as old as `lag`. So the first one that is sure to know the start is taken an equal time after it,
        and each may still count what was deleted since the one before, and twice, as visible and as invisible, what
        was received.
        """
        now, before = self._clock.now(), self._tide
        if now - before.at < max(self._lag, _COUNT_EVERY):
            return 0
        total = self._queue.count().total
        self._tide = CountSample(now, self.deleted, self.received)
        if now - self._began < 2 * self._lag:
            self._at_start = total + self.deleted
            return 0
        return total - (self._at_start - before.deleted + self.received - before.received)
