"""The rules: who gets a seat, who waits, who is refused, who moves up.

What holds after every decision, and so after every committed write:

1. confirmed <= capacity, unless capacity was lowered under it, and then no seat is given until it is below again;
2. the ledger counts what the registrations say;
3. nobody is confirmed past an earlier waiter;
4. one promotion per ticket at most;
5. statuses move only as `ALLOWED_TRANSITIONS` says, and generations only grow;
6. one active registration per (event, user);
7. the line never exceeds its limit, unless that was lowered under it.

How they are kept:

- **Settle first.** Before a `Register` is looked at, free seats go to the head of the line. So a newcomer whose message
  overtakes the `Promote` still cannot overtake the line. A settle that cannot be completed (too many promotions for
  one transaction, or a waiter whose record is not at hand) ends the decision there: the commands left are
  `undecided`, to be decided after what was decided is committed.
- **Commands are recognised by their generation.** `Register g` applies to an inactive record of generation g - 1 or to
  `pending` g; `Cancel g` applies to generation g. Anything else is a duplicate, a zombie or a replay, and changes
  nothing: `superseded`. A `Cancel g` that finds g still pending writes `cancelled` g, a fence for a `Register g` that
  comes later. While it is on its way the record says so (`cancelling`), and counts as inactive.
- **Each setting remembers its revision.** A `Configure` changes those of its settings that no later one has changed, so
  two of them come to the same in either order, and twice is the same as once.
- **A `Recount` is true of one version of the ledger**, and not for long. Where it stands in the queue means nothing.
- **Order is the ticket**, never a clock.

A refusal is a value here. An exception means that the command itself cannot be processed: `CommandFailed` names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import assert_never

from workers.domain.commands import Cancel, Command, Configure, Promote, Recount, Register
from workers.domain.decision import Decision, Outcome, Reason, Result
from workers.domain.records import EventStatus, Ledger, Registration, Status, remembering
from workers.domain.recount import recounted
from workers.domain.transitions import ALLOWED_TRANSITIONS, is_applicable

MAX_PROMOTIONS = 80
"""Promotions in one decision: with ten commands' records, the ledger and the event it stays below the 100 items that a
DynamoDB transaction takes."""


class CommandFailed(Exception):
    """A command that cannot be processed; those before it can (`index` of them), and those after it may."""

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
    """Decides the commands of one event, in order.

    `registrations` are the records that the commands name, and as many of those at the head of the line as are at hand;
    `now` is in microseconds since 1970. Raises CommandFailed when a command cannot be processed.
    """
    draft = _Draft(ledger, registrations, now, max_promotions)
    outcomes: list[Outcome] = []
    for index, command in enumerate(commands):
        try:
            if isinstance(command, Register | Promote) and not draft.settle():
                return draft.decision(outcomes, commands[index:])
            outcomes.append(draft.apply(command))
        except Exception as error:
            raise CommandFailed(index, command) from error
    return draft.decision(outcomes, ())


def sold_out(ledger: Ledger) -> Reason | None:
    """Why a newcomer is refused for want of room; None while there is room in the seats or in the line.

    Settles in thought first: who can be promoted leaves a place in the line, and takes a seat.
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

    def settle(self) -> bool:
        """Fills free seats from the head of the line; False if that could not be completed now."""
        while self._ledger.promotable:
            head = self._ledger.waitlist.offset
            record = self._by_ticket.get(head)
            if record is None or record.status is not Status.WAITLISTED or not self._promotions_left:
                return False
            self._promotions_left -= 1
            self._ledger = replace(
                self._ledger, confirmed=self._ledger.confirmed + 1, waitlist=self._ledger.waitlist.leave(head)
            )
            self._write(replace(record, status=Status.CONFIRMED, ticket=None), was=record)
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
        """What is to be written: every changed record, and the ledger, one version further."""
        registrations = tuple(
            replace(record, version=self._versions.get(key, 0) + 1) for key, record in self._changed.items()
        )
        ledger = self._before
        if registrations or self._ledger is not ledger:
            free_since = (self._free_since or self._now) if self._ledger.promotable else None
            ledger = replace(self._ledger, version=ledger.version + 1, free_since=free_since)
        seated = (record for record in registrations if record.status is Status.CONFIRMED)
        promoted = tuple(record for record in seated if (record.registration_id, record.generation) in self._promoted)
        configured = ledger.revisions != self._before.revisions
        return Decision(self._before, ledger, registrations, promoted, tuple(outcomes), tuple(undecided), configured)

    def _register(self, command: Register) -> Outcome:
        record = self._records.get(command.registration_id)
        if not is_applicable(record, command):
            return Outcome(command, Result.SUPERSEDED, Reason.STALE_GENERATION)
        status, reason = self._place()
        at = max(self._now, self._ledger.last_registered_at + 1)
        self._ledger = replace(self._ledger, last_registered_at=at)
        ticket = None
        if status is Status.CONFIRMED:
            self._ledger = replace(self._ledger, confirmed=self._ledger.confirmed + 1)
        elif status is Status.WAITLISTED:
            ticket = self._ledger.next_ticket
            self._ledger = replace(self._ledger, next_ticket=ticket + 1, waitlist=self._ledger.waitlist.join(ticket))
        new = Registration(
            event_id=command.event_id,
            user_id=command.user_id,
            status=status,
            generation=command.generation,
            version=0,
            registered_at=at,
            ticket=ticket,
            code=str(reason) if status is Status.REJECTED else None,
            post_keys=remembering(record.post_keys if record else (), command.key),
            delete_keys=record.delete_keys if record else (),
        )
        self._write(new, was=record)
        return Outcome(command, Result(status.value), reason)

    def _place(self) -> tuple[Status, Reason]:
        """What a newcomer gets. The line is settled: if anybody waits, every seat is taken."""
        ledger = self._ledger
        if ledger.settings.status is not EventStatus.ACTIVE:
            return Status.REJECTED, Reason.REGISTRATION_CLOSED
        if ledger.free_seats:
            return Status.CONFIRMED, Reason.SEAT_GIVEN
        refusal = sold_out(ledger)
        return (Status.REJECTED, refusal) if refusal else (Status.WAITLISTED, Reason.JOINED_WAITLIST)

    def _cancel(self, command: Cancel) -> Outcome:
        record = self._records.get(command.registration_id)
        if record is None or not is_applicable(record, command):
            return Outcome(command, Result.SUPERSEDED, Reason.STALE_GENERATION)
        reason = Reason.CANCELLED_BEFORE_DECISION
        if record.status is Status.CONFIRMED:
            self._ledger = replace(self._ledger, confirmed=self._ledger.confirmed - 1)
            reason = Reason.GAVE_UP_SEAT
        elif record.ticket is not None:
            self._ledger = replace(self._ledger, waitlist=self._ledger.waitlist.leave(record.ticket))
            reason = Reason.LEFT_WAITLIST
        cancelled = replace(
            record,
            status=Status.CANCELLED,
            cancelling=False,
            ticket=None,
            delete_keys=remembering(record.delete_keys, command.key),
            resent_at=None,
        )
        self._write(cancelled, was=record)
        return Outcome(command, Result.CANCELLED, reason)

    def _configure(self, command: Configure) -> Outcome:
        ledger = self._ledger.configured(command.changes, command.revision)
        if ledger is None:
            return Outcome(command, Result.SUPERSEDED, Reason.STALE_REVISION)
        self._ledger = ledger
        return Outcome(command, Result.CONFIGURED, Reason.SETTINGS_CHANGED)

    def _recount(self, command: Recount) -> Outcome:
        if self._ledger is not self._before or not command.holds(self._before, self._now):
            return Outcome(command, Result.SUPERSEDED, Reason.STALE_COUNT)
        self._ledger = recounted(self._ledger, command.count)
        return Outcome(command, Result.RECOUNTED, Reason.LEDGER_REWRITTEN)

    def _write(self, record: Registration, was: Registration | None) -> None:
        move = (was.status if was else None, record.status)
        if move not in ALLOWED_TRANSITIONS:
            raise ValueError(f"a registration does not move from {move[0]} to {move[1]}")
        self._records[record.registration_id] = self._changed[record.registration_id] = record
        if record.ticket is not None:
            self._by_ticket[record.ticket] = record
