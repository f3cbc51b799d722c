"""Bugs in the rules: seats, the waiting list, generations, settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.proofs.simulation.seeded_bugs.registry import bug
from workers.domain.commands import Cancel, Command, Configure, Recount, Register
from workers.domain.decide import _Draft, early_refusal
from workers.domain.decision import Outcome, Reason, Result
from workers.domain.records import Ledger, Status, registration_id
from workers.domain.transitions import _register_applies, is_applicable
from workers.domain.waitlist import Waitlist

Place = tuple[Status, Reason]

CLOSED: Place = (Status.REJECTED, Reason.REGISTRATION_CLOSED)
FULL: Place = (Status.REJECTED, Reason.EVENT_FULL)
SEAT: Place = (Status.CONFIRMED, Reason.SEAT_GIVEN)

_fill_free_seats = _Draft.fill_free_seats
_clock = [0]


def _take_any_seat(_: object, ledger: Ledger) -> Ledger:
    return replace(ledger, confirmed=ledger.confirmed + 1)


def _had_seats(draft: _Draft) -> bool:
    return draft._ledger.confirmed < draft._before.settings.capacity


def _fill_only_for_others(original: Callable[[_Draft, Command], Outcome], self: _Draft, command: Command) -> Outcome:
    if not isinstance(command, Register):
        _fill_free_seats(self)
    return original(self, command)


def _skip_generations(original: Callable[[_Draft, Register], Outcome], self: _Draft, command: Register) -> Outcome:
    outcome, key = original(self, command), command.registration_id
    if outcome.result is not Result.SUPERSEDED and command.generation > 1:
        record = self._records[key]
        self._records[key] = self._changed[key] = replace(record, generation=record.generation + 1)
        if record.ticket is not None:
            self._by_ticket[record.ticket] = self._records[key]
    return outcome


def _keep_tickets_of_promoted(original: Callable[[_Draft], bool], self: _Draft) -> bool:
    before, done = self._ledger.waitlist, original(self)
    self._ledger = replace(self._ledger, waitlist=before)
    return done


def _keep_tickets_of_cancelled(original: Callable[[_Draft, Cancel], Outcome], self: _Draft, command: Cancel) -> Outcome:
    before, outcome = self._ledger.waitlist, original(self, command)
    self._ledger = replace(self._ledger, waitlist=before)
    return outcome


def _set_clock(original: Callable[[_Draft, Register], Outcome], self: _Draft, command: Register) -> Outcome:
    _clock[0] = self._now
    return original(self, command)


def _enqueue_by_clock(_: object, self: Ledger) -> tuple[Ledger, int]:
    tick = _clock[0] // 125_000  # a finer clock makes waiting lists too sparse to print
    ticket = next(number for number in range(tick, tick + 99) if number not in self.waitlist)
    waitlist = Waitlist.of({ticket, *self.waitlist})
    return replace(self, next_ticket=max(self.next_ticket, ticket + 1), waitlist=waitlist), ticket


def _lengthen(ledger: Ledger) -> Ledger:
    limit = ledger.settings.waitlist_capacity
    return replace(ledger, settings=ledger.settings.change({} if limit is None else {"waitlist_capacity": limit + 1}))


def _evict(original: Callable[[_Draft, Configure], Outcome], self: _Draft, command: Configure) -> Outcome:
    outcome = original(self, command)
    for record in [record for record in self._records.values() if record.status is Status.CONFIRMED]:
        if self._ledger.confirmed > self._ledger.settings.capacity:
            self._ledger = self._ledger.release_seat()
            self._write(replace(record, status=Status.CANCELLED), was=record)
    return outcome


def _recount_anyway(_: object, self: _Draft, command: Recount) -> Outcome:
    self._ledger = self._ledger.recount(command.totals)
    return Outcome(command, Result.RECOUNTED, Reason.LEDGER_REWRITTEN)


def _join_ids(original: Callable[[str, str], str], event_id: str, user_id: str) -> str:
    return original("", f"{event_id}-{user_id}")


DOMAIN = {
    "capacity-condition-dropped": bug(
        "everybody gets a seat", _Draft._place, lambda original, self: CLOSED if original(self) == CLOSED else SEAT
    ).also(Ledger.take_seat, _take_any_seat),
    "over-capacity-wraps-around": bug(
        "a capacity below what is taken counts as free seats",
        Ledger.free_seats,
        lambda _, self: abs(self.settings.capacity - self.confirmed),
        first=3,
    ),
    "settle-first-dropped": bug(
        "a newcomer is decided before free seats are filled", _Draft.fill_free_seats, lambda *_: True
    ).also(_Draft.apply, _fill_only_for_others),
    "generation-of-register-ignored": bug(
        "any Register applies to an inactive registration",
        _register_applies,
        lambda original, generation, record: original(generation, record) or bool(record and not record.is_active),
        first=4,
    ),
    "generation-of-cancel-ignored": bug(
        "any Cancel applies to an active registration",
        is_applicable,
        lambda original, record, command: (
            original(record, command) or bool(isinstance(command, Cancel) and record and record.is_active)
        ),
    ),
    "fence-dropped": bug(
        "a Cancel that finds its Register undecided does nothing",
        is_applicable,
        lambda original, record, command: (
            original(record, command)
            and not (isinstance(command, Cancel) and record is not None and record.status is Status.PENDING)
        ),
    ),
    "promote-twice": bug("a promoted waiter keeps their ticket", _Draft.fill_free_seats, _keep_tickets_of_promoted),
    "waiter-leaves-her-ticket": bug(
        "a waiter who cancels keeps their ticket", _Draft._cancel, _keep_tickets_of_cancelled
    ),
    "ticket-from-the-clock": bug(
        "a ticket is the time by the worker's clock, or the next free number", _Draft._register, _set_clock, first=17
    ).also(Ledger.enqueue, _enqueue_by_clock),
    "time-from-the-clock": bug(
        "the time of a decision is that of the worker's clock",
        Ledger.stamp,
        lambda _, self, now: (replace(self, last_registered_at=now), now),
    ),
    "line-one-too-long": bug(
        "the waiting list takes one more than its limit",
        early_refusal,
        lambda original, ledger: original(_lengthen(ledger)),
    ),
    "cancelled-event-promotes": bug(
        "a cancelled event promotes",
        Ledger.promotable,
        lambda _, self: bool(self.waitlist) and self.free_seats > 0,
        first=12,
    ),
    "capacity-cut-evicts": bug("lowering the capacity takes seats away", _Draft._configure, _evict, first=5),
    "revision-ignored": bug(
        "an older change of settings applies again",
        Ledger.configure,
        lambda original, self, changes, revision: (
            (changed := original(replace(self, revisions={}), changes, revision))
            and replace(changed, revisions={**self.revisions, **changed.revisions})
        ),
        first=3,
    ),
    "recount-of-any-version": bug(
        "a recount overwrites whatever ledger there is", _Draft._recount, _recount_anyway, first=16
    ),
    "registration-id-joined-with-a-dash": bug(
        "two pairs of event and user have one registration id", registration_id.__wrapped__, _join_ids
    ),
    "last-seat-refused": bug(
        "the last free seat is refused",
        _Draft._place,
        lambda original, self: FULL if original(self) == SEAT and self._ledger.free_seats == 1 else original(self),
    ),
    "closed-while-somebody-waits": bug(
        "the registrar answers registration-closed whenever somebody waits",
        _Draft._place,
        lambda original, self: CLOSED if self._ledger.waitlist else original(self),
    ),
    "line-without-a-waiting-list": bug(
        "people wait at an event without a waiting list",
        early_refusal,
        lambda original, ledger: original(replace(ledger, settings=ledger.settings.change({"has_waitlist": True}))),
    ),
    "seats-by-the-capacity-before": bug(
        "seats of one batch are given by the capacity before it",
        _Draft._place,
        lambda original, self: SEAT if _had_seats(self) and original(self) != CLOSED else original(self),
    ).also(Ledger.take_seat, _take_any_seat),
    "free-seats-by-the-capacity-before": bug(
        "while nobody waits, seats of one batch are given by the capacity before it",
        _Draft._place,
        lambda original, self: (
            SEAT if _had_seats(self) and not self._ledger.waitlist and original(self) != CLOSED else original(self)
        ),
    ).also(Ledger.take_seat, _take_any_seat),
    "generations-skipped": bug(
        "a Register is written with a later generation than its own", _Draft._register, _skip_generations
    ),
}
