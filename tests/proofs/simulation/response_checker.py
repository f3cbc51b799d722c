"""Checks that every answer was true at some instant between the request and the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from api.registrations.headers import idempotency_key
from tests.proofs.simulation import index_lag, stale_reads
from tests.proofs.simulation.event_views import SETTINGS, are_true, were_true
from tests.proofs.simulation.scheduler import SECOND
from tests.proofs.simulation.state_history import LEDGER, EventHistory, between
from tests.support.pipeline import Answer
from tests.support.reference_model import placement
from workers.aws.items import timestamp
from workers.domain import admission
from workers.domain.commands import Cancel, Command, Configure, Register
from workers.domain.records import Ledger, Registration, Status, registration_id
from workers.domain.seat_settings import EventStatus
from workers.domain.transitions import DISCARDED

if TYPE_CHECKING:
    from tests.proofs.simulation.simulation import Simulation
    from tests.proofs.simulation.workload import RequestStep

UNTRUE = "every answer is true"

_REFUSALS = {"event-full", "waitlist-full", "registration-closed", DISCARDED}
_SETTINGS = ("capacity", "has_waitlist", "waitlist_capacity", "status")
_ALIVE = "pending,waitlisted,confirmed"
_PAGE = 50
_CLOCKS_DIFFER = 2 * SECOND
_LIST_AGE = stale_reads.OLDEST + 2 * SECOND
"""The greatest age of a page of events: an eventually consistent read, cached for two seconds."""

_INDEX_AGE = _LIST_AGE + index_lag.LONGEST


@dataclass(frozen=True, slots=True)
class Walk:
    """The pages of a list so far: when the first was requested (microseconds since 1970), and the ids seen."""

    began: int
    met: frozenset[str] = frozenset()

    def on(self, answered: Answered) -> Walk:
        """Return the walk with one more page."""
        return Walk(self.began, self.met | {entry["registrationId"] for entry in answered.body["registrations"]})


@dataclass(frozen=True, slots=True)
class Answered(Answer):
    """An answer with its request, and the times of both in microseconds since 1970. `process` handled it; `sent` are
    the commands that it sent, `walk` the pages before it."""

    step: RequestStep
    began: int
    ended: int
    process: str
    sent: tuple[Command, ...]
    walk: Walk

    @property
    def next(self) -> str | None:
        """The cursor of a list's next page, if any."""
        is_list = self.step.kind.startswith("of") and self.status == 200
        cursor: str | None = self.body["next"] if is_list else None
        return cursor

    @property
    def key(self) -> str | None:
        """The idempotency key as it is stored."""
        return idempotency_key(self.step.headers.get("idempotency-key"))

    @property
    def replayed(self) -> bool:
        """True for a replay of the answer to an earlier request."""
        return "Idempotent-Replayed" in self.headers

    def may_be_lost(self, record: Registration | None) -> bool:
        """Return whether a registration is pending for so long that its command may be resent, by a skewed clock."""
        if record is None or record.status is not Status.PENDING:
            return False
        since = record.resent_at or record.registered_at
        return self.ended - since >= admission.RESEND_AFTER_MICROSECONDS - _CLOCKS_DIFFER


