"""Was every rule kept? Each rule of `workers.domain.decide`, checked against the tables and all responses.

The checks come from elsewhere: the rules that can be read off a ledger and its records (`tests.support.rules`), the
soak's checker, which knows what responses promise, and the recount of `turnstile reconcile`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from infra.cli.reconcile.findings import LedgerFinding
from tests.proofs.soak.checker import violations
from tests.proofs.soak.history import Exchange, FinalState
from tests.support.rules import MOVES, broken_rules
from tests.tools.demo.monitor import Observation
from workers.domain.records import Ledger, Registration

_SENTENCES = {
    2: {"the ledger counts the confirmed", "the ledger's live tickets are those of the waiting"},
    3: {"nobody is confirmed past an earlier waiter", "tickets are in the order of decision"},
    6: {"nobody has two active registrations", "times of decision differ"},
}
"""The rule of each sentence of `broken_rules`; all others belong to rule 5."""


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule: what it says, what it was checked against, and what breaks it, in sentences."""

    rule: str
    evidence: str
    broken: tuple[str, ...]

    @property
    def kept(self) -> bool:
        """True when nothing breaks it."""
        return not self.broken


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence of a day: observations, requests and responses, the final tables, a recount."""

    event: str
    observations: Sequence[Observation]
    history: Sequence[Exchange]
    final: FinalState
    recount: LedgerFinding

    @property
    def ledger(self) -> Ledger:
        """The event's final ledger. KeyError if there is none."""
        return self.final.ledgers[self.event]

    @property
    def records(self) -> list[Registration]:
        """The event's final registrations."""
        return [record for record in self.final.registrations if record.event_id == self.event]


def check_rules(seen: Evidence) -> list[RuleResult]:
    """Return the result of each rule, in the order of the design."""
    ledgers = [found.ledger for found in seen.observations if found.ledger is not None]
    tables = [found.registrations for found in seen.observations if found.registrations is not None]
    of_rule: dict[int, list[str]] = {2: [], 3: [], 5: [], 6: []}
    for sentence in broken_rules(seen.ledger, seen.records):
        number = next((number for number, known in _SENTENCES.items() if sentence in known), 5)
        of_rule[number].append(f"it does not hold that {sentence}")
    of_rule[2] += [*seen.recount.differences, *seen.recount.flaws]
    free = seen.recount.free_seats
    last = seen.observations[-1]
    at_ledger, at_tables = f"{len(ledgers)} observed ledgers", f"{len(tables)} observed tables"
    at_end, asked = f"{len(seen.records)} final registrations", f"{len(seen.history)} requests and their responses"
    checks: list[tuple[str, str, Iterable[str]]] = [
        ("1 no more confirmed than seats", at_ledger, _over_capacity(ledgers)),
        ("2 the ledger counts what the registrations say", at_end, of_rule[2]),
        ("3 nobody passes an earlier waiter", at_end, of_rule[3]),
        ("4 one promotion for each ticket", at_tables, _shared_tickets(tables)),
        ("5 statuses move only along the table of transitions", at_tables, [*_illegal_moves(tables), *of_rule[5]]),
        ("6 one active registration for each person", at_end, of_rule[6]),
        ("7 the waiting list is never too long", at_ledger, _over_waitlist_capacity(ledgers)),
        (
            "8 no free seat while somebody waits",
            "a recount",
            [f"{free} seats are free while somebody waits"] * bool(free),
        ),
        ("9 every accepted request has its outcome", asked, violations(seen.history, seen.final)),
        ("10 the queues are empty", "the queues in the end", _left(last.queue, last.dead_letters)),
    ]
    return [RuleResult(rule, evidence, tuple(dict.fromkeys(broken))) for rule, evidence, broken in checks]


def _over_capacity(ledgers: Iterable[Ledger]) -> Iterator[str]:
    for ledger in ledgers:
        if ledger.confirmed > ledger.settings.capacity:
            yield f"{ledger.confirmed} had one of {ledger.settings.capacity} seats (version {ledger.version})"


def _over_waitlist_capacity(ledgers: Iterable[Ledger]) -> Iterator[str]:
    for ledger in ledgers:
        limit = ledger.settings.waitlist_capacity
        if limit is not None and len(ledger.waitlist) > limit:
            yield f"{len(ledger.waitlist)} waited where {limit} may (version {ledger.version})"


def _shared_tickets(tables: Iterable[Mapping[str, Registration]]) -> Iterator[str]:
    """Yield tickets of several attempts. The table of transitions forbids a second promotion within an attempt."""
    attempts: dict[int, set[tuple[str, int]]] = {}
    for record in (record for table in tables for record in table.values()):
        if record.ticket is not None:
            attempts.setdefault(record.ticket, set()).add((record.registration_id, record.generation))
    for ticket, found in attempts.items():
        if len(found) > 1:
            yield f"ticket {ticket} was given {len(found)} times"


def _illegal_moves(tables: Sequence[Mapping[str, Registration]]) -> Iterator[str]:
    for before, after in pairwise(tables):
        for key, old in before.items():
            new = after.get(key)
            if new is None:
                yield f"{key} disappeared"
            elif new.generation < old.generation:
                yield f"{key} went back from attempt {old.generation} to {new.generation}"
            elif new.generation == old.generation and not _leads(old.status, new.status):
                yield f"{key} moved from {old.status} to {new.status}"


def _leads(before: str, after: str) -> bool:
    """Return whether allowed transitions lead from one status to the other, over any number of steps."""
    return before == after or any(_leads(between, after) for between in MOVES[before])


def _left(queue: int, dead_letters: int) -> Iterator[str]:
    if queue:
        yield f"{queue} messages are in the queue"
    if dead_letters:
        yield f"{dead_letters} dead letters are left"
