"""Whether what a client was told was true at some instant between its request and the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.simulation.book import Book, no_room
from workers.aws.items import timestamp
from workers.domain.commands import Cancel, Register
from workers.domain.records import Ledger, Registration, Status, registration_id

if TYPE_CHECKING:
    from tests.simulation.load import Step
    from tests.simulation.world import World

TOLD = "what a client is told is true"

_REFUSALS = {"event-full", "waitlist-full", "registration-closed"}
_SEATS = ("capacity", "hasWaitlist", "waitlistCapacity", "status")


@dataclass(frozen=True, slots=True)
class Answered:
    """A request and its answer, with the time of both in microseconds since 1970."""

    step: Step
    began: int
    ended: int
    status: int
    headers: dict[str, str]
    body: Any

    @property
    def code(self) -> str | None:
        """The code of a problem document."""
        code: str | None = self.body.get("code") if isinstance(self.body, dict) else None
        return code

    @property
    def replayed(self) -> bool:
        """Whether it repeats the answer to an earlier request with the same idempotency key."""
        return "Idempotent-Replayed" in self.headers


class Truth:
    """Holds answers against what was stored."""

    def __init__(self, world: World) -> None:
        self._world = world

    def check(self, answered: Answered) -> None:
        """Says what is not true of an answer. A 503 may mean anything, and so it promises nothing."""
        step = answered.step
        book = self._world.rules.books[step.event_id]
        key = registration_id(step.event_id, step.user_id)
        if answered.status == 500 and self._may_be_damaged(answered):
            return
        if answered.status != 503 and not self._holds(answered, book, key):
            text = f"{step}: {answered.status} {answered.body} between {answered.began} and {answered.ended}"
            self._world.broken(TOLD, text)

    def _holds(self, answered: Answered, book: Book, key: str) -> bool:  # noqa: PLR0911 - a table of kinds
        states = book.states_between(key, answered.began, answered.ended)
        match answered.step.kind:
            case "register":
                return self._register(answered, book, key, states)
            case "cancel":
                return self._cancel(answered, book, key, states)
            case "change":
                return answered.status in {200, 202} and self._event(answered, book, answered.body)
            case "look" if answered.status == 404:
                return None in states
            case "look":
                return answered.status == 200 and self._entry(answered, answered.body)
            case "event":
                return answered.status == 200 and self._event(answered, book, answered.body)
            case _:
                return answered.status == 200 and self._list(answered)

    def _register(self, answered: Answered, book: Book, key: str, states: list[Registration | None]) -> bool:
        if answered.status == 201:
            return self._entry(answered, answered.body)
        if answered.status == 202:
            return self._world.rules.asked_for(Register, key)
        if answered.code == "already-registered":
            return any(state and state.alive and state.status is not Status.PENDING for state in states)
        if answered.status != 409 or answered.code not in _REFUSALS:
            return False
        refused = any(s and s.status is Status.REJECTED and s.code == answered.code for s in states)
        ledgers = book.ledgers_between(answered.began, answered.ended)
        return refused or any(no_room(ledger, answered.code) for ledger in ledgers)

    def _cancel(self, answered: Answered, book: Book, key: str, states: list[Registration | None]) -> bool:
        if answered.status == 404:
            return any(state is None or not state.alive for state in states)
        if answered.status == 202:
            return self._world.rules.asked_for(Cancel, key)
        if answered.status != 204:
            return False
        if answered.replayed:
            states = [state for _, state in book.states.get(key, [])]
        first = states[0].generation if states[0] else 0
        return any(state and (not state.alive or state.generation > first) for state in states)

    def _list(self, answered: Answered) -> bool:
        entries = answered.body["registrations"]
        ids = [entry["registrationId"] for entry in entries]
        by_status: dict[str, list[str]] = {}
        for entry in entries:
            by_status.setdefault(entry["status"], []).append(entry["registeredAt"])
        if answered.step.kind == "of user":  # oldest first, whatever the status
            by_status = {"any": [entry["registeredAt"] for entry in entries]}
        in_order = all(times == sorted(times) for times in by_status.values())
        return in_order and len(ids) == len(set(ids)) and all(self._entry(answered, entry) for entry in entries)

    def _entry(self, answered: Answered, entry: dict[str, Any]) -> bool:
        """Whether a registration stood as it was shown, and waited where it was said to wait."""
        key, book = entry["registrationId"], self._world.rules.books[entry["eventId"]]
        states = book.states_between(key, answered.began, answered.ended)
        shown = (entry["userId"], entry["status"], entry["registeredAt"])
        matching = [s for s in states if s and (s.user_id, str(s.status), timestamp(s.registered_at)) == shown]
        place = entry.get("waitlistPosition")
        if not matching or place is None:
            return bool(matching) and (entry["status"] != "waitlisted" or answered.step.kind.startswith("of"))
        tickets = {state.ticket for state in matching}
        ledgers = book.ledgers_between(answered.began, answered.ended)
        return any(list(ledger.line)[place - 1 : place] == [ticket] for ledger in ledgers for ticket in tickets)

    def _event(self, answered: Answered, book: Book, body: dict[str, Any]) -> bool:
        """Whether the seats that were shown are those of one ledger."""
        shown = tuple(body.get(name) for name in (*_SEATS, "currentAttendees", "waitlistLength"))
        return any(shown == _seats(ledger) for ledger in book.ledgers_between(answered.began, answered.ended))

    def _may_be_damaged(self, answered: Answered) -> bool:
        """Somebody's record could not be read: of the person, or of somebody in the list."""
        step, books = answered.step, self._world.rules.books.values()
        own = registration_id(step.event_id, step.user_id)
        return any(
            book.damaged(key, answered.began, answered.ended)
            for book in books
            for key in book.damages
            if key == own or step.kind.startswith("of")
        )


def _seats(ledger: Ledger) -> tuple[Any, ...]:
    settings = ledger.settings
    places = (settings.capacity, settings.has_waitlist, settings.waitlist_capacity, str(settings.status))
    return (*places, ledger.confirmed, len(ledger.line))
