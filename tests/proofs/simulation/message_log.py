"""Records the commands that each process sent, that the queue took, and that a registrar received."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from typing import TYPE_CHECKING, Any

from tests.proofs.simulation.queues import QUEUE
from workers.aws.messages import UndecodableMessage, command_group, decode, event_group
from workers.domain.commands import Cancel, Command, Register

if TYPE_CHECKING:
    from tests.proofs.simulation.queues import SimulatedQueues
    from tests.proofs.simulation.scheduler import Scheduler

_MOST_BATCHES = 50
"""The remembered batches of an event: a late commit, within half a minute, belongs to one of the last."""
_MOST_DOUBTS = 6
"""For so many parked messages, both possibilities are tried: parked, or decided when they came again."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The commands of an event that a registrar received, with their message ids; None for an undecodable one."""

    process: str
    commands: Sequence[tuple[str, Command | None]]

    def decided(self, parked: Collection[str]) -> Iterator[list[Command]]:
        """Yield the commands that may have been decided together.

        Decisions start anew behind a parked message, unless that came again and was decided.
        """
        aside = [n for n, (key, command) in enumerate(self.commands) if command is None or key in parked]
        for begin in (0, *(n + 1 for n in aside)):
            doubtful = [n for n in aside if n >= begin][:_MOST_DOUBTS]
            for again in product((True, False), repeat=len(doubtful)):
                out = {n for n, is_in in zip(doubtful, again, strict=True) if not is_in}
                rest = (command for n, (_, command) in enumerate(self.commands) if n >= begin and n not in out)
                yield [command for command in rest if command is not None]


class MessageLog:
    """The commands of one history."""

    def __init__(self, scheduler: Scheduler, sqs: SimulatedQueues) -> None:
        self._scheduler = scheduler
        self._sqs = sqs
        self._read: dict[str, Command | None] = {}
        self._arrived: set[tuple[type[Command], str, int]] = set()
        self._sent: dict[str, list[Command]] = {}
        self._batches: dict[str, list[Batch]] = {}

    def command(self, body: str, group: str | None = None) -> Command | None:
        """Return the command in a message; None if there is none, or in a wrong group."""
        if body not in self._read:
            try:
                self._read[body] = decode(body)
            except UndecodableMessage:
                self._read[body] = None
        command = self._read[body]
        return command if command is None or group in {None, command_group(command)} else None

    def sent(self, body: str) -> None:
        """Record a sent message, new or not."""
        process, command = self._scheduler.turn, self.command(body)
        if process is not None and command is not None:
            self._sent.setdefault(process, []).append(command)

    def sent_by(self, process: str) -> list[Command]:
        """Return what a process sent successfully."""
        return self._sent.get(process, [])

    def arrived(self, body: str, group: str) -> None:
        """Record a message that the queue took."""
        if isinstance(command := self.command(body, group), Register | Cancel):
            self._arrived.add((type(command), command.registration_id, command.generation))

    def asked_for(self, kind: type[Register | Cancel], registration_id: str, generation: int) -> bool:
        """Return whether the queue ever took such a command."""
        return (kind, registration_id, generation) in self._arrived

    def taken(self, process: str, records: list[dict[str, Any]]) -> None:
        """Record the batch of a registrar."""
        groups: dict[str, list[tuple[str, Command | None]]] = {}
        for record in records:
            name = record["attributes"]["MessageGroupId"]
            groups.setdefault(name, []).append((record["messageId"], self.command(record["body"], name)))
        for name, own in groups.items():
            batches = self._batches.setdefault(name, [])
            batches.append(Batch(process, own))
            del batches[:-_MOST_BATCHES]

    def batches(self, event_id: str) -> list[Batch]:
        """Return the event's batch that is being committed; for a late commit, all that it may be."""
        process = self._scheduler.turn
        found: dict[str, list[tuple[str, Command | None]]] = {}
        for group in (_recounts_of(event_id), event_group(event_id)):  # recounts come first
            for batch in self._batches.get(group, []):
                if process in {None, batch.process}:
                    found.setdefault(batch.process, []).extend(batch.commands)
        return [Batch(taker, commands) for taker, commands in found.items()]

    def waiting(self, event_id: str) -> list[tuple[str, Command]]:
        """Return an event's commands in the queue, in order, with their message ids."""
        group = event_group(event_id)
        messages = self._sqs.queue(QUEUE).messages
        read = [(message.id, self.command(message.body, group)) for message in messages if message.group == group]
        return [(key, command) for key, command in read if command is not None]


def _recounts_of(event_id: str) -> str:
    """Return the group of an event's recounts."""
    return "recount-" + sha256(event_id.encode()).hexdigest()
