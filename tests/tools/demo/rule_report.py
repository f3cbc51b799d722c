"""Was every rule kept? Each rule of the design, held against the tables and against what everybody was told.

The rules and their numbers are those of `workers.domain.decide`. What decides is not ours: the rules that can be read
off a ledger and its records (`tests.support.rules`), the checker of the soak, which knows what answers promise, and
the recount of `turnstile reconcile`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from infra.cli.reconcile.findings import LedgerFinding
from tests.proofs.soak.checker import violations
from tests.proofs.soak.history import Exchange, FinalState
from tests.support.rules import MOVES, broken_rules
from tests.tools.demo.monitor import Look
from workers.domain.records import Ledger, Registration, Status

_SENTENCES = {
    2: {"the ledger counts the confirmed", "the ledger's live tickets are those of the waiting"},
    3: {"nobody is confirmed past an earlier waiter", "tickets are in the order of decision"},
    6: {"nobody has two active registrations"},
}
"""Which sentence of `broken_rules` is about which rule; all others are about the tables as a whole."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """One rule: what it says, what was looked at, and what breaks it, in sentences."""

    rule: str
    looked_at: str
    broken: tuple[str, ...]

    @property
    def kept(self) -> bool:
        """True when nothing breaks it."""
        return not self.broken


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was seen of a day: looks at its event, requests and answers, the tables at rest, a recount."""

    event: str
    looks: Sequence[Look]
    history: Sequence[Exchange]
    final: FinalState
    recount: LedgerFinding

    @property
    def ledger(self) -> Ledger:
        """The event's ledger in the end. KeyError if there is none."""
        return self.final.ledgers[self.event]

    @property
    def records(self) -> list[Registration]:
        """The event's registrations in the end."""
        return [record for record in self.final.registrations if record.event_id == self.event]


def rulings(seen: Evidence) -> list[Ruling]:
    """A ruling for each rule, in the order of the design."""
    ledgers = [look.ledger for look in seen.looks if look.ledger is not None]
    tables = [look.registrations for look in seen.looks if look.registrations is not None]
    people = len(seen.records)
    said = broken_rules(seen.ledger, seen.records)
    other = [sentence for sentence in said if not any(sentence in known for known in _SENTENCES.values())]
    at_ledger, at_tables = f"{len(ledgers)} looks at the ledger", f"{len(tables)} looks at all registrations"
    in_the_end, asked = f"{people} registrations at rest", f"{len(seen.history)} requests and their answers"
    recounted = [*seen.recount.differences, *seen.recount.flaws]
    free = [f"{seen.recount.free_seats} seats are free beside somebody who waits"] if seen.recount.free_seats else []
    accounts = violations(seen.history, seen.final)
    return [
        _ruling("1 never more seats than there are", at_ledger, _overfull(ledgers)),
        _ruling("2 the ledger counts what the registrations say", in_the_end, [*_about(2, said), *recounted]),
        _ruling("3 nobody overtakes the line", in_the_end, _about(3, said)),
        _ruling("4 one promotion for each ticket", at_tables, _promoted_twice(tables)),
        _ruling("5 statuses move only where they may", at_tables, [*_strayed(tables), *other]),
        _ruling("6 nobody is there twice", in_the_end, [*_about(6, said), *_twice(seen.records)]),
        _ruling("7 the line is never too long", at_ledger, _overlong(ledgers)),
        _ruling("8 no free seat beside somebody who waits", "a recount of the event", free),
        _ruling("9 what was accepted has its outcome", asked, accounts),
        _ruling("10 the queues are empty", "the queues at rest", _left(seen.looks[-1])),
    ]


def _ruling(rule: str, looked_at: str, broken: Iterable[str]) -> Ruling:
    return Ruling(rule, looked_at, tuple(dict.fromkeys(broken)))


def _about(rule: int, said: Iterable[str]) -> list[str]:
    return [f"it does not hold that {sentence}" for sentence in said if sentence in _SENTENCES[rule]]


def _overfull(ledgers: Iterable[Ledger]) -> Iterator[str]:
    for ledger in ledgers:
        if ledger.confirmed > ledger.settings.capacity:
            yield f"{ledger.confirmed} had one of {ledger.settings.capacity} seats (version {ledger.version})"


def _overlong(ledgers: Iterable[Ledger]) -> Iterator[str]:
    for ledger in ledgers:
        limit = ledger.settings.waitlist_capacity
        if limit is not None and len(ledger.waitlist) > limit:
            yield f"{len(ledger.waitlist)} waited in a line for {limit} (version {ledger.version})"


def _pairs(tables: Sequence[Mapping[str, Registration]]) -> Iterator[tuple[Registration, Registration | None]]:
    """Each registration of each look but the last, and what the next look shows of it."""
    for before, after in pairwise(tables):
        for key, record in before.items():
            yield record, after.get(key)


def _promoted_twice(tables: Sequence[Mapping[str, Registration]]) -> Iterator[str]:
    """Counts, for each ticket that was seen, who left the line with it for a seat."""
    promoted = Counter(
        (old.ticket, old.registration_id, old.generation)
        for old, new in _pairs(tables)
        if new is not None and (old.status, new.status) == (Status.WAITLISTED, Status.CONFIRMED)
        if old.generation == new.generation
    )
    by_ticket = Counter(ticket for ticket, _, _ in promoted)
    again = [ticket for (ticket, _, _), times in promoted.items() if times > 1]
    for ticket in {*again, *(ticket for ticket, people in by_ticket.items() if people > 1)}:
        yield f"ticket {ticket} was worth more than one seat"


def _strayed(tables: Sequence[Mapping[str, Registration]]) -> Iterator[str]:
    for old, new in _pairs(tables):
        if new is None:
            yield f"{old.registration_id} disappeared"
        elif new.generation < old.generation:
            yield f"{old.registration_id} went back from attempt {old.generation} to {new.generation}"
        elif new.generation == old.generation and new.status != old.status and not _leads(old.status, new.status):
            yield f"{old.registration_id} moved from {old.status} to {new.status}"


def _leads(before: str, after: str) -> bool:
    """Whether moves that are allowed lead from one status to the other, over any number of them."""
    return after in MOVES[before] or any(_leads(between, after) for between in MOVES[before])


def _twice(records: Iterable[Registration]) -> Iterator[str]:
    for user, times in Counter(record.user_id for record in records).items():
        if times > 1:
            yield f"{user} has {times} registrations"


def _left(last: Look) -> Iterator[str]:
    if last.queue:
        yield f"{last.queue} messages are in the queue"
    if last.dead_letters:
        yield f"{last.dead_letters} dead letters are left"
