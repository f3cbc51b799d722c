"""The rules: who gets a seat, who waits, who is refused and who is promoted.

After every decision, and so after every committed write, these rules hold:

1. confirmed <= capacity, unless the capacity was lowered below it; then no seat is given until one is free;
2. the ledger counts what the registrations say;
3. nobody gets a seat ahead of someone who has waited longer;
4. each ticket is promoted at most once;
5. statuses change only along `ALLOWED_TRANSITIONS`, and generations only grow;
6. a user has at most one active registration for an event;
7. the waiting list never exceeds its capacity, unless that was lowered below its length.

They hold because:

- **Free seats are filled first.** Before a `Register` is decided, free seats go to the head of the waiting list. So a
  newcomer whose message overtakes the `Promote` still cannot overtake those who wait. If the seats cannot all be filled
  now (too many promotions for one transaction, or the record of a waiter is missing), the decision ends there. The
  remaining commands are `undecided`: they are decided after the commit of what was.
- **Generations identify commands.** `Register g` applies to an inactive record of generation g - 1, or to `pending` g;
  `Cancel g` applies to generation g. Everything else is a duplicate, a late delivery or a replay, and changes nothing:
  `superseded`. A `Cancel g` that finds g still pending writes `cancelled` g, a fence against a `Register g` that comes
  later. While that cancellation is on its way, the record is marked `cancelling` and counts as inactive.
- **Each setting has its own revision.** A `Configure` changes those of its settings that no later revision has changed.
  So the order of two such commands makes no difference, and neither does a repetition.
- **A `Recount` is true of one version of the ledger only**, and only for a while. Its place in the queue is irrelevant.
- **Tickets define the order**, never a clock.

A refusal is a value. An exception means that a command cannot be processed at all; `CommandFailed` says which.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import assert_never

from workers.domain.commands import Cancel, Command, Configure, Promote, Recount, Register
from workers.domain.decision import Decision, Outcome, Reason, Result
from workers.domain.records import Ledger, Registration, Status, remember_key
from workers.domain.seat_settings import EventStatus
from workers.domain.transitions import ALLOWED_TRANSITIONS, is_applicable

MAX_PROMOTIONS = 80
"""Promotions in one decision. With the records of ten commands, the ledger and the event it stays below the 100 items
that a DynamoDB transaction takes."""


class CommandFailed(Exception):
    """A command that cannot be processed. The `index` commands before it can, and those after it may."""

    def __init__(self, index: int, command: Command) -> None:
        super().__init__(f"{type(command).__name__} {command.command_id} cannot be processed")
        self.index = index
        self.command = command


def decide(
    ledger: Ledger,
    registrations: Iterable[Registration],
    commands: Sequence[Command],
    now: int,
    max_promotions: int = MAX_PROMOTIONS,
) -> Decision:
    """Decide the commands of one event, in order.

    `registrations` are the records that the commands name, and those at the head of the waiting list, as far as they
    could be read; `now` is in microseconds since 1970. Raises CommandFailed if a command cannot be processed.
    """
    draft = _Draft(ledger, registrations, now, max_promotions)
    outcomes: list[Outcome] = []
    for index, command in enumerate(commands):
        try:
            if isinstance(command, Register | Promote) and not draft.fill_free_seats():
                return draft.decision(outcomes, commands[index:])
            outcomes.append(draft.apply(command))
        except Exception as error:
            raise CommandFailed(index, command) from error
    return draft.decision(outcomes, ())


def early_refusal(ledger: Ledger) -> Reason | None:
    """Return why a newcomer can be refused without the queue; None while there is a seat or a place to wait.

    Counts as if free seats had been filled first: whoever can be promoted takes a seat and leaves a place behind.
    """
    moving_up = min(len(ledger.waitlist), ledger.free_seats) if ledger.promotable else 0
    limit = ledger.settings.waitlist_capacity
    place_left = limit is None or len(ledger.waitlist) - moving_up < limit
    if ledger.free_seats > moving_up or (ledger.settings.has_waitlist and place_left):
        return None
    if ledger.settings.status is not EventStatus.ACTIVE:
        return Reason.REGISTRATION_CLOSED
    return Reason.WAITLIST_FULL if ledger.settings.has_waitlist else Reason.EVENT_FULL


class _Draft:
    """The working copy of one event while a batch is decided."""

    def __init__(self, ledger: Ledger, records: Iterable[Registration], now: int, max_promotions: int) -> None:
        self._before = self._ledger = ledger
        self._now = now
        self._promotions_left = max_promotions
        self._records = {record.registration_id: record for record in records}
        self._by_ticket = {record.ticket: record for record in self._records.values() if record.ticket is not None}
        self._versions = {key: record.version for key, record in self._records.items()}
        self._changed: dict[str, Registration] = {}
        self._promoted: set[tuple[str, int]] = set()
        self._free_since = ledger.free_since

    def fill_free_seats(self) -> bool:
        """Promote from the head of the waiting list while a seat is free; False if that cannot be completed now."""
        while self._ledger.promotable:
            head = self._ledger.waitlist.offset
            record = self._by_ticket.get(head)
            if record is None or record.status is not Status.WAITLISTED or not self._promotions_left:
                return False
            self._promotions_left -= 1
            self._ledger = self._ledger.dequeue(head).take_seat()
            self._write(record.promote(), was=record)
            self._promoted.add((record.registration_id, record.generation))
        self._free_since = None
        return True

    def apply(self, command: Command) -> Outcome:
        match command:
            case Register():
                return self._register(command)
            case Cancel():
                return self._cancel(command)
            case Promote():
                moved = bool(self._promoted)
                result = Result.SETTLED if moved else Result.SUPERSEDED
                return Outcome(command, result, Reason.LINE_MOVED_UP if moved else Reason.NOTHING_TO_SETTLE)
            case Configure():
                return self._configure(command)
            case Recount():
                return self._recount(command)
            case _:
                assert_never(command)

    def decision(self, outcomes: Sequence[Outcome], undecided: Sequence[Command]) -> Decision:
        """Return what is to be written: every changed record, and the ledger, one version further."""
        registrations = tuple(
            replace(record, version=self._versions.get(key, 0) + 1) for key, record in self._changed.items()
        )
        ledger = self._before
        if registrations or self._ledger is not ledger:
            ledger = self._ledger.next_version(free_since=self._free_since or self._now)
        seated = (record for record in registrations if record.status is Status.CONFIRMED)
        promoted = tuple(record for record in seated if (record.registration_id, record.generation) in self._promoted)
        configured = ledger.revisions != self._before.revisions
        return Decision(self._before, ledger, registrations, promoted, tuple(outcomes), tuple(undecided), configured)

    def _register(self, command: Register) -> Outcome:
        record = self._records.get(command.registration_id)
        if not is_applicable(record, command):
            return Outcome(command, Result.SUPERSEDED, Reason.STALE_GENERATION)
        status, reason = self._place()
        self._ledger, registered_at = self._ledger.stamp(self._now)
        ticket = None
        if status is Status.CONFIRMED:
            self._ledger = self._ledger.take_seat()
        elif status is Status.WAITLISTED:
            self._ledger, ticket = self._ledger.enqueue()
        attempt = Registration(
            event_id=command.event_id,
            user_id=command.user_id,
            status=status,
            generation=command.generation,
            version=0,
            registered_at=registered_at,
            ticket=ticket,
            code=str(reason) if status is Status.REJECTED else None,
            post_keys=remember_key(record.post_keys if record else (), command.key),
            delete_keys=record.delete_keys if record else (),
        )
        self._write(attempt, was=record)
        return Outcome(command, Result(status.value), reason)

    def _place(self) -> tuple[Status, Reason]:
        """Return what a newcomer gets. Free seats are filled before: if anybody waits, every seat is taken."""
        if self._ledger.settings.status is not EventStatus.ACTIVE:
            return Status.REJECTED, Reason.REGISTRATION_CLOSED
        if self._ledger.free_seats:
            return Status.CONFIRMED, Reason.SEAT_GIVEN
        refusal = early_refusal(self._ledger)
        return (Status.REJECTED, refusal) if refusal else (Status.WAITLISTED, Reason.JOINED_WAITLIST)

    def _cancel(self, command: Cancel) -> Outcome:
        record = self._records.get(command.registration_id)
        if record is None or not is_applicable(record, command):
            return Outcome(command, Result.SUPERSEDED, Reason.STALE_GENERATION)
        reason = Reason.CANCELLED_BEFORE_DECISION
        if record.status is Status.CONFIRMED:
            self._ledger = self._ledger.release_seat()
            reason = Reason.GAVE_UP_SEAT
        elif record.ticket is not None:
            self._ledger = self._ledger.dequeue(record.ticket)
            reason = Reason.LEFT_WAITLIST
        self._write(record.cancel(command.key), was=record)
        return Outcome(command, Result.CANCELLED, reason)

    def _configure(self, command: Configure) -> Outcome:
        ledger = self._ledger.configure(command.changes, command.revision)
        if ledger is None:
            return Outcome(command, Result.SUPERSEDED, Reason.STALE_REVISION)
        self._ledger = ledger
        return Outcome(command, Result.CONFIGURED, Reason.SETTINGS_CHANGED)

    def _recount(self, command: Recount) -> Outcome:
        if self._ledger is not self._before or not command.is_valid_for(self._before, self._now):
            return Outcome(command, Result.SUPERSEDED, Reason.STALE_COUNT)
        self._ledger = self._ledger.recount(command.totals)
        return Outcome(command, Result.RECOUNTED, Reason.LEDGER_REWRITTEN)

    def _write(self, record: Registration, was: Registration | None) -> None:
        transition = (was.status if was else None, record.status)
        if transition not in ALLOWED_TRANSITIONS:
            raise ValueError(f"a registration does not move from {transition[0]} to {transition[1]}")
        self._records[record.registration_id] = self._changed[record.registration_id] = record
        if record.ticket is not None:
            self._by_ticket[record.ticket] = record
