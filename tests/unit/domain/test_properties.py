"""The rules that may never break, in random histories: duplicates, delays, dead letters, replays, lagging views.

Everything is compared with the reference model after each write. `TURNSTILE_HYPOTHESIS=10000x100` asks for so many
histories of at most so many steps; without it there are 250 of 50.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import TypeVar

import pytest
from coverage import Coverage
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.support.builders import NOW, Book, cancel, change, outcomes, promote, register, users_of
from tests.support.reference_model import Attempt, ReferenceModel, attempts_of
from tests.support.rules import broken_rules, illegal_moves
from workers.domain.commands import Command, Promote, Register
from workers.domain.decision import Decision
from workers.domain.records import Registration, Status
from workers.domain.seat_settings import EventStatus, SeatChanges, SeatSettings

USERS = ("ann", "bob", "cid", "dee", "eve", "fay", "gus")
HALVES = (USERS[::2], USERS[1::2])
SECOND = 1_000_000
T = TypeVar("T")


@dataclass(frozen=True)
class Delivery:
    """One way to empty the queue: `size` messages at a time (0: not now), the first `twice` of them twice, `later` so
    many microseconds, by a registrar that promotes `most` in one decision and does not find `unseen` at first."""

    size: int = 10
    twice: int = 0
    most: int = 80
    unseen: tuple[str, ...] = ()
    later: int = SECOND


SOME_PEOPLE = [chosen for count in (1, 2, 3) for chosen in combinations(USERS, count)]
SOME_CHANGES = [
    *[SeatChanges(capacity=capacity) for capacity in (0, 1, 2, 3, 5)] * 3,
    *[SeatChanges(has_waitlist=True, waitlist_capacity=limit) for limit in (None, 0, 1, 3)],
    *[SeatChanges(capacity=capacity, status=status) for capacity in (1, 5) for status in EventStatus],
    *[SeatChanges(has_waitlist=False)] * 2,
    *[SeatChanges(capacity=1, has_waitlist=True, waitlist_capacity=None, status=EventStatus.ACTIVE)] * 3,
]
NOT_NOW = Delivery(size=0)
SOME_DELIVERIES = [
    Delivery(),
    *[
        NOT_NOW if size == 0 else Delivery(size, *how)
        for size, *how in product((10, 10, 10, 3, 0, 0, 0, 0), (0, 2), (80, 2, 1), ((), *HALVES), (0, SECOND, -SECOND))
    ],
]


def one_of(choices: Sequence[T]) -> st.SearchStrategy[T]:
    """One of many, drawn as one number: `sampled_from` would print them all, and many small draws would be slow."""

    def choice(number: int) -> T:
        return choices[number]

    return st.integers(0, len(choices) - 1).map(choice)


PEOPLE, CHANGES, DELIVERIES = one_of(SOME_PEOPLE), one_of(SOME_CHANGES), one_of(SOME_DELIVERIES)
INDEX = st.integers(0, 20)


class EventMachine(RuleBasedStateMachine):
    """One event: people come and go, the queue repeats itself, and the reference model says what must come of it.

    `times` has when each user was decided last, in microseconds since 1970.
    """

    def __init__(self) -> None:
        super().__init__()
        first = SeatSettings(1, has_waitlist=True)
        self.book, self.model = Book(first), ReferenceModel(first)
        self.times: dict[str, int] = {}
        self.free_since: int | None = None
        self.now = NOW
        self.queue: list[Command] = []
        self.dead: list[Command] = []
        self.decided: list[Command] = []
        self.seen: dict[str, Registration | None] = {}
        self.revision = 0

    @rule(users=PEOPLE, fate=st.sampled_from(["prompt", "late", "lost"]), then=DELIVERIES)
    def some_register(self, users: Sequence[str], fate: str, then: Delivery) -> None:
        """A few register. Late: their wait runs out; lost: so it does, and their commands are dead letters."""
        sent = self.requests(users)
        if fate == "lost":
            self.dead += sent
        else:
            self.queue += sent
        if fate != "prompt":
            for command in sent:
                self.the_wait_runs_out(command.user_id)
        self.a_batch_is_delivered(then)

    @rule(first=INDEX, then=DELIVERIES)
    def everybody_registers(self, first: int, then: Delivery) -> None:
        """Everybody without a place registers, in another order each time."""
        turn = first % len(USERS)
        self.queue += self.requests(USERS[turn:] + USERS[:turn])
        self.a_batch_is_delivered(then)

    def requests(self, users: Sequence[str]) -> list[Register]:
        """The API reads the records: Register for the generation seen + 1, or anew for the one pending."""
        sent = []
        for user in users:
            record = self.book.record(user)
            if may_register(record):
                self.seen[user] = record
                sent.append(register(user, record.generation + 1 if record else 1))
            elif record is not None and record.status is Status.PENDING:
                sent.append(register(user, record.generation))
        return sent

    @precondition(lambda self: self.seen)
    @rule(index=INDEX, then=DELIVERIES)
    def a_wait_runs_out(self, index: int, then: Delivery) -> None:
        """A wait runs out of somebody who may have been decided in the meantime."""
        self.the_wait_runs_out(list(self.seen)[index % len(self.seen)])
        self.a_batch_is_delivered(then)

    def the_wait_runs_out(self, user: str) -> None:
        """The API writes `pending`, on the condition that the record is still as it was when it was read."""
        record = self.seen.pop(user, None)
        if self.book.record(user) == record and may_register(record):
            generation = record.generation + 1 if record else 1
            self.book.put(user, Status.PENDING, generation)
            self.model.attempts[user] = Attempt("pending", generation)

    @rule(index=INDEX, then=DELIVERIES)
    def somebody_cancels(self, index: int, then: Delivery) -> None:
        """The API reads the record, and sends Cancel for the generation seen; one that is pending says so."""
        alive = [record for record in self.book.records.values() if record.is_active]
        alive.sort(key=lambda record: record.status is not Status.PENDING)
        if alive:
            record = alive[index % len(alive)]
            self.queue.append(cancel(record.user_id, record.generation))
            if record.status is Status.PENDING:
                marked = replace(record, version=record.version + 1, cancelling=True)
                self.book.records[record.registration_id] = marked
                self.model.attempts[record.user_id] = Attempt("cancelling", record.generation)
        self.a_batch_is_delivered(then)

    @rule(changes=CHANGES, then=DELIVERIES)
    def the_organiser_changes_seats(self, changes: SeatChanges, then: Delivery) -> None:
        """The organiser sends a Configure of some settings, with a new revision."""
        self.revision += 1
        self.queue.append(change(self.revision, **changes))
        self.a_batch_is_delivered(then)

    @precondition(lambda self: self.book.ledger.promotable)
    @rule(then=DELIVERIES)
    def the_promoter_runs(self, then: Delivery) -> None:
        """A Promote is sent while the ledger is promotable."""
        self.queue.append(promote(self.book.ledger.version))
        self.a_batch_is_delivered(then)

    @rule(index=INDEX, kind=st.sampled_from(["astray", "replay", "old"]), then=DELIVERIES)
    def the_queue_misbehaves(self, index: int, kind: str, then: Delivery) -> None:
        """A command ends in the dead-letter queue; what lies there comes back; or what was decided long ago does."""
        if kind == "astray" and self.queue:
            self.dead += self.queue[index % len(self.queue) :]
            self.queue = self.queue[: index % len(self.queue)]
        elif kind == "replay" or not self.decided:
            self.queue, self.dead = self.queue + self.dead, []
        else:
            self.old_commands_come(index)
        self.a_batch_is_delivered(then)

    def old_commands_come(self, index: int) -> None:
        """Some old commands are delivered again, in another order: once free seats are filled, they change nothing."""
        self.deliver([promote()])
        before = dict(self.book.records)
        self.deliver(self.decided[index % len(self.decided) :: -7][:5])
        assert self.book.records == before

    def a_batch_is_delivered(self, how: Delivery) -> None:
        """Deliver the next messages, some of them twice."""
        batch, self.queue = self.queue[: how.size], self.queue[how.size :]
        self.now += how.later
        if batch:
            self.deliver(batch + batch[: how.twice], how.unseen, how.most)
            self.decided += batch

    def deliver(self, batch: Sequence[Command], unseen: Collection[str] = (), most: int = 80) -> None:
        """Decide and write until nothing is undecided, as the registrar does; compare each write with the model."""
        named = {getattr(command, "user_id", None) for command in batch}
        hidden = set(unseen) - named
        left = tuple(batch)
        while left:
            records, ledger, model = dict(self.book.records), self.book.ledger, self.model
            before = dict(model.attempts), dict(model.revisions)
            self.model_decides(left, hidden, most)
            decision = self.book.deliver(*left, unseen=hidden, max_promotions=most, now=self.now)
            assert outcomes(decision) == model.outcomes
            assert set(users_of(decision.promoted)) == {u for u, seat in model.promoted if model.attempts[u] == seat}
            assert decision.changes_anything == (before != (model.attempts, model.revisions))
            assert tuple(outcome.command for outcome in decision.outcomes) + decision.undecided == left
            assert decision.before is ledger
            assert illegal_moves(records, self.book.records) == []
            self.check_seats(decision)
            self.check_state()
            assert decision.undecided != left or decision.changes_anything or hidden
            left = decision.undecided
            hidden = hidden if decision.changes_anything else set()

    def model_decides(self, batch: Sequence[Command], hidden: Collection[str], most: int) -> None:
        """Have the model decide a batch, and note the times of its decisions and since when seats have been free."""
        for _ in self.model.states(batch, lambda user: user not in hidden and len(self.model.promoted) < most):
            pass
        for command, (result, _) in zip(batch, self.model.outcomes, strict=False):
            if isinstance(command, Register) and result != "superseded":
                self.times[command.user_id] = max(self.now, max(self.times.values(), default=0) + 1)
            if isinstance(command, Register | Promote):
                self.free_since = None
        self.free_since = (self.free_since or self.now) if self.model.can_promote else None

    def check_seats(self, decision: Decision) -> None:
        """Never more confirmed than seats; where capacity was lowered under it, none more than there were."""
        if decision.configured:
            return
        assert decision.ledger.confirmed <= max(decision.ledger.settings.capacity, decision.before.confirmed)
        limit = decision.ledger.settings.waitlist_capacity
        joined = any(record.status is Status.WAITLISTED for record in decision.registrations)
        assert not joined or limit is None or len(decision.ledger.waitlist) <= limit

    def check_state(self) -> None:
        """No rule is broken, and ledger and records are what the model says, down to everybody's position."""
        ledger, model, records = self.book.ledger, self.model, self.book.records.values()
        assert broken_rules(ledger, records) == []
        assert attempts_of(records) == model.attempts
        assert {r.user_id: r.registered_at for r in records if r.user_id in self.times} == self.times
        places = {r.user_id: ledger.waitlist.position(r.ticket) for r in records if r.ticket is not None}
        assert places == {user: place for place, user in enumerate(model.waitlist, 1)}
        assert len(ledger.waitlist) == len(model.waitlist)
        assert (ledger.settings, ledger.revisions) == (model.settings, model.revisions)
        assert (ledger.confirmed, ledger.free_since) == (model.taken, self.free_since)

    def teardown(self) -> None:
        """At rest, no seat is free beside a waiter, and every request has its outcome."""
        self.queue += self.dead
        while self.queue:
            self.a_batch_is_delivered(Delivery())
        while self.book.ledger.promotable:
            self.deliver([promote(self.book.ledger.version)])
        assert not self.model.can_promote
        assert all(record.status is not Status.PENDING for record in self.book.records.values())


def may_register(record: Registration | None) -> bool:
    """Return whether a new attempt is possible."""
    return record is None or not record.is_active or record.cancelling


HISTORIES, HISTORY_STEPS = map(int, os.environ.get("TURNSTILE_HYPOTHESIS", "250x50").split("x"))
TestEventMachine = EventMachine.TestCase
TestEventMachine.settings = settings(
    max_examples=HISTORIES,
    stateful_step_count=HISTORY_STEPS,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],  # the machine may be busy
)


@pytest.fixture(scope="module", autouse=True)
def untraced() -> Iterator[None]:
    """Coverage is not measured here: it would double the time, and the examples go through the same lines."""
    tracer = Coverage.current()
    if tracer is not None:
        tracer.stop()
    yield
    if tracer is not None:
        tracer.start()
