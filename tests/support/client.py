"""A client of a running stack: ids that nobody else has, and patience where an answer is 202."""

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
"""How long anything may take that is not measured: generous, since the machine may be busy with other things."""

Value = TypeVar("Value")

_RUN = token_hex(3)
_NUMBERS = count(1)


def unique(word: str) -> str:
    """An id that no other test uses, in this run or any other."""
    return f"{word}-{_RUN}-{next(_NUMBERS)}"


def eventually(look: Callable[[], Value | None], within: float = PATIENCE_SECONDS) -> Value:
    """The first thing that `look` finds: not None, not False, not empty. AssertionError if that takes longer than
    `within` seconds."""
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, f"nothing found within {within} s"
        time.sleep(0.03)
    return found


class Front:
    """The routes, by what they do."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def user(self) -> str:
        """Creates a user."""
        user_id = unique("user")
        answer = self.http.post("/users", json=person(user_id))
        assert answer.status_code == 201, answer.text
        return user_id

    def users(self, number: int) -> list[str]:
        """Creates some users."""
        return [self.user() for _ in range(number)]

    def event(self, capacity: int, **fields: object) -> str:
        """Creates an event."""
        body = NEW_EVENT | {"eventId": unique("event"), "capacity": capacity}
        answer = self.http.post("/events", json=body | fields)
        assert answer.status_code == 201, answer.text
        event_id: str = answer.json()["eventId"]
        return event_id

    def register(self, event_id: str, user_id: str, **headers: str) -> httpx.Response:
        """Registers. Headers by their names with `_` for `-`."""
        return self.http.post(f"{at(event_id)}/registrations", json={"userId": user_id}, headers=named(headers))

    def cancel(self, event_id: str, user_id: str, **headers: str) -> httpx.Response:
        """Cancels."""
        return self.http.delete(at(event_id, user_id), headers=named(headers))

    def registration(self, event_id: str, user_id: str) -> dict[str, Any]:
        """A registration as it reads."""
        body: dict[str, Any] = self.http.get(at(event_id, user_id)).json()
        return body

    def seat(self, event_id: str, user_id: str) -> dict[str, Any]:
        """Registers, and waits for what comes of it if the answer does not say: a registration, whatever its status."""
        answer = self.register(event_id, user_id)
        assert answer.status_code in {201, 202, 409}, answer.text
        if answer.status_code == 201:
            body: dict[str, Any] = answer.json()
            return body
        return eventually(lambda: self.decided(event_id, user_id))

    def decided(self, event_id: str, user_id: str) -> dict[str, Any] | None:
        """A registration that is not pending; None while it is."""
        body = self.registration(event_id, user_id)
        return None if body["status"] == "pending" else body

    def has(self, event_id: str, user_id: str, status: str, within: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The registration once it has that status."""

        def look() -> dict[str, Any] | None:
            body = self.registration(event_id, user_id)
            return body if body["status"] == status else None

        return eventually(look, within)

    def read_event(self, event_id: str) -> dict[str, Any]:
        """An event as it reads."""
        body: dict[str, Any] = self.http.get(at(event_id)).json()
        return body

    def list(self, path: str, **query: str | int) -> list[dict[str, Any]]:
        """All entries of a list of registrations, page by page."""
        page = self.http.get(path, params=query).json()
        entries: list[dict[str, Any]] = page["registrations"]
        while page["next"] is not None:
            page = self.http.get(path, params=query | {"cursor": page["next"]}).json()
            entries = entries + page["registrations"]
        return entries


def at(event_id: str, user_id: str | None = None) -> str:
    """The path of an event, or of a registration for it."""
    path = f"/events/{quote(event_id, safe='')}"
    return path if user_id is None else f"{path}/registrations/{quote(user_id, safe='')}"


def named(headers: dict[str, str]) -> dict[str, str]:
    """Headers whose names were keywords."""
    return {name.replace("_", "-"): value for name, value in headers.items()}
