"""The rules that may never break, checked after every committed write.

They know the formats of the tables and the meaning of commands, but not how `decide` works.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from tests.proofs.simulation.message_log import Batch
from tests.proofs.simulation.state_history import EventHistory, came_of
from tests.support.reference_model import STALE, Attempt, ReferenceModel, applies, attempt_of, attempts_of
from tests.support.rules import broken_rules, illegal_moves
from workers.aws.items import Item, ledger_from_event, ledger_from_item, registration_from_item
from workers.domain.commands import Cancel, Configure, Register
from workers.domain.records import Ledger, Registration, Status
from workers.domain.transitions import DISCARDED

if TYPE_CHECKING:
    from tests.proofs.simulation.dynamodb.fake import Change
    from tests.proofs.simulation.simulation import Simulation

OVERSOLD = "1: no seat is given beyond the capacity"
MISCOUNTED = "2: the ledger counts the registrations"
JUMPED = "3: nobody is confirmed past an earlier waiter"
TICKETS = "4: the waiting list has the tickets of those who wait"
MOVES = "5: statuses change along the table, generations grow"
ONE = "6: a registration belongs to one person at one event"
CLOSED = "nobody joins a closed or cancelled event"
WAITLIST_FULL = "7: the waiting list keeps its limit"
NO_WAITLIST = "nobody waits at an event without a waiting list"
REFUSED = "nobody is refused while there is room"
SERIAL = "a batch has the result of its commands one after the other"
UNASKED = "nothing is done without a request"
OVERTAKEN = "the order of a group of the queue is kept"


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken rule: where, and when in microseconds since 1970."""

    rule: str
    detail: str
    at: int


@dataclass(slots=True)
class Commit:
    """The changes of one event by a committed write."""

    before: Ledger
    after: Ledger
    changed: dict[str, tuple[Registration | None, Registration]]


