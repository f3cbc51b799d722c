"""A client of a running stack, unique ids, and waiting for conditions."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from secrets import token_hex
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from tests.support.builders import NEW_EVENT
from tests.support.pii_canaries import person

PATIENCE_SECONDS = 15.0
"""The seconds to wait for anything that is not measured: generous, because the machine may be busy."""

Value = TypeVar("Value")

_RUN = token_hex(3)
_NUMBERS = count(1)


def unique(word: str) -> str:
    """Return an id that no other test uses, in this run or any other."""
    return f"{word}-{_RUN}-{next(_NUMBERS)}"


def eventually(look: Callable[[], Value | None], within: float = PATIENCE_SECONDS) -> Value:
    """Return the first truthy result of `look`. AssertionError if that takes longer than `within` seconds."""
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, f"nothing found within {within} s"
        time.sleep(0.03)
    return found


class ApiClient:
    """The API's routes as methods."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def user(self) -> str:
        """Create a user and return the id."""
        user_id = unique("user")
        answer = self.http.post("/users", json=person(user_id))
        assert answer.status_code == 201, answer.text
        return user_id

    def users(self, number: int) -> list[str]:
        """Create users and return the ids."""
        return [self.user() for _ in range(number)]

    def event(self, capacity: int, **fields: object) -> str:
        """Create an event and return the id."""
        body = NEW_EVENT | {"eventId": unique("event"), "capacity": capacity}
        answer = self.http.post("/events", json=body | fields)
        assert answer.status_code == 201, answer.text
        event_id: str = answer.json()["eventId"]
        return event_id

    def register(self, event_id: str, user_id: str, **headers: str) -> httpx.Response:
        """Register. Headers by their names with `_` for `-`."""
        return self.http.post(f"{at(event_id)}/registrations", json={"userId": user_id}, headers=named(headers))

    def cancel(self, event_id: str, user_id: str, **headers: str) -> httpx.Response:
        """Cancel."""
        return self.http.delete(at(event_id, user_id), headers=named(headers))

    def registration(self, event_id: str, user_id: str) -> dict[str, Any]:
        """Read a registration."""
        body: dict[str, Any] = self.http.get(at(event_id, user_id)).json()
        return body

    def seat(self, event_id: str, user_id: str) -> dict[str, Any]:
        """Register, wait for the outcome after a 202, and return the registration, whatever its status."""
        answer = self.register(event_id, user_id)
        assert answer.status_code in {201, 202, 409}, answer.text
        if answer.status_code == 201:
            body: dict[str, Any] = answer.json()
            return body
        return eventually(lambda: self.decided(event_id, user_id))

    def decided(self, event_id: str, user_id: str) -> dict[str, Any] | None:
        """Return a registration; None while it is pending."""
        body = self.registration(event_id, user_id)
        return None if body["status"] == "pending" else body

    def has(self, event_id: str, user_id: str, status: str, within: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Wait until the registration has that status, and return it."""

        def look() -> dict[str, Any] | None:
            body = self.registration(event_id, user_id)
            return body if body["status"] == status else None

        return eventually(look, within)

    def read_event(self, event_id: str) -> dict[str, Any]:
        """Read an event."""
        body: dict[str, Any] = self.http.get(at(event_id)).json()
        return body

    def list(self, path: str, **query: str | int) -> list[dict[str, Any]]:
        """Return all entries of a list of registrations, page by page."""
        page = self.http.get(path, params=query).json()
        entries: list[dict[str, Any]] = page["registrations"]
        while page["next"] is not None:
            page = self.http.get(path, params=query | {"cursor": page["next"]}).json()
            entries = entries + page["registrations"]
        return entries


def at(event_id: str, user_id: str | None = None) -> str:
    """Return the path of an event, or of a registration for it."""
    path = f"/events/{quote(event_id, safe='')}"
    return path if user_id is None else f"{path}/registrations/{quote(user_id, safe='')}"


def named(headers: dict[str, str]) -> dict[str, str]:
    """Return headers from keywords."""
    return {name.replace("_", "-"): value for name, value in headers.items()}
