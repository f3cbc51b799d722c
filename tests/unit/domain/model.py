"""One event as a child would keep it: who sits, and a list of those who wait. No tickets, no versions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from workers.domain.commands import Cancel, Command, Configure, Promote, Register
from workers.domain.records import SeatSettings


@dataclass
class Model:
    """`state` is status and generation by user; the line is in order."""

    settings: SeatSettings
    revisions: dict[str, int] = field(default_factory=dict)
    state: dict[str, tuple[str, int]] = field(default_factory=dict)
    line: list[str] = field(default_factory=list)

    @property
    def taken(self) -> int:
        """Seats that somebody has."""
        return sum(status == "confirmed" for status, _ in self.state.values())

    @property
    def can_settle(self) -> bool:
        """A seat is free beside a waiter, and the event takes place."""
        return bool(self.line) and self.taken < self.settings.capacity and self.settings.status != "cancelled"

    def apply(self, command: Command) -> str:
        """Does what the command says; answers what came of it."""
        match command:
            case Register():
                self._settle()
                return self._register(command.user_id, command.generation)
            case Cancel():
                return self._cancel(command.user_id, command.generation)
            case Promote():
                self._settle()
                return "promote"
            case Configure():
                return self._configure(command)
            case _:
                raise NotImplementedError(f"the model does not know {command}")

    def _configure(self, command: Configure) -> str:
        answer = "superseded"
        for name, value in command.changes.items():
            if command.revision > self.revisions.get(name, 0):
                self.revisions[name] = command.revision
                self.settings = replace(self.settings, **{name: value})  # type: ignore[arg-type]  # as SeatChanges says
                answer = "configured"
        return answer

    def _settle(self) -> None:
        while self.can_settle:
            user = self.line.pop(0)
            self.state[user] = ("confirmed", self.state[user][1])

    def _register(self, user: str, generation: int) -> str:
        status, seen = self.state.get(user, ("none", 0))
        if not (generation == seen if status == "pending" else generation == seen + 1):
            return "superseded"
        if status in {"waitlisted", "confirmed"}:
            return "superseded"
        limit = self.settings.waitlist_capacity
        if self.settings.status != "active":
            new = "rejected"
        elif self.taken < self.settings.capacity:
            new = "confirmed"
        elif self.settings.has_waitlist and (limit is None or len(self.line) < limit):
            new = "waitlisted"
            self.line.append(user)
        else:
            new = "rejected"
        self.state[user] = (new, generation)
        return new

    def _cancel(self, user: str, generation: int) -> str:
        status, seen = self.state.get(user, ("none", 0))
        if generation != seen or status not in {"pending", "waitlisted", "confirmed"}:
            return "superseded"
        if user in self.line:
            self.line.remove(user)
        self.state[user] = ("cancelled", generation)
        return "cancelled"