class InvariantChecker:
    """Checks the rules while a simulation runs."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim

    def opened(self, event: Item) -> None:
        """Start the history of a new event, which has no ledger yet."""
        ledger = ledger_from_event(event)
        now = self._sim.scheduler.now
        self._sim.histories[ledger.event_id] = EventHistory(
            ledger.event_id, ledger, ledgers=[(now, ledger)], titles=[(now, event["title"]["S"])]
        )

    def wrote(self, changes: list[Change]) -> None:
        """Check a committed write."""
        commits: dict[str, Commit] = {}
        tables = self._sim.tables
        for change in changes:
            if change.table == tables.ledger:
                self._ledger_changed(commits, change)
            elif change.table == tables.registrations:
                self._record_changed(commits, change)
            elif change.table == tables.events:
                history = self._sim.histories[change.after["eventId"]["S"]]
                history.titles.append((self._sim.scheduler.now, change.after["title"]["S"]))
        for event_id, commit in commits.items():
            self._check(self._sim.histories[event_id], commit)

    def _commit(self, commits: dict[str, Commit], event_id: str) -> Commit:
        history = self._sim.histories[event_id]
        return commits.setdefault(event_id, Commit(history.ledger, history.ledger, {}))

    def _ledger_changed(self, commits: dict[str, Commit], change: Change) -> None:
        ledger = ledger_from_item(change.after)
        commit = self._commit(commits, ledger.event_id)
        if ledger.version != commit.before.version + 1:
            self._sim.broken(MISCOUNTED, f"ledger version {commit.before.version} -> {ledger.version}")
        commit.after = ledger

    def _record_changed(self, commits: dict[str, Commit], change: Change) -> None:
        record = registration_from_item(change.after)
        key = change.after["registrationId"]["S"]
        own = self._sim.histories.get(record.event_id)
        before = own.records.get(key) if own is not None else None
        if key != _own_id(record):
            self._sim.broken(ONE, f"{key} is not the id of {record.user_id} at {record.event_id}")
        others = [history.event_id for history in self._sim.histories.values() if key in history.records]
        if (others and others != [record.event_id]) or (before is not None and before.user_id != record.user_id):
            self._sim.broken(ONE, f"{key} was {others}, is {record.event_id} {record.user_id}")
            return
        if own is None:
            self._sim.broken(UNASKED, f"{record}: there is no such event")
            return
        self._commit(commits, record.event_id).changed[key] = (before, record)

    def _check(self, history: EventHistory, commit: Commit) -> None:
        sim, now = self._sim, self._sim.scheduler.now
        was, batches = dict(history.records), sim.messages.batches(history.event_id)
        history.records |= {key: after for key, (_, after) in commit.changed.items()}
        for sentence in illegal_moves({k: was[k] for k in commit.changed if k in was}, _after(commit)):
            sim.broken(MOVES, sentence)
        if commit.after is not commit.before:
            for sentence in broken_rules(commit.after, history.records.values()):
                sim.broken(_RULES.get(sentence, MISCOUNTED), f"{history.event_id}: {sentence}")
            self._check_seats(history, commit, batches)
            self._check_order(history, was, {key for batch in batches for key, _ in batch.commands})
            history.ledger = commit.after
            history.ledgers.append((now, commit.after))
        elif not all(after.status is Status.PENDING or after.code == DISCARDED for after in _after(commit).values()):
            sim.broken(MISCOUNTED, f"{history.event_id}: decided without the ledger")
        for key, (before, after) in commit.changed.items():
            self._check_asked(key, before, after)
            history.states.setdefault(key, []).append((now, after))
        if commit.after is not commit.before:
            self._check_against_model(history, commit, attempts_of(was.values()), batches)

    def _check_against_model(
        self, history: EventHistory, commit: Commit, was: Mapping[str, Attempt], batches: list[Batch]
    ) -> None:
        """Compare what was written with the reference model's states while it processes the batch.

        The registrar may stop anywhere in a batch: the index lags, a command is undecodable, a transaction is full.
        """
        before, after, records = commit.before, commit.after, history.records.values()
        waiting = sorted((r.ticket, r.user_id) for r in records if r.ticket is not None)
        has = after.settings, after.revisions, attempts_of(records), [user for _, user in waiting]
        decided: dict[tuple[str, int], tuple[str, str]] = {}
        for commands in (commands for batch in batches for commands in batch.decided(self._sim.parked)):
            model = ReferenceModel(before.settings, dict(before.revisions), dict(was), list(history.waitlist))
            for _ in model.states(commands):
                if (model.settings, model.revisions, model.attempts, model.waitlist) == has:
                    history.waitlist = model.waitlist
                    return
            for command, outcome in zip(commands, model.outcomes, strict=True):
                if isinstance(command, Register) and outcome != STALE:
                    decided[command.registration_id, command.generation] = outcome
        for key, (_, record) in commit.changed.items():
            should = decided.get((key, record.generation))
            if should is not None and (rule := _rule_broken_by(record, should)) is not None:
                self._sim.broken(rule, f"{history.event_id}: {record}; by the model it is {should}")
        self._sim.broken(SERIAL, f"{history.event_id}: {commit} in {batches}")

    def _check_seats(self, history: EventHistory, commit: Commit, batches: list[Batch]) -> None:
        commands = (command for batch in batches for _, command in batch.commands)
        configures = (command for command in commands if isinstance(command, Configure))
        given = [key for key, (before, after) in commit.changed.items() if _seated(after) and not _seated(before)]
        asked = max((command.changes.get("capacity", 0) for command in configures), default=0)
        allowed = max(commit.before.settings.capacity, commit.after.settings.capacity, asked)
        taken = sum(map(_seated, history.records.values()))
        if given and taken > allowed:
            self._sim.broken(OVERSOLD, f"{history.event_id}: {taken} seats taken of {allowed}")

    def _check_asked(self, key: str, before: Registration | None, after: Registration) -> None:
        """Check that somebody who comes or goes has requested it, in this attempt."""
        asked_for, goes = self._sim.messages.asked_for, after.status is Status.CANCELLED
        comes = before is None or before.generation < after.generation or before.status is Status.PENDING
        if (goes and not asked_for(Cancel, key, after.generation)) or (
            comes and not goes and not asked_for(Register, key, after.generation)
        ):
            self._sim.broken(UNASKED, f"{key}: {before} -> {after}")

    def _check_order(self, history: EventHistory, was: Mapping[str, Registration], batch: Collection[str]) -> None:
        """Check that no command was decided before an applicable one ahead of it in the group.

        Only commands of the batch were decided. The same command may also be elsewhere in the queue, replayed after SQS
        had moved its message to the dead letters, or further back in the batch, if its parked message came again.
        """
        left: list[str] = []
        decided: set[str] = set()
        for key, command in self._sim.messages.waiting(history.event_id):
            if not isinstance(command, Register | Cancel):
                continue
            before, after = was.get(command.registration_id), history.records.get(command.registration_id)
            if not applies(command, attempt_of(before)):
                continue
            if applies(command, attempt_of(after)) and not self._set_aside(history, key, command):
                left.append(f"{key} {command}")
            elif key in batch and before != after and came_of(command, after):
                if left and command.registration_id not in decided:
                    self._sim.broken(OVERTAKEN, f"{history.event_id}: {key} {command} was decided before {left}")
                decided.add(command.registration_id)

    def _set_aside(self, history: EventHistory, message_id: str, command: Register | Cancel) -> bool:
        """Return whether a message was parked, or is about a record that cannot be decoded."""
        now = self._sim.scheduler.now
        return message_id in self._sim.parked or history.damaged(command.registration_id, now, now)


_RULES = {
    "nobody is confirmed past an earlier waiter": JUMPED,
    "tickets are in the order of decision": JUMPED,
    "the ledger's live tickets are those of the waiting": TICKETS,
    "nobody has two active registrations": ONE,
}
"""The rules behind sentences of `broken_rules`; the others are about the ledger's counts."""


def _rule_broken_by(after: Registration, should: tuple[str, str]) -> str | None:
    """Return the rule that a registration breaks if the model expects another result, for another reason."""
    status, reason = should
    if after.status == status and after.code in {None, reason}:
        return None
    rules = {"event-full": NO_WAITLIST, "waitlist-full": WAITLIST_FULL, "registration-closed": CLOSED}
    match after.status:
        case Status.REJECTED:
            return REFUSED
        case Status.CONFIRMED:
            return CLOSED if reason == "registration-closed" else OVERSOLD
        case Status.WAITLISTED:
            return rules.get(reason, SERIAL)
        case _:
            return None


def _own_id(record: Registration) -> str:
    """Return the only id that this registration can have."""
    digest = sha256(record.event_id.encode() + b"\0" + record.user_id.encode()).digest()
    return "reg_" + b32encode(digest).decode()[:26]


def _after(commit: Commit) -> dict[str, Registration]:
    return {key: after for key, (_, after) in commit.changed.items()}


def _seated(record: Registration | None) -> bool:
    return record is not None and record.status is Status.CONFIRMED