class ResponseChecker:
    """Compares answers with what was stored."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim

    def check(self, answered: Answered) -> None:
        """Check an answer. A 503 may mean anything."""
        step = answered.step
        history = self._sim.histories[step.event_id]
        key = registration_id(step.event_id, step.user_id)
        if answered.status == 500 and self._may_be_damaged(answered):
            return
        if answered.status != 503 and not self._holds(answered, history, key):
            text = f"{step}: {answered.status} {answered.body} between {answered.began} and {answered.ended}"
            self._sim.broken(UNTRUE, text)

    def _holds(self, answered: Answered, history: EventHistory, key: str) -> bool:  # noqa: PLR0911 - a table of kinds
        states = history.states_between(key, answered.began, answered.ended)
        match answered.step.kind:
            case "register":
                return self._register(answered, history, key, states)
            case "cancel":
                return self._cancel(answered, history, key, states)
            case "change" if answered.status == 412:
                return self._sim.changes.hold(answered)
            case "change":
                return self._change(answered, history) and self._event(answered, history, answered.body)
            case "look" if answered.status == 404:
                return None in states
            case "look":
                return answered.status == 200 and self._entry(answered, answered.body)
            case "event":
                return answered.status == 200 and self._event(answered, history, answered.body)
            case "list":
                shown, since = {e["eventId"]: e for e in answered.body["events"]}, answered.began - _INDEX_AGE
                steady = {e for e, history in self._sim.histories.items() if history.is_steady(since, answered.ended)}
                listed = all(self._listed(answered, event, _LIST_AGE) for event in shown.values())
                return steady <= shown.keys() <= self._sim.histories.keys() and listed
            case _:
                return answered.status == 200 and self._list(answered) and not self._missing(answered)

    def _register(  # noqa: PLR0911 - a table of codes
        self, answered: Answered, history: EventHistory, key: str, states: list[Registration | None]
    ) -> bool:
        replay = self._replay(answered, [state.post_keys if state else () for state in states], states)
        if not replay or self._in_vain(answered, key, states):
            return False
        least = 0 if answered.replayed else _attempt(answered, Register, key, states)
        if answered.status in {201, 202}:
            return least is not None and self._entry(answered, answered.body, least)
        if answered.code == "registration-cancelled":
            ended = (state for state in states if state and state.status is Status.CANCELLED)
            return least is not None and any(state.generation >= least for state in ended)
        if answered.code == "already-registered":
            alive = any(state and state.is_active and state.status is not Status.PENDING for state in states)
            return alive and not answered.sent
        if answered.status != 409 or answered.code not in _REFUSALS:
            return False
        refused = (s for s in states if s and s.status is Status.REJECTED and s.code == answered.code)
        if least is not None and any(state.generation >= least for state in refused):
            return True
        ledgers = history.ledgers_between(answered.began, answered.ended)
        return not answered.sent and any(_refusal(ledger) == answered.code for ledger in ledgers)

    def _cancel(self, answered: Answered, history: EventHistory, key: str, states: list[Registration | None]) -> bool:
        if not self._replay(answered, [state.delete_keys if state else () for state in states], states):
            return False
        if answered.status == 404:
            return not answered.sent and any(state is None or not state.is_active for state in states)
        if answered.replayed:
            ever = [state for _, state in history.states.get(key, [])]
            gone = any(not state.is_active or state.generation > ever[0].generation for state in ever)
            asked = any(state and state.cancelling for state in states)
            return (answered.status == 204 and gone) or (answered.status == 202 and asked)
        least = _attempt(answered, Cancel, key, states)
        later = [state for state in states if least is not None and state and state.generation >= least]
        if answered.status == 202 and later:
            # A 202 about a pending registration says that its cancellation is noted.
            last = later[-1]
            return last.generation != least or last.status is not Status.PENDING or last.cancelling
        return answered.status == 204 and any(state.generation != least or not state.is_active for state in later)

    def _replay(self, answered: Answered, keys: list[tuple[str, ...]], states: list[Registration | None]) -> bool:
        """Return whether the answer is a replay exactly if the idempotency key is known."""
        known = [answered.key in remembered for remembered in keys]
        if answered.replayed:
            return any(known) and not answered.sent and self._repeats(answered)
        lost = answered.step.kind == "register" and any(map(answered.may_be_lost, states))
        return lost or not all(known)

    def _in_vain(self, answered: Answered, key: str, states: list[Registration | None]) -> bool:
        """Return whether it resent an undecided command that was not lost."""
        sent = {c.generation for c in answered.sent if isinstance(c, Register) and c.registration_id == key}
        undecided = (s and s.status is Status.PENDING and not s.cancelling and s.generation in sent for s in states)
        return all(undecided) and not any(map(answered.may_be_lost, states))

    def _repeats(self, answered: Answered) -> bool:
        """Return whether it is not the first request of its kind with this key."""
        step = answered.step
        wanted = (step.kind, step.event_id, step.user_id, step.headers["idempotency-key"])
        asked = (asked.step for asked in self._sim.clients.sent if asked.began <= answered.ended)
        found = [s for s in asked if (s.kind, s.event_id, s.user_id, s.headers.get("idempotency-key")) == wanted]
        return len(found) > 1  # it is one of them

    def _change(self, answered: Answered, history: EventHistory) -> bool:
        """Return whether a change was made as answered: texts at once, seats by a command."""
        if not self._sim.changes.hold(answered):
            return False
        changes = answered.step.changes
        wanted = {own: changes[name] for name, own in zip(SETTINGS, _SETTINGS, strict=True) if name in changes}
        titles = between(history.titles, answered.began, answered.ended)
        if "title" in changes and changes["title"] not in titles:
            return False
        if not wanted:
            return answered.status == 200 and not answered.sent
        sent = [c for c in answered.sent if isinstance(c, Configure) and c.event_id == history.event_id]
        if not sent or any(command.changes != wanted for command in sent):
            return False
        done = all(history.ledger.revisions.get(name, 0) >= sent[-1].revision for name in wanted)
        return answered.status == 202 or (answered.status == 200 and done)

    def _list(self, answered: Answered) -> bool:
        entries = answered.body["registrations"]
        ids = [entry["registrationId"] for entry in entries]
        by_status: dict[str, list[str]] = {}
        for entry in entries:
            by_status.setdefault(entry["status"], []).append(entry["registeredAt"])
        if answered.step.kind == "of user":  # oldest first, whatever the status
            by_status = {"any": [entry["registeredAt"] for entry in entries]}
            if not all(self._listed(answered, entry["event"], stale_reads.OLDEST) for entry in entries):
                return False
        in_order = all(times == sorted(times) for times in by_status.values())
        asked_for = {entry["status"] for entry in entries} <= set(answered.step.query.get("status", _ALIVE).split(","))
        short = len(ids) <= int(answered.step.query.get("limit", _PAGE))
        sound = in_order and asked_for and short and len(ids) == len(set(ids))
        return sound and all(self._entry(answered, entry) for entry in entries)

    def _missing(self, answered: Answered) -> list[str]:
        """Return who is missing in a complete list, although unchanged for longer than an index may lag."""
        if answered.next is not None:
            return []
        step, met = answered.step, answered.walk.on(answered).met
        statuses = step.query.get("status", _ALIVE).split(",")
        whole = step.kind == "of event"
        histories = [self._sim.histories[step.event_id]] if whole else self._sim.histories.values()
        began, ended = answered.walk.began - index_lag.LONGEST, answered.ended
        return [
            key
            for history in histories
            for key, record in history.records.items()
            if key not in met
            and record.status in statuses
            and (whole or record.user_id == step.user_id)
            and history.states_between(key, began, ended) == [record]
        ]

    def _entry(self, answered: Answered, entry: dict[str, Any], least: int = 0) -> bool:
        """Return whether a registration was as shown, in attempt `least` or later, and at the position shown."""
        key, history = entry["registrationId"], self._sim.histories[entry["eventId"]]
        states = history.states_between(key, answered.began, answered.ended)
        shown = (entry["userId"], entry["status"], entry["registeredAt"])
        matching = [
            s
            for s in states
            if s and s.generation >= least and (s.user_id, str(s.status), timestamp(s.registered_at)) == shown
        ]
        place = entry.get("waitlistPosition")
        if not matching or place is None:
            return bool(matching) and (entry["status"] != "waitlisted" or answered.step.kind.startswith("of"))
        tickets = {state.ticket for state in matching}
        age = stale_reads.OLDEST if answered.step.kind == "of user" else 0
        ledgers = history.ledgers_between(answered.began - age, answered.ended)
        return any(list(ledger.waitlist)[place - 1 : place] == [ticket] for ledger in ledgers for ticket in tickets)

    def _event(self, answered: Answered, history: EventHistory, body: dict[str, Any]) -> bool:
        return are_true(history, body, answered.began, answered.ended)

    def _listed(self, answered: Answered, event: dict[str, Any], age: int) -> bool:
        """Return whether an event in a list was like that at most `age` ago."""
        history = self._sim.histories[event["eventId"]]
        return were_true(history, event, answered.began - age, answered.ended)

    def _may_be_damaged(self, answered: Answered) -> bool:
        """Return whether something was undecodable: the record, the ledger, or for a list anything."""
        step, histories = answered.step, self._sim.histories.values()
        own = registration_id(step.event_id, step.user_id)
        return any(
            history.damaged(key, answered.began, answered.ended)
            for history in histories
            for key in history.damages
            if key == own or (key == LEDGER and history.event_id == step.event_id) or step.kind.startswith("of")
        )


def _attempt(
    answered: Answered, kind: type[Register | Cancel], key: str, states: list[Registration | None]
) -> int | None:
    """Return the attempt that an answer is about: that of its command, or the pending one that a POST joined."""
    for command in answered.sent:
        if isinstance(command, kind) and command.registration_id == key:
            return command.generation
    if kind is Cancel:
        return None
    pending = [s.generation for s in states if s and s.status is Status.PENDING and not s.cancelling]
    return min(pending, default=None)


def _refusal(ledger: Ledger) -> str:
    """Return why a newcomer could be refused, once free seats are filled; for one with room, what they get."""
    free, waiting = max(0, ledger.settings.capacity - ledger.confirmed), len(ledger.waitlist)
    moving_up = 0 if ledger.settings.status is EventStatus.CANCELLED else min(free, waiting)
    return placement(ledger.settings, free - moving_up, waiting - moving_up)[1]
