"""The rules that can be checked on one state, or on two successive ones; independent of `decide`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from workers.domain.records import Ledger, Registration, Status

MOVES = {
    "pending": {"confirmed", "waitlisted", "rejected", "cancelled"},
    "waitlisted": {"confirmed", "cancelled"},
    "confirmed": {"cancelled"},
    "rejected": set[str](),
    "cancelled": set[str](),
}
"""The transitions within one generation."""


def broken_rules(ledger: Ledger, records: Iterable[Registration]) -> list[str]:
    """Return the sentences that do not hold for an event's ledger and records."""
    found = list(records)
    confirmed = [record for record in found if record.status is Status.CONFIRMED]
    waiting = sorted((r for r in found if r.status is Status.WAITLISTED), key=lambda record: record.registered_at)
    tickets = [record.ticket for record in waiting]
    people = [record.user_id for record in found if record.is_active]
    # A fence and a discarded request keep the time of their pending record.
    standing = [r for r in found if r.status in {Status.CONFIRMED, Status.WAITLISTED, Status.REJECTED}]
    decided = [record.registered_at for record in standing if record.code != "discarded"]
    sentences = {
        "the ledger counts the confirmed": ledger.confirmed == len(confirmed),
        "the ledger's live tickets are those of the waiting": list(ledger.waitlist) == sorted(tickets, key=_as_number),
        "tickets are in the order of decision": tickets == sorted(tickets, key=_as_number),
        "a ticket was given before the next one": all((ticket or 0) < ledger.next_ticket for ticket in tickets),
        "nobody is confirmed past an earlier waiter": not confirmed
        or not waiting
        or max(record.registered_at for record in confirmed) < waiting[0].registered_at,
        "only who waits has a ticket": all((r.ticket is not None) == (r.status is Status.WAITLISTED) for r in found),
        "only a rejection has a code": all((r.code is not None) == (r.status is Status.REJECTED) for r in found),
        "only what an operator discarded has a note": all((r.note is None) == (r.code != "discarded") for r in found),
        "a promotable ledger says since when": ledger.promotable == (ledger.free_since is not None),
        "nobody has two active registrations": len(people) == len(set(people)),
        "times of decision differ": len(decided) == len(set(decided)),
        "nothing was decided after the ledger's last": max(decided, default=0) <= ledger.last_registered_at,
    }
    return [sentence for sentence, holds in sentences.items() if not holds]


def _as_number(ticket: int | None) -> int:
    return ticket or 0


def _noted(old: Registration, new: Registration) -> bool:
    """Return whether only the API's notes changed: a cancellation accepted while pending, keys, the last resend."""
    noted = replace(
        old,
        version=new.version,
        cancelling=new.cancelling,
        post_keys=new.post_keys,
        delete_keys=new.delete_keys,
        resent_at=new.resent_at,
    )
    return new.status is Status.PENDING and new == noted and new.cancelling >= old.cancelling


def illegal_moves(before: Mapping[str, Registration], after: Mapping[str, Registration]) -> list[str]:
    """Return the records with an illegal transition, over any number of commands."""
    wrong = []
    for key, new in after.items():
        old = before.get(key)
        if old == new:
            continue
        old_generation = old.generation if old else 0
        if new.generation == old_generation and old is not None:
            legal = _noted(old, new) or str(new.status) in MOVES[old.status]
        elif new.status is Status.PENDING:  # the API writes this alone, for the attempt after one that has ended
            ended = old is None or not old.is_active or (old.status is Status.PENDING and old.cancelling)
            legal = ended and new.generation == old_generation + 1
        else:
            legal = new.generation > old_generation
        grown = new.version == (old.version if old else 0) + 1
        if not (legal and grown):
            wrong.append(f"{old} -> {new}")
    return wrong + [f"{key} disappeared" for key in before.keys() - after.keys()]
