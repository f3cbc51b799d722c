"""What went through the queue of commands: what each process sent into it, which of it was ever taken, and who was
handed it."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from tests.proofs.simulation.queues import QUEUE
from tests.proofs.simulation.reference_model import Batch
from workers.aws.messages import UndecodableMessage, decode, group_for, group_of
from workers.domain.commands import Cancel, Command, Register

if TYPE_CHECKING:
    from tests.proofs.simulation.queues import SimulatedQueues
    from tests.proofs.simulation.scheduler import Scheduler

_MOST_BATCHES = 50
"""Of one event: a late commit is that of one of the last batches. It comes within half a minute."""


class MessageLog:
    """The commands of one history, as they came and went."""

    def __init__(self, scheduler: Scheduler, sqs: SimulatedQueues) -> None:
        self._scheduler = scheduler
        self._sqs = sqs
        self._read: dict[str, Command | None] = {}
        self._arrived: set[tuple[type[Command], str, int]] = set()
        self._sent: dict[str, list[Command]] = {}
        self._batches: dict[str, list[Batch]] = {}

    def command(self, body: str, group: str | None = None) -> Command | None:
        """The command in a message; None if it is none, or is in another group than its own."""
        if body not in self._read:
            try:
                self._read[body] = decode(body)
            except UndecodableMessage:
                self._read[body] = None
        command = self._read[body]
        return command if command is None or group in {None, group_for(command)} else None

    def sent(self, body: str) -> None:
        """A message was sent, maybe one that the queue has already."""
        process, command = self._scheduler.turn, self.command(body)
        if process is not None and command is not None:
            self._sent.setdefault(process, []).append(command)

    def sent_by(self, process: str) -> list[Command]:
        """What a process sent, and was taken."""
        return self._sent.get(process, [])

    def arrived(self, body: str, group: str) -> None:
        """A message came into the queue."""
        if isinstance(command := self.command(body, group), Register | Cancel):
            self._arrived.add((type(command), command.registration_id, command.generation))

    def asked_for(self, kind: type[Register | Cancel], registration_id: str, generation: int) -> bool:
        """Whether the queue ever took such a command."""
        return (kind, registration_id, generation) in self._arrived

    def taken(self, process: str, records: list[dict[str, Any]]) -> None:
        """A registrar begins with a batch."""
        groups: dict[str, list[tuple[str, Command | None]]] = {}
        for record in records:
            name = record["attributes"]["MessageGroupId"]
            groups.setdefault(name, []).append((record["messageId"], self.command(record["body"], name)))
        for name, own in groups.items():
            batches = self._batches.setdefault(name, [])
            batches.append(Batch(process, own))
            del batches[:-_MOST_BATCHES]

    def batches(self, event_id: str) -> list[Batch]:
        """The batch of the event that is being committed; of a commit that comes late, any that it may be."""
        process = self._scheduler.turn
        found: dict[str, list[tuple[str, Command | None]]] = {}
        for group in (_recounts_of(event_id), group_of(event_id)):  # a recount comes before all others
            for batch in self._batches.get(group, []):
                if process in {None, batch.process}:
                    found.setdefault(batch.process, []).extend(batch.commands)
        return [Batch(taker, commands) for taker, commands in found.items()]

    def waiting(self, event_id: str) -> list[tuple[str, Command]]:
        """The commands of an event that are in the queue, in order, by message id."""
        group = group_of(event_id)
        messages = self._sqs.queue(QUEUE).messages
        read = [(message.id, self.command(message.body, group)) for message in messages if message.group == group]
        return [(key, command) for key, command in read if command is not None]


def _recounts_of(event_id: str) -> str:
    """The group of an event's recounts, which is not that of its other commands."""
    return "recount-" + sha256(event_id.encode()).hexdigest()
