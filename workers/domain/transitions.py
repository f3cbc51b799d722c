"""How a registration moves from one status to the next, and which commands still move it.

A table of what may happen, and generations, by which a command is recognised that comes twice, late or out of a
dead-letter queue. Who gets a seat is decided elsewhere, in `workers.domain.decide`.
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
    (Status.WAITLISTED, Status.CONFIRMED): "any settle",
    (Status.WAITLISTED, Status.CANCELLED): "Cancel",
    (Status.CONFIRMED, Status.CANCELLED): "Cancel",
}
"""(from, to) -> what moves it. Moves out of None, rejected and cancelled begin a new generation, and so do those of the
next attempt out of a pending one whose cancellation is accepted; the others keep it."""

DISCARDED = "discarded"
"""The code of a registration whose request an operator threw away."""


def discarded(record: Registration | None, command: Command, why: str) -> Registration | None:
    """The registration as it must be written after an operator threw the command away; None if nothing is to be.

    Who was promised an answer gets one: a Register that never was decided, or the Cancel that is to end such a
    registration, leaves it rejected.
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
    """Whether the command would do something, decided now: as long as that is so, the same request, made again, comes
    to the same command."""
    if isinstance(command, Cancel):
        return record is not None and record.is_active and record.generation == command.generation
    return _register_applies(command.generation, record)


def _register_applies(generation: int, record: Registration | None) -> bool:
    if record is None:
        return generation == 1
    if record.status is Status.PENDING:
        # Whose cancellation is accepted is as good as cancelled, even if that command never gets here.
        return generation == record.generation + record.cancelling
    return not record.is_active and generation == record.generation + 1
