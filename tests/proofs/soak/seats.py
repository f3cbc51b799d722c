"""Seats and places in the line: never more than there are, and none refused while there is one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from tests.proofs.soak.evidence import AT_REST, SEATED, WAITING, Stint, Story, done
from tests.proofs.soak.history import REGISTER, Exchange
from workers.domain.seat_settings import SeatSettings


class Settings:
    """An event's seat settings over time, from the requests that made it and changed it.

    These came one after the other, so that each has a later revision of the event than those answered before it began.
    """

    def __init__(self, changes: Sequence[Exchange]) -> None:
        self._changes = [change for change in changes if change.unknown or change.status < 400]

    def possible(self, name: str, start: float, end: float) -> list[Any]:
        """The values that a setting can have had at some moment of that time, by its name in the API."""
        changes = [change for change in self._changes if name in change.settings]
        certain = [change for change in changes if not change.unknown and done(change) <= start]
        newest = certain[-1] if certain else None
        return [
            change.settings[name]
            for change in changes
            if change is newest or (change.start < end and (newest is None or change.end > newest.start))
        ]

    def most(self, name: str, start: float, end: float) -> float:
        """The highest of these values; no limit is infinitely much."""
        return max(math.inf if value is None else value for value in self.possible(name, start, end))

    def least(self, name: str, start: float, end: float) -> float:
        """The lowest of them."""
        return min(math.inf if value is None else value for value in self.possible(name, start, end))

    @staticmethod
    def of(settings: SeatSettings) -> dict[str, Any]:
        """Stored settings by their names in the API."""
        return {
            "capacity": settings.capacity,
            "hasWaitlist": settings.has_waitlist,
            "waitlistCapacity": settings.waitlist_capacity,
            "status": str(settings.status),
        }


class Seats:
    """The seats of one event and who had them."""

    def __init__(self, settings: Settings, stories: Sequence[Story]) -> None:
        self._settings = settings
        self._stories = stories
        self._stints = [stint for story in stories for stint in story.stints]

    def violations(self, exchanges: Sequence[Exchange]) -> Iterator[str]:
        """What cannot be, a sentence each. `exchanges` are those of the event."""
        for stint in self._stints:
            if "active" not in self._settings.possible("status", stint.origin, stint.known):
                yield f"{stint} joined while the event was not open"
            if stint.seated_by < math.inf:
                yield from self._given(stint)
            if stint.waits_from < math.inf:
                yield from self._joined(stint)
        yield from self._in_the_end()
        for x in exchanges:
            if x.what == REGISTER and x.status == 409 and not x.replayed and not self._refusable(x):
                yield f"{x.user} was refused with {x.outcome} (exchange {x.number}), and cannot have been"

    def _given(self, stint: Stint) -> Iterator[str]:
        """When a seat is given, there must be one. `capacity` may have been lowered under what was given before."""
        start, end = max(stint.origin, stint.waits_until), stint.seated_by
        taken = sum(other.surely_seated(start, end) for other in self._stints if other is not stint)
        seats = self._settings.most("capacity", start, end)
        if taken >= seats:
            yield f"{stint} got a seat when {taken} of {seats} were taken"
        if set(self._settings.possible("status", start, end)) == {"cancelled"}:
            yield f"{stint} got a seat while the event was cancelled"

    def _joined(self, stint: Stint) -> Iterator[str]:
        """Who joins the line finds a line, a place in it, and no free seat."""
        start, end = stint.origin, stint.waits_from
        if True not in self._settings.possible("hasWaitlist", start, end):
            yield f"{stint} waits, and there was no waiting list"
        ahead = sum(other.surely_waiting(start, end) for other in self._stints if other is not stint)
        limit = self._settings.most("waitlistCapacity", start, end)
        if ahead >= limit:
            yield f"{stint} joined a line of {ahead}, which takes {limit}"
        seats = self._settings.least("capacity", start, end)
        if self._crowd(stint.story.user, start, end) < seats:
            yield f"{stint} waits, and one of {seats} seats was free"

    def _in_the_end(self) -> Iterator[str]:
        """Who has a place in the end had it when the last of them got hers, so there must have been as many then."""
        for status, name in ((SEATED, "capacity"), (WAITING, "waitlistCapacity")):
            there = [stint for stint in self._stints if stint.views[-1].start == AT_REST]
            there = [stint for stint in there if stint.views[-1].status == status]
            since = max((stint.origin for stint in there), default=AT_REST)
            places = self._settings.most(name, since, AT_REST)
            if len(there) > places:
                yield f"in the end {len(there)} are {status}, and there were {places} places when the last of them came"

    def _refusable(self, x: Exchange) -> bool:
        """Whether this refusal can have been right."""
        had_line = self._settings.possible("hasWaitlist", x.start, x.end)
        seats = self._settings.least("capacity", x.start, x.end)
        match x.outcome:
            case "event-full":
                return False in had_line and self._crowd(x.user, x.start, x.end) >= seats
            case "waitlist-full":
                limit = self._settings.least("waitlistCapacity", x.start, x.end)
                return True in had_line and self._crowd(x.user, x.start, x.end) >= seats + limit
            case "registration-closed":
                return set(self._settings.possible("status", x.start, x.end)) != {"active"}
            case _:
                return True  # is for her own story to say

    def _crowd(self, user: str, start: float, end: float) -> int:
        """How many others, at the most, can have had a seat or waited at some moment of that time."""
        return sum(story.may_be_alive(start, end) for story in self._stories if story.user != user)
