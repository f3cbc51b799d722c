"""Parse a batch of messages into the commands of each event, up to the first message that cannot be decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from workers.aws.messages import UndecodableMessage, command_group, decode
from workers.aws.send import ReceivedMessage
from workers.domain.commands import Command, Recount


@dataclass(frozen=True, slots=True)
class ParsedMessage:
    """A message and its command."""

    message: ReceivedMessage
    command: Command


Groups = dict[str, list[ParsedMessage]]
"""Messages by event id, in the order of the queue. But a Recount comes first: it is from a message group of its own."""


@dataclass(frozen=True, slots=True)
class UndecodableTail:
    """The last messages of one group, in order. The first of them cannot be decoded, for this reason."""

    reason: str
    messages: Sequence[ReceivedMessage]


def waiting_since(message: ReceivedMessage) -> int:
    """Return when a message began to wait for its decision, in microseconds since 1970.

    Usually that is its command's `acceptedAt`. A replay has been waiting since it was replayed, because its days in the
    dead-letter queue say nothing about its event. A message without a command has only the time at which it was sent.
    """
    if message.replay_of is None:
        with suppress(UndecodableMessage):
            return decode(message.body).accepted_at
    return message.sent_at


def read(messages: Mapping[str, Sequence[ReceivedMessage]]) -> tuple[Groups, dict[str, UndecodableTail]]:
    """Return the commands of each event, and of each message group the tail from the first undecodable message on."""
    groups: Groups = {}
    behind: dict[str, UndecodableTail] = {}
    for group, waiting in messages.items():
        for index, message in enumerate(waiting):
            try:
                command = decode(message.body)
                if command_group(command) != group:
                    raise UndecodableMessage("the message is in another event's group")
            except UndecodableMessage as error:
                behind[group] = UndecodableTail(str(error), waiting[index:])
                break
            groups.setdefault(command.event_id, []).append(ParsedMessage(message, command))
    for tasks in groups.values():
        tasks.sort(key=lambda task: not isinstance(task.command, Recount))  # recounts first, else as they came
    return groups, behind
