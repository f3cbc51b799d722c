"""Checks seats and places in the waiting list: never more than there are, and none refused while there is one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from tests.proofs.soak.history import REGISTER, Exchange
from tests.proofs.soak.person_history import AT_REST, SEATED, WAITING, PersonHistory, Stay, done
from workers.domain.seat_settings import SeatSettings


class SettingsTimeline:
    """An event's seat settings over time, by the requests that created and changed it.

    Each request began when the one before was over, so that each has a later revision than those before it.
    """

    def __init__(self, changes: Sequence[Exchange]) -> None:
        self._changes = [change for change in changes if change.unknown or change.status < 400]

    def possible(self, name: str, start: float, end: float) -> list[Any]:
        """Return the values that a setting (by its name in the API) can have had at some moment of that time."""
        changes = [change for change in self._changes if name in change.settings]
        certain = [change for change in changes if not change.unknown and done(change) <= start]
        newest = certain[-1] if certain else None
        return [
            change.settings[name]
            for change in changes
            if change is newest or (change.start < end and (newest is None or change.end > newest.start))
        ]

    def most(self, name: str, start: float, end: float) -> float:
        """Return the highest of these values; no limit counts as infinity."""
        return max(math.inf if value is None else value for value in self.possible(name, start, end))

    def least(self, name: str, start: float, end: float) -> float:
        """Return the lowest of these values."""
        return min(math.inf if value is None else value for value in self.possible(name, start, end))

    @staticmethod
    def of(settings: SeatSettings) -> dict[str, Any]:
        """Return stored settings by their names in the API."""
        return {
            "capacity": settings.capacity,
            "hasWaitlist": settings.has_waitlist,
            "waitlistCapacity": settings.waitlist_capacity,
            "status": str(settings.status),
        }


class SeatChecker:
    """Checks the seats and the waiting list of one event."""

    def __init__(self, settings: SettingsTimeline, people: Sequence[PersonHistory]) -> None:
        self._settings = settings
        self._people = people
        self._stays = [stay for person in people for stay in person.stays]

    def violations(self, exchanges: Sequence[Exchange]) -> Iterator[str]:
        """Yield a sentence for each violation. `exchanges` are those of the event."""
        for stay in self._stays:
            if "active" not in self._settings.possible("status", stay.origin, stay.known):
                yield f"{stay} joined while the event was not open"
            if stay.seated_by < math.inf:
                yield from self._given(stay)
            if stay.waits_from < math.inf:
                yield from self._joined(stay)
        yield from self._in_the_end()
        for x in exchanges:
            if x.what == REGISTER and x.status == 409 and not x.replayed and not self._refusable(x):
                yield f"{x.user} was refused with {x.outcome} (exchange {x.number}), and cannot have been"

    def _given(self, stay: Stay) -> Iterator[str]:
        """Check that a seat was free. `capacity` may have been lowered below what was given before."""
        start, end = max(stay.origin, stay.waits_until), stay.seated_by
        taken = sum(other.surely_seated(start, end) for other in self._stays if other is not stay)
        seats = self._settings.most("capacity", start, end)
        if taken >= seats:
            yield f"{stay} got a seat when {taken} of {seats} were taken"
        if set(self._settings.possible("status", start, end)) == {"cancelled"}:
            yield f"{stay} got a seat while the event was cancelled"

    def _joined(self, stay: Stay) -> Iterator[str]:
        """Check that there was a waiting list with a free place, and no free seat."""
        start, end = stay.origin, stay.waits_from
        if True not in self._settings.possible("hasWaitlist", start, end):
            yield f"{stay} waits, and there was no waiting list"
        ahead = sum(other.surely_waiting(start, end) for other in self._stays if other is not stay)
        limit = self._settings.most("waitlistCapacity", start, end)
        if ahead >= limit:
            yield f"{stay} joined a waiting list of {ahead} with {limit} places"
        seats = self._settings.least("capacity", start, end)
        if self._crowd(stay.person.user, start, end) < seats:
            yield f"{stay} waits, and one of {seats} seats was free"

    def _in_the_end(self) -> Iterator[str]:
        """Check the final places: all were held when the last of them was given, so there must have been as many."""
        for status, name in ((SEATED, "capacity"), (WAITING, "waitlistCapacity")):
            there = [stay for stay in self._stays if stay.views[-1].start == AT_REST]
            there = [stay for stay in there if stay.views[-1].status == status]
            since = max((stay.origin for stay in there), default=AT_REST)
            places = self._settings.most(name, since, AT_REST)
            if len(there) > places:
                yield f"in the end {len(there)} are {status}, and there were {places} places when the last of them came"

    def _refusable(self, x: Exchange) -> bool:
        """Return whether this refusal can have been right."""
        had_waitlist = self._settings.possible("hasWaitlist", x.start, x.end)
        seats = self._settings.least("capacity", x.start, x.end)
        match x.outcome:
            case "event-full":
                return False in had_waitlist and self._crowd(x.user, x.start, x.end) >= seats
            case "waitlist-full":
                limit = self._settings.least("waitlistCapacity", x.start, x.end)
                return True in had_waitlist and self._crowd(x.user, x.start, x.end) >= seats + limit
            case "registration-closed":
                return set(self._settings.possible("status", x.start, x.end)) != {"active"}
            case _:
                return True  # checked with the history of the person

    def _crowd(self, user: str, start: float, end: float) -> int:
        """Return how many others at most can have had a seat or a place at some moment of that time."""
        return sum(person.may_be_alive(start, end) for person in self._people if person.user != user)
