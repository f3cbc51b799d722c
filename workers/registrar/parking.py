"""The reasons for parking a message in the dead-letter queue.

`str()` of a reason is stored with the dead letter, where operators and `turnstile dlq` read it.
"""

from __future__ import annotations

from dataclasses import dataclass

from workers.domain.commands import Command


@dataclass(frozen=True, slots=True)
class Undecodable:
    """The message holds no command, or one of another event's group; `detail` says what is wrong."""

    detail: str

    def __str__(self) -> str:
        return f"unreadable: {self.detail}"


@dataclass(frozen=True, slots=True)
class EventNotFound:
    """The event of the command does not exist."""

    def __str__(self) -> str:
        return "event-not-found: there is no such event"


@dataclass(frozen=True, slots=True)
class RecordUndecodable:
    """The registration that the command is about cannot be decoded."""

    registration_id: str
    error: Exception

    def __str__(self) -> str:
        return f"unreadable-record: {type(self.error).__name__} while reading {self.registration_id}"


@dataclass(frozen=True, slots=True)
class DecisionFailed:
    """The rules raised an exception on the command."""

    command: Command
    error: BaseException | None

    def __str__(self) -> str:
        return f"failed: {type(self.error).__name__} while deciding {type(self.command).__name__}"


ParkingReason = Undecodable | EventNotFound | RecordUndecodable | DecisionFailed
"""Any of them."""
