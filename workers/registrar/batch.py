"""A batch of messages, read: the commands of each event, in their order, up to the first message that is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from workers.aws.messages import UndecodableMessage, decode, group_for
from workers.aws.send import ReceivedMessage
from workers.domain.commands import Command, Recount


@dataclass(frozen=True, slots=True)
class ParsedMessage:
    """A message that was understood."""

    message: ReceivedMessage
    command: Command


Groups = dict[str, list[ParsedMessage]]
"""Tasks by event id, in the order of the queue; a Recount, which comes out of a group of its own, before them."""


@dataclass(frozen=True, slots=True)
class UndecodableTail:
    """Messages of one group, in order, the first of which is no command; `reason` says why."""

    reason: str
    messages: Sequence[ReceivedMessage]


def waiting_since(message: ReceivedMessage) -> int:
    """Return the moment from which a message has been waiting for its decision, in microseconds since 1970.

    Usually that is its command's `acceptedAt`. A replay counts from the replay, because the days that it spent in the
    dead-letter queue say nothing about its event; a message that is no command has nothing but the time it was sent.
    """
    if message.replay_of is None:
        with suppress(UndecodableMessage):
            return decode(message.body).accepted_at
    return message.sent_at


def read(messages: Mapping[str, Sequence[ReceivedMessage]]) -> tuple[Groups, dict[str, UndecodableTail]]:
    """Of each group of messages, the commands up to the first message that is none, and what is left from there on."""
    groups: Groups = {}
    behind: dict[str, UndecodableTail] = {}
    for group, waiting in messages.items():
        for index, message in enumerate(waiting):
            try:
                command = decode(message.body)
                if group_for(command) != group:
                    raise UndecodableMessage("the message is in another event's group")
            except UndecodableMessage as error:
                behind[group] = UndecodableTail(str(error), waiting[index:])
                break
            groups.setdefault(command.event_id, []).append(ParsedMessage(message, command))
    for tasks in groups.values():
        tasks.sort(key=lambda task: not isinstance(task.command, Recount))  # recounts first, else as they came
    return groups, behind
