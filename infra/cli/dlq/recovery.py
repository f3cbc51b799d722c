"""Make messages visible again at the end of a run, or at the start of the next one if that end never came."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.cli.dlq.dead_letters import DeadLetterQueue
    from infra.cli.dlq.journal import Journal

TOO_MANY_EVENTS = "there are too many events to hold at once; select some with --event"
"""The reason to stop a run whose leases end faster than they can be extended."""


def recover(queue: DeadLetterQueue, journal: Journal) -> int:
    """Make received messages visible again, delete sent ones, and return the number of deleted messages.

    A run calls this at its end, and the next one does if that end never came. Expired receipt handles are dropped:
    their messages are visible again, and the sent ones are still in the journal.
    """
    handles = dict(journal.taken)
    queue.hide({message_id: handle for message_id, handle in handles.items() if message_id not in journal.sent}, 0)
    gone = queue.delete({message_id: handle for message_id, handle in handles.items() if message_id in journal.sent})
    journal.note_deleted(gone)
    journal.note_freed(handles)
    return len(gone)
