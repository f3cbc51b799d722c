"""The rules that may never break, in random histories: duplicates, delays, dead letters, replays, lagging views."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.support.builders import NOW, Book, cancel, configure, promote, register
from tests.support.rules import broken_rules, illegal_moves
from tests.unit.domain.model import Model
from workers.domain.commands import Command, Promote
from workers.domain.decide import Decision
from workers.domain.records import EventStatus, Registration, SeatChanges, SeatSettings, Status

NAMES = ("capacity", "has_waitlist", "waitlist_capacity", "status")
USERS = ("ann", "bob", "cid", "dee", "eve", "fay", "gus")
SETTINGS = st.builds(
    SeatSettings,
    st.integers(0, 4),
    st.sampled_from([True, True, False]),
    st.sampled_from([None, None, 0, 1, 3]),
    st.sampled_from([EventStatus.ACTIVE] * 4 + [EventStatus.CLOSED, EventStatus.CANCELLED]),
)


class Event(RuleBasedStateMachine):
    """One event: people come and go, the queue repeats itself, and a simple model says what must come of it."""

    def __init__(self) -> None:
        super().__init__()
        first = SeatSettings(1, has_waitlist=True)
        self.book, self.model = Book(first), Model(first)
        self.queue: list[Command] = []
        self.dead: list[Command] = []
        self.decided: list[Command] = []
        self.seen: dict[str, tuple[Registration | None, int]] = {}
        self.revision = 0

    @rule(users=st.lists(st.sampled_from(USERS), min_size=1, max_size=5))
    def some_register(self, users: list[str]) -> None:
        """The API reads the record, and sends Register for the generation seen + 1."""
        for user in users:
            record = self.book.record(user)
            if record is None or record.status not in {Status.CONFIRMED, Status.WAITLISTED}:
                pending = record is not None and record.status is Status.PENDING
                generation = (record.generation if record else 0) + (0 if pending else 1)
                self.seen[user] = (record, generation)
                self.queue.append(register(user, generation))

    @rule(user=st.sampled_from(USERS))
    def the_wait_runs_out(self, user: str) -> None:
        """The API writes `pending`, on the condition that the record is still as it was when it was read."""
        record, generation = self.seen.get(user, (None, 0))
        if generation and self.book.record(user) == record and (record is None or not record.alive):
            self.book.put(user, Status.PENDING, generation)
            self.model.state[user] = ("pending", generation)

    @rule(users=st.lists(st.sampled_from(USERS), min_size=1, max_size=2))
    def some_cancel(self, users: list[str]) -> None:
        """The API reads the record, and sends Cancel for the generation seen."""
        for user in users:
            record = self.book.record(user)
            if record is not None and record.alive:
                self.queue.append(cancel(user, record.generation))

    @rule(new=SETTINGS, names=st.sets(st.sampled_from(NAMES), min_size=1))
    def the_organiser_changes_seats(self, new: SeatSettings, names: set[str]) -> None:
        """A Configure of some settings, with a revision of its own."""
        self.revision += 1
        every = configure(self.revision, new)
        some = {name: value for name, value in every.changes.items() if name in names}
        self.queue.append(replace(every, changes=cast("SeatChanges", some)))

    @precondition(lambda self: self.queue)
    @rule(index=st.integers(0, 20))
    def a_command_goes_astray(self, index: int) -> None:
        """A command ends in the dead-letter queue."""
        self.dead.append(self.queue.pop(index % len(self.queue)))

    @precondition(lambda self: self.dead)
    @rule()
    def an_operator_replays(self) -> None:
        """What lies in the dead-letter queue comes back, late."""
        self.queue += self.dead
        self.dead = []

    @precondition(lambda self: self.queue)
    @rule(
        size=st.sampled_from([10, 10, 10, 3, 1]), double=st.booleans(), most=st.sampled_from([1, 2, 80]), data=st.data()
    )
    def a_batch_is_delivered(self, size: int, double: bool, most: int, data: st.DataObject) -> None:
        """The next messages, some twice, decided with few promotions at a time and an index that lags at first."""
        batch, self.queue = self.queue[:size], self.queue[size:]
        if double:
            batch = batch + data.draw(st.lists(st.sampled_from(batch), max_size=3))
        unseen = data.draw(st.sets(st.sampled_from(USERS), max_size=3))
        self.deliver(batch, unseen, most)

    @precondition(lambda self: self.decided)
    @rule(data=st.data())
    def a_worker_comes_back_from_the_dead(self, data: st.DataObject) -> None:
        """Commands decided long ago are delivered again, in any order: with the line settled they change nothing."""
        self.deliver([promote()])
        zombies = data.draw(st.lists(st.sampled_from(self.decided), min_size=1, max_size=10))
        before = dict(self.book.records)
        self.deliver(zombies)
        assert self.book.records == before

    @precondition(lambda self: self.book.ledger.promotable)
    @rule()
    def the_bell_rings(self) -> None:
        """The ledger says that the line can move: a Promote is sent."""
        self.queue.append(promote(self.book.ledger.version))

    def deliver(self, batch: list[Command], unseen: set[str] | None = None, most: int = 80) -> None:
        """Decides and writes until nothing is undecided, as the registrar does; holds it against the model."""
        expected = [self.model.apply(command) for command in batch]
        named = {getattr(command, "user_id", None) for command in batch}
        hidden = (unseen or set()) - named
        left = tuple(batch)
        came_of_it: list[str] = []
        while left:
            before, was = dict(self.book.records), self.book.ledger
            decision = self.book.deliver(*left, unseen=hidden, max_promotions=most, now=NOW)
            assert illegal_moves(before, self.book.records) == []
            self.check_seats(decision, was.confirmed)
            came_of_it += [
                "promote" if isinstance(outcome.command, Promote) else str(outcome.result)
                for outcome in decision.outcomes
            ]
            assert [o.command for o in decision.outcomes] + list(decision.undecided) == list(left)
            assert decision.undecided != left or decision.changes_anything or hidden
            left = decision.undecided
            hidden = hidden if decision.changes_anything else set()
        assert came_of_it == expected
        self.decided += batch

    def check_seats(self, decision: Decision, before: int) -> None:
        """Never more confirmed than seats; where capacity was lowered under it, none more than there were."""
        capacity = decision.ledger.settings.capacity
        if not decision.configured:
            assert decision.ledger.confirmed <= max(capacity, before)
        limit = decision.ledger.settings.waitlist_capacity
        joined = [r for r in decision.registrations if r.status is Status.WAITLISTED]
        if joined and not decision.configured and limit is not None:
            assert len(decision.ledger.line) <= limit

    @invariant()
    def no_rule_is_broken(self) -> None:
        """Ledger and records agree, and are what the model says."""
        assert broken_rules(self.book.ledger, self.book.records.values()) == []
        state = {r.user_id: (str(r.status), r.generation) for r in self.book.records.values()}
        assert state == self.model.state
        assert self.book.line() == self.model.line
        assert (self.book.ledger.settings, self.book.ledger.revisions) == (self.model.settings, self.model.revisions)

    def teardown(self) -> None:
        """At rest, no seat is free beside a waiter, and every wish has found its answer."""
        self.an_operator_replays()
        while self.queue:
            self.deliver(self.queue[:10])
            self.queue = self.queue[10:]
        while self.book.ledger.promotable:
            self.deliver([promote(self.book.ledger.version)])
        self.no_rule_is_broken()
        assert not self.model.can_settle
        assert all(record.status is not Status.PENDING for record in self.book.records.values())


TestEvent = Event.TestCase
TestEvent.settings = settings(max_examples=100, stateful_step_count=40, deadline=None, database=None)


def test_the_model_notices_a_skipped_line() -> None:
    """The proof of the proof: a book in which somebody jumped the line breaks a rule."""
    book = Book(SeatSettings(1, has_waitlist=True))
    book.fill("ann", "bob", "cid")
    jumped = replace(book.records[register("cid").registration_id], status=Status.CONFIRMED, ticket=None)
    book.records[jumped.registration_id] = jumped
    assert "nobody is confirmed past an earlier waiter" in broken_rules(book.ledger, book.records.values())
