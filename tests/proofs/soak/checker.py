"""A black-box checker: can a history and the final tables come from a service that keeps its promises?

It knows the contract and nothing about the implementation. It reports a violation only if no order of the requests
within their intervals, and no outcome of those without an answer, explains what was seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from tests.proofs.soak.history import CANCEL, CONFIGURE, READ, REGISTER, Exchange, FinalState
from tests.proofs.soak.person_history import (
    AT_REST,
    CANCELLED_MEANWHILE,
    WAITING,
    Absence,
    PersonHistory,
    Stay,
    View,
    done,
)
from tests.proofs.soak.seat_checker import SeatChecker, SettingsTimeline
from tests.support.rules import broken_rules
from workers.domain.records import Ledger, Registration, Status
from workers.domain.seat_settings import SeatSettings

_EXPECTED: dict[str, set[tuple[int, str | None]]] = {
    REGISTER: {(201, None), (202, None), (409, "already-registered"), (409, CANCELLED_MEANWHILE)}
    | {(409, code) for code in ("event-full", "waitlist-full", "registration-closed")},
    CANCEL: {(202, None), (204, None), (404, "not-registered")},
    READ: {(200, None), (404, "not-registered")},
    CONFIGURE: {(200, None), (202, None)},
}
"""The answers to each kind of request besides 503: status, and code if it is a refusal."""


def violations(history: Sequence[Exchange], final: FinalState) -> list[str]:
    """Return a sentence for each violation. `history` is in the order in which the requests began."""
    found = [*_answers(history), *final.unrest, *_records(final)]
    ours = [exchange for exchange in history if exchange.what != CONFIGURE]
    by_pair: dict[tuple[str, str], list[Exchange]] = defaultdict(list)
    for exchange in ours:
        by_pair[exchange.event, exchange.user].append(exchange)
    records = {(record.event_id, record.user_id): record for record in final.registrations}
    people = [PersonHistory(*pair, by_pair.get(pair, []), records.get(pair)) for pair in sorted({*by_pair, *records})]
    for event in sorted({exchange.event for exchange in history} | final.ledgers.keys()):
        own = [person for person in people if person.event == event]
        settings = SettingsTimeline([x for x in history if x.what == CONFIGURE and x.event == event])
        sentences = chain(
            chain.from_iterable(_person(person) for person in own),
            _order([stay for person in own for stay in person.stays]),
            SeatChecker(settings, own).violations([x for x in ours if x.event == event]),
            _tables(settings, final.ledgers.get(event), final.settings.get(event), [s.record for s in own if s.record]),
        )
        found += [f"{event}: {sentence}" for sentence in sentences]
    return found


def _answers(history: Iterable[Exchange]) -> Iterator[str]:
    for x in history:
        answer = (x.status, x.outcome if x.status >= 400 else None)
        if answer not in _EXPECTED[x.what] | {(0, None), (503, "overloaded")}:
            yield f"{x.event}: {x.what} was answered {x.status} {x.outcome or ''} (exchange {x.number})"


def _records(final: FinalState) -> Iterator[str]:
    pairs: dict[tuple[str, str], int] = defaultdict(int)
    for record in final.registrations:
        pairs[record.event_id, record.user_id] += 1
    for (event, user), number in pairs.items():
        if number > 1:
            yield f"{event}: {user} has {number} registrations"


def _person(person: PersonHistory) -> Iterator[str]:
    """Check the answers to one person against each other and against the final record."""
    for stay in person.stays:
        if not stay.asked:
            yield f"{stay} is registered, and nobody requested it, or not since it was cancelled"
        yield from _kept(stay)
        yield from _cancelled_for_good(stay)
    yield from _accepted(person)
    record, attempts = person.record, len(person.registers) + len(person.refused)
    if record is not None and record.generation > attempts:
        yield f"{person.user} has made {record.generation} attempts, but asked {attempts} times"
    for claim in person.already:
        if not person.may_be_alive(claim.start, claim.end):
            yield f"{person.user} was answered already-registered (exchange {claim.number}), and cannot have been"


def _kept(stay: Stay) -> Iterator[str]:
    """Check that an acknowledged registration is there until it is cancelled."""
    others = [view for other in stay.person.stays if other is not stay for view in other.views]
    gone: list[Absence | View] = [*stay.person.absences, *others]
    for absence in gone:
        before = stay.last_before(absence.start)
        if before is None:
            continue
        if isinstance(absence, View) and absence.registered_at < stay.registered_at:
            yield f"{stay} was there, and then an older registration again ({absence.source})"
        elif not stay.may_end(before.start, absence.end):
            what = "another registration took its place" if isinstance(absence, View) else "it was gone"
            yield f"{stay} was {before.status} ({before.source}), then {what} ({absence.source}), and nobody cancelled"
    for view in stay.views:
        if view.status == WAITING and stay.seated_by <= view.start:
            yield f"{stay} had a seat, and then waited ({view.source})"


def _cancelled_for_good(stay: Stay) -> Iterator[str]:
    for cancel in stay.person.certain_cancels:
        again = next((view for view in stay.views if view.start >= done(cancel)), None)
        if stay.known <= cancel.start and again is not None:
            yield f"{stay} was cancelled (exchange {cancel.number}), and is still {again.status} ({again.source})"


def _accepted(person: PersonHistory) -> Iterator[str]:
    """Check that a 202 has an outcome, which no earlier cancellation cancels."""
    for register in person.registers:
        if register.status != 202:
            continue
        # The 202 may be about the attempt of an earlier request, whose cancellation may have been on its way.
        earlier = min(other.start for other in person.registers)
        cancels = (
            q for q in person.cancels if q.end > register.start or (q.unknown and earlier < min(q.end, register.start))
        )
        if person.record is None or person.record.status is Status.PENDING:
            yield f"{person.user} was accepted (exchange {register.number}), and never got an outcome"
        elif person.record.status is Status.CANCELLED and not any(cancels):
            yield f"{person.user} was accepted (exchange {register.number}); it was cancelled, and nobody asked for it"


def _order(stays: Iterable[Stay]) -> Iterator[str]:
    """Check that requests are decided in order, and that nobody gets a seat ahead of an earlier waiter."""
    ordered = sorted(stays, key=lambda stay: stay.registered_at)
    yield from _decided_early(ordered)
    yield from _passed(ordered)
    yield from _places(ordered)


def _decided_early(ordered: Sequence[Stay]) -> Iterator[str]:
    """Compare each with the one that was accepted first among those decided after it."""
    first: Stay | None = None
    for stay in reversed(ordered):
        if first is not None and first.accepted < stay.origin:
            yield f"{stay} was requested after {first} was accepted, and decided before it"
        if first is None or stay.accepted < first.accepted:
            first = stay


def _passed(ordered: Sequence[Stay]) -> Iterator[str]:
    """Compare each with the one that waited longest among those decided before it."""
    waiter: Stay | None = None
    for stay in ordered:
        if waiter is not None and stay.seated_by < waiter.waits_until:
            yield f"{stay} got a seat while {waiter}, who came before, waited"
        if waiter is None or stay.waits_until > waiter.waits_until:
            waiter = stay


def _places(ordered: Sequence[Stay]) -> Iterator[str]:
    for number, stay in enumerate(ordered):
        for view in stay.views:
            ahead = sum(other.surely_waiting(view.start, view.end) for other in ordered[:number])
            if view.position is not None and view.position <= ahead:
                yield f"{stay} was shown position {view.position} behind {ahead} others ({view.source})"


def _tables(
    settings: SettingsTimeline, ledger: Ledger | None, of_event: SeatSettings | None, records: Sequence[Registration]
) -> Iterator[str]:
    """Check the final tables by themselves."""
    if ledger is None:
        if records:
            yield "there are registrations and no ledger"
        return
    yield from (f"in the tables it does not hold that {sentence}" for sentence in broken_rules(ledger, records))
    if ledger.promotable:
        yield "a seat is free, and somebody waits"
    if ledger.settings != of_event:
        yield f"the ledger says {ledger.settings}, and the event {of_event}"
    for name, value in settings.of(ledger.settings).items():
        possible = settings.possible(name, AT_REST, AT_REST)
        if value not in possible:
            yield f"{name} is {value}, and was last set to {' or '.join(map(str, possible))}"
