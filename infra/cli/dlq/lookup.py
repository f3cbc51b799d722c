"""Find messages by id, or by the first characters of an id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import TYPE_CHECKING

from infra.cli.dlq.dead_letters import BATCH
from infra.cli.errors import CliError, UsageError

if TYPE_CHECKING:
    from infra.cli.dlq.browser import QueueSnapshot
    from workers.aws.dead_letters import DeadLetter

_SHORTEST_ID = 6


def require_length(wanted: str) -> None:
    """Raise UsageError if an ID is so short that it could match any message."""
    if len(wanted) < _SHORTEST_ID:
        raise UsageError(f"the ID {wanted} is too short: give at least {_SHORTEST_ID} characters of it")


def find(snapshot: QueueSnapshot, wanted: str) -> DeadLetter:
    """Return the message with this id or prefix, or the one that came back of a replay of it.

    Raises CliError if none matches, or several do.
    """
    found = [message for message in snapshot.messages if message.message_id.startswith(wanted)]
    found = found or [message for message in snapshot.messages if (message.replay_of or "").startswith(wanted)]
    if not found:
        raise CliError(
            f"no dead-letter message {wanted} is among the {len(snapshot.messages)} visible ones{hidden(snapshot)}"
            + ("; to reveal hidden messages, replay or discard those before them" if snapshot.hidden else "")
        )
    if len(found) > 1:
        ids = ", ".join(message.message_id for message in found)
        raise CliError(f"several dead-letter messages begin with {wanted}: {ids}; give more characters")
    return found[0]


def find_gone(ids: Collection[str], snapshot: QueueSnapshot, wanted: str) -> str | None:
    """Return which of these ids of former messages matches. None if it, or a replay of it, is still there."""
    for message in snapshot.messages:
        if message.message_id.startswith(wanted) or (message.replay_of or "").startswith(wanted):
            return None
    return next((known for known in ids if known.startswith(wanted)), None)


def hidden(snapshot: QueueSnapshot) -> str:
    """Say how many messages are hidden and why, in parentheses; an empty string if none is."""
    if not snapshot.hidden:
        return ""
    why = []
    if snapshot.elsewhere:
        why.append(f"{snapshot.elsewhere} are being received by someone else, which holds back those behind them")
    if BATCH in Counter(message.group for message in snapshot.messages).values():
        why.append("a FIFO queue shows only the first ten messages of an event")
    return f" ({snapshot.hidden} hidden{': ' if why else ''}{'; '.join(why)})"
