"""The filter of the list of events."""

from __future__ import annotations

import re
from dataclasses import dataclass

from api.http.pagination import parse_statuses
from api.http.problems import invalid
from api.http.types import Request
from api.models.event import DAY
from workers.domain.seat_settings import EventStatus

FILTERS = ("from", "to", "status")
"""The parameters."""

_LOWEST, _HIGHEST = " ", "~"
"""Every date as it is stored lies between them; and what follows a day in one is lower than `_HIGHEST`."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """The events whose `date`, as it is written, is between two texts, and that have one of the statuses.

    A date without a time or an offset names no moment that could be compared with others, but everybody agrees on the
    day that is written in it.
    """

    first: str = _LOWEST
    last: str = _HIGHEST
    statuses: tuple[EventStatus, ...] = tuple(EventStatus)

    @property
    def scope(self) -> str:
        """Return a text that differs from that of every other filter."""
        return f"events {self.first} {self.last} {','.join(self.statuses)}"

    def matches(self, day: str, status: str) -> bool:
        """Return whether an event of this date and status belongs in the list."""
        return self.first <= day <= self.last and status in self.statuses


def parse_filter(request: Request) -> EventFilter:
    """Parse the filter of a request. Raises a RequestError for invalid parameters."""
    first, last = _parse_day(request, "from"), _parse_day(request, "to")
    if first and last and last < first:
        raise invalid("?to", "Must not be before ?from.")
    statuses = parse_statuses(request, tuple(EventStatus))
    return EventFilter(first or _LOWEST, last + _HIGHEST if last else _HIGHEST, statuses)


def _parse_day(request: Request, name: str) -> str | None:
    text = request.query.get(name)
    if text is not None and not re.fullmatch(DAY, text):
        raise invalid(f"?{name}", "Must be a day of the calendar, like 2030-05-17.")
    return text
