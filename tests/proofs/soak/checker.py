"""The checker: finds out whether a history and the tables in the end can come from a service that keeps its rules.

It knows the contract and nothing of how it is kept. A violation is reported only if no order of the requests within
their intervals, and no fate of those whose answer is unknown, explains what was seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from tests.proofs.soak.evidence import AT_REST, WAITING, Absence, Stint, Story, View, done
from tests.proofs.soak.history import CANCEL, CONFIGURE, READ, REGISTER, Exchange, FinalState
from tests.proofs.soak.seats import Seats, Settings
from tests.support.rules import broken_rules
from workers.domain.records import Ledger, Registration, Status
from workers.domain.seat_settings import SeatSettings

_EXPECTED: dict[str, set[tuple[int, str | None]]] = {
    REGISTER: {(201, None), (202, None), (409, "already-registered")}
    | {(409, code) for code in ("event-full", "waitlist-full", "registration-closed")},
    CANCEL: {(202, None), (204, None), (404, "not-registered")},
    READ: {(200, None), (404, "not-registered")},
    CONFIGURE: {(200, None), (202, None)},
}
"""The answers that a request here can have besides 503, by status, and code if it is a refusal."""


def violations(history: Sequence[Exchange], final: FinalState) -> list[str]:
    """What cannot be, a sentence each; empty when all is well. `history` is in the order in which requests began."""
    found = [*_answers(history), *final.unrest, *_records(final)]
    ours = [exchange for exchange in history if exchange.what != CONFIGURE]
    by_pair: dict[tuple[str, str], list[Exchange]] = defaultdict(list)
    for exchange in ours:
        by_pair[exchange.event, exchange.user].append(exchange)
    records = {(record.event_id, record.user_id): record for record in final.registrations}
    stories = [Story(*pair, by_pair.get(pair, []), records.get(pair)) for pair in sorted({*by_pair, *records})]
    for event in sorted({exchange.event for exchange in history} | final.ledgers.keys()):
        own = [story for story in stories if story.event == event]
        settings = Settings([x for x in history if x.what == CONFIGURE and x.event == event])
        sentences = chain(
            chain.from_iterable(_story(story) for story in own),
            _order([stint for story in own for stint in story.stints]),
            Seats(settings, own).violations([x for x in ours if x.event == event]),
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
            yield f"{event}: {user} is there {number} times"


def _story(story: Story) -> Iterator[str]:
    """What one person was told, and what became of her."""
    for stint in story.stints:
        if not stint.asked:
            yield f"{stint} is registered, but nobody asked for it, or not since it was cancelled"
        yield from _kept(stint)
        yield from _cancelled_for_good(stint)
    yield from _accepted(story)
    record, attempts = story.record, len(story.asks) + len(story.refused)
    if record is not None and record.generation > attempts:
        yield f"{story.user} has made {record.generation} attempts, but asked {attempts} times"
    for claim in story.already:
        if not story.may_be_alive(claim.start, claim.end):
            yield f"{story.user} was told that she is registered (exchange {claim.number}), and cannot have been"


def _kept(stint: Stint) -> Iterator[str]:
    """What was acknowledged is there until it is cancelled."""
    others = [view for other in stint.story.stints if other is not stint for view in other.views]
    gone: list[Absence | View] = [*stint.story.absences, *others]
    for absence in gone:
        before = stint.last_before(absence.start)
        if before is None:
            continue
        if isinstance(absence, View) and absence.registered_at < stint.registered_at:
            yield f"{stint} was there, and then an older registration again ({absence.source})"
        elif not stint.may_end(before.start, absence.end):
            what = "another registration took its place" if isinstance(absence, View) else "it was gone"
            yield f"{stint} was {before.status} ({before.source}), then {what} ({absence.source}), and nobody cancelled"
    for view in stint.views:
        if view.status == WAITING and stint.seated_by <= view.start:
            yield f"{stint} had a seat, and then waited ({view.source})"


def _cancelled_for_good(stint: Stint) -> Iterator[str]:
    for quit_ in stint.story.certain_quits:
        again = next((view for view in stint.views if view.start >= done(quit_)), None)
        if stint.known <= quit_.start and again is not None:
            yield f"{stint} was cancelled (exchange {quit_.number}), and is still {again.status} ({again.source})"


def _accepted(story: Story) -> Iterator[str]:
    """A 202 promises an outcome, and no cancellation by a Cancel that was accepted before."""
    for ask in story.asks:
        if ask.status != 202:
            continue
        # She may have been told of the attempt of an earlier ask. A Cancel of that one may still have been on its way.
        earlier = min(other.start for other in story.asks)
        quits = (q for q in story.quits if q.end > ask.start or (q.unknown and earlier < min(q.end, ask.start)))
        if story.record is None or story.record.status is Status.PENDING:
            yield f"{story.user} was accepted (exchange {ask.number}), and never got an outcome"
        elif story.record.status is Status.CANCELLED and not any(quits):
            yield f"{story.user} was accepted (exchange {ask.number}), and is cancelled, which nobody asked for since"


def _order(stints: Iterable[Stint]) -> Iterator[str]:
    """Who came first is decided first, and nobody gets a seat past somebody who waits."""
    ordered = sorted(stints, key=lambda stint: stint.registered_at)
    yield from _decided_early(ordered)
    yield from _passed(ordered)
    yield from _places(ordered)


def _decided_early(ordered: Sequence[Stint]) -> Iterator[str]:
    """Compares each with the one that was accepted first among those decided after it."""
    first: Stint | None = None
    for stint in reversed(ordered):
        if first is not None and first.accepted < stint.origin:
            yield f"{stint} asked after {first} had been accepted, and was decided before"
        if first is None or stint.accepted < first.accepted:
            first = stint


def _passed(ordered: Sequence[Stint]) -> Iterator[str]:
    """Compares each with the one that waited longest among those decided before it."""
    patient: Stint | None = None
    for stint in ordered:
        if patient is not None and stint.seated_by < patient.waits_until:
            yield f"{stint} got a seat while {patient}, who was before, waited"
        if patient is None or stint.waits_until > patient.waits_until:
            patient = stint


def _places(ordered: Sequence[Stint]) -> Iterator[str]:
    for number, stint in enumerate(ordered):
        for view in stint.views:
            ahead = sum(other.surely_waiting(view.start, view.end) for other in ordered[:number])
            if view.position is not None and view.position <= ahead:
                yield f"{stint} was told place {view.position}, with {ahead} before her ({view.source})"


def _tables(
    settings: Settings, ledger: Ledger | None, of_event: SeatSettings | None, records: Sequence[Registration]
) -> Iterator[str]:
    """What the tables say in the end, by itself."""
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
