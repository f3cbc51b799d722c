"""One event as a child would keep it: where everybody stands, and a number for each who waits. The rank of a waiter is
found by sorting and counting. No tickets, no bitmap, nothing that is kept up to date on the side."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from workers.domain.commands import Cancel, Command, Configure, Promote, Register
from workers.domain.seat_settings import SeatSettings

STALE = ("superseded", "stale-generation")


@dataclass(frozen=True)
class Answer:
    """What must come of a batch: result and reason of each decided command, who moved up, whether anything changed."""

    outcomes: list[tuple[str, str]]
    promoted: set[str]
    changed: bool


@dataclass
class Model:
    """`state` is status and generation by user ("cancelling": pending, but not wanted any more), `times` when each was
    decided last. `arrivals` has a number for everybody who waits, in no order that counts; `arrived` is how many ever
    came to wait."""

    settings: SeatSettings
    revisions: dict[str, int] = field(default_factory=dict)
    state: dict[str, tuple[str, int]] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)
    arrivals: dict[str, int] = field(default_factory=dict)
    arrived: int = 0
    free_since: int | None = None

    @property
    def taken(self) -> int:
        """Seats that somebody has."""
        return sum(status == "confirmed" for status, _ in self.state.values())

    @property
    def can_promote(self) -> bool:
        """A seat is free beside a waiter, and the event takes place."""
        return bool(self.arrivals) and self.taken < self.settings.capacity and self.settings.status != "cancelled"

    def rank(self, user: str) -> int:
        """1 for the waiter who came first."""
        return sorted(self.arrivals.values()).index(self.arrivals[user]) + 1

    def decide(self, commands: Sequence[Command], now: int, most: int, hidden: Collection[str]) -> Answer:
        """Does what the commands say, up to the first that needs more than `most` promotions, or one of who is hidden.

        `now` is in microseconds since 1970.
        """
        before = (dict(self.state), dict(self.revisions))
        outcomes: list[tuple[str, str]] = []
        promoted: list[tuple[str, int]] = []
        for command in commands:
            if isinstance(command, Register | Promote) and not self._promote(promoted, most, hidden):
                break
            outcomes.append(self._apply(command, now, moved=bool(promoted)))
        self.free_since = (self.free_since or now) if self.can_promote else None
        seated = {user for user, generation in promoted if self.state[user] == ("confirmed", generation)}
        return Answer(outcomes, seated, before != (self.state, self.revisions))

    def _promote(self, promoted: list[tuple[str, int]], most: int, hidden: Collection[str]) -> bool:
        while self.can_promote:
            (head,) = (user for user in self.arrivals if self.rank(user) == 1)
            if head in hidden or len(promoted) == most:
                return False
            del self.arrivals[head]
            self.state[head] = ("confirmed", self.state[head][1])
            promoted.append((head, self.state[head][1]))
        self.free_since = None
        return True

    def _apply(self, command: Command, now: int, moved: bool) -> tuple[str, str]:
        if isinstance(command, Register):
            return self._register(command.user_id, command.generation, now)
        if isinstance(command, Cancel):
            return self._cancel(command.user_id, command.generation)
        if isinstance(command, Promote):
            return ("settled", "line-moved-up") if moved else ("superseded", "nothing-to-settle")
        assert isinstance(command, Configure)
        return self._configure(command)

    def _configure(self, command: Configure) -> tuple[str, str]:
        answer = ("superseded", "stale-revision")
        for name, value in command.changes.items():
            if command.revision > self.revisions.get(name, 0):
                self.revisions[name] = command.revision
                self.settings = replace(self.settings, **{name: value})
                answer = ("configured", "settings-changed")
        return answer

    def _register(self, user: str, generation: int, now: int) -> tuple[str, str]:
        status, seen = self.state.get(user, ("none", 0))
        if status in {"waitlisted", "confirmed"} or generation != (seen if status == "pending" else seen + 1):
            return STALE
        limit = self.settings.waitlist_capacity
        if self.settings.status != "active":
            answer = ("rejected", "registration-closed")
        elif self.taken < self.settings.capacity:
            answer = ("confirmed", "seat-given")
        elif not self.settings.has_waitlist:
            answer = ("rejected", "event-full")
        elif limit is not None and len(self.arrivals) >= limit:
            answer = ("rejected", "waitlist-full")
        else:
            answer = ("waitlisted", "joined-waitlist")
            self.arrived += 1
            self.arrivals[user] = self.arrived
        self.state[user] = (answer[0], generation)
        self.times[user] = max(now, max(self.times.values(), default=0) + 1)
        return answer

    def _cancel(self, user: str, generation: int) -> tuple[str, str]:
        status, seen = self.state.get(user, ("none", 0))
        reasons = {
            "pending": "cancelled-before-decision",
            "cancelling": "cancelled-before-decision",
            "waitlisted": "left-waitlist",
            "confirmed": "gave-up-seat",
        }
        if generation != seen or status not in reasons:
            return STALE
        self.arrivals.pop(user, None)
        self.state[user] = ("cancelled", generation)
        return "cancelled", reasons[status]
