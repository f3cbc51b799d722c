"""The transitions of a registration from one status to the next, and the commands that still cause them.

A table lists the allowed transitions. Generations identify commands that arrive twice, late or out of the dead-letter
queue. Who gets a seat is decided in `workers.domain.decide`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from workers.domain.commands import Cancel, Command, Register
from workers.domain.records import Registration, Status

ALLOWED_TRANSITIONS: Mapping[tuple[Status | None, Status], str] = {
    (None, Status.PENDING): "the API, when its wait runs out",
    (None, Status.CONFIRMED): "Register",
    (None, Status.WAITLISTED): "Register",
    (None, Status.REJECTED): "Register",
    (Status.REJECTED, Status.PENDING): "the API, when its wait runs out",
    (Status.REJECTED, Status.CONFIRMED): "Register",
    (Status.REJECTED, Status.WAITLISTED): "Register",
    (Status.REJECTED, Status.REJECTED): "Register",
    (Status.CANCELLED, Status.PENDING): "the API, when its wait runs out",
    (Status.CANCELLED, Status.CONFIRMED): "Register",
    (Status.CANCELLED, Status.WAITLISTED): "Register",
    (Status.CANCELLED, Status.REJECTED): "Register",
    (Status.PENDING, Status.PENDING): "the API, for the next attempt",
    (Status.PENDING, Status.CONFIRMED): "Register",
    (Status.PENDING, Status.WAITLISTED): "Register",
    (Status.PENDING, Status.REJECTED): "Register, or an operator's discard",
    (Status.PENDING, Status.CANCELLED): "Cancel (a fence)",
    (Status.WAITLISTED, Status.CONFIRMED): "a promotion",
    (Status.WAITLISTED, Status.CANCELLED): "Cancel",
    (Status.CONFIRMED, Status.CANCELLED): "Cancel",
}
"""(from, to) -> the cause. Transitions out of None, rejected or cancelled begin a new generation, and so does the next
attempt after a pending one whose cancellation was accepted. The others keep the generation."""

DISCARDED = "discarded"
"""The code of a registration whose command an operator discarded."""


def discarded(record: Registration | None, command: Command, why: str) -> Registration | None:
    """Return the registration to write after an operator discarded the command; None if there is nothing to write.

    A pending registration must not stay pending for ever. If its Register is discarded, or the Cancel that was to end
    it, it is rejected.
    """
    if record is None or record.status is not Status.PENDING:
        return None
    if not isinstance(command, Cancel if record.cancelling else Register):
        return None
    if (record.registration_id, record.generation) != (command.registration_id, command.generation):
        return None
    rejected = replace(record, status=Status.REJECTED, code=DISCARDED, note=why, version=record.version + 1)
    return replace(rejected, cancelling=False, resent_at=None)


def is_applicable(record: Registration | None, command: Register | Cancel) -> bool:
    """Return whether the command would change anything if it were decided now.

    As long as that is so, repeating the request repeats the same command.
    """
    if isinstance(command, Cancel):
        return record is not None and record.is_active and record.generation == command.generation
    return _register_applies(command.generation, record)


def _register_applies(generation: int, record: Registration | None) -> bool:
    if record is None:
        return generation == 1
    if record.status is Status.PENDING:
        # With an accepted cancellation it counts as cancelled, even if that command never arrives.
        return generation == record.generation + record.cancelling
    return not record.is_active and generation == record.generation + 1
