"""Access rights: every cell of the table in docs/security.md, on the running stack."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.http.caller import OPERATORS, ORGANIZERS
from api.http.routes import ROUTES
from infra.cli.deployment import Clients, Outputs
from infra.cli.user_pool import UserPoolClient
from tests.support.builders import NEW_EVENT
from tests.support.client import unique

pytestmark = pytest.mark.e2e

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
ROLES: dict[str, tuple[str, ...] | None] = {
    "anonymous": None,
    "owner": (),
    "other user": (),
    "organizer of this event": (ORGANIZERS,),
    "organizer of another": (ORGANIZERS,),
    "operator": (OPERATORS,),
}
"""The groups of each role's token; None: without a token."""
EVENT = NEW_EVENT | {"capacity": 1_000}


def cells() -> Iterator[tuple[str, str, int]]:
    """Yield route, role and status of each cell of the table."""
    text = PAGE.read_text(encoding="utf-8")
    for key, statuses in re.findall(r"^\| `([A-Z]+ /\S*)` \|(.*)\|$", text, re.MULTILINE):
        for role, status in zip(ROLES, statuses.split("|"), strict=True):
            yield key, role, int(status)


def test_the_table_is_whole() -> None:
    """The table has a row for each route, in order, and a column for each role."""
    heads = re.findall(r"^\| route \|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [[name.strip() for name in head.split("|")] for head in heads] == [list(ROLES)]
    assert [key for key, role, _ in cells() if role == "owner"] == [route.key for route in ROUTES]


@dataclass(frozen=True, slots=True)
class Cast:
    """People with `tokens` by role on one stack; the event is that of the first organizer."""

    api: httpx.Client
    pool: UserPoolClient
    event_id: str
    tokens: dict[str, str | None] = field(default_factory=dict)

    def ask(self, token: str | None, method: str, path: str, body: object = None) -> httpx.Response:
        """Send a request."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return self.api.request(method, path, json=body, headers=headers)

    def token(self, *groups: str) -> str:
        """Return an access token of a new person."""
        return self.pool.sign_in(unique("n"), groups).access

    def new_user(self) -> tuple[str, str]:
        """Create a user; return id and token."""
        user_id, token = unique("user"), self.token()
        assert self.ask(token, "POST", "/users", {"userId": user_id, "name": "N"}).status_code == 201
        return user_id, token

    def guest(self) -> tuple[str, str]:
        """Create a user who is registered for the event; return id and token."""
        user_id, token = self.new_user()
        answer = self.ask(token, "POST", f"/events/{self.event_id}/registrations", {"userId": user_id})
        assert answer.status_code == 201
        return user_id, token


@pytest.fixture(scope="module")
def cast(guarded_stack: Outputs, guarded_aws: Clients, guarded_api: httpx.Client) -> Cast:
    """The people, and an event of each organizer."""
    cast = Cast(guarded_api, UserPoolClient(guarded_aws, guarded_stack), unique("event"))
    cast.tokens.update({role: None if groups is None else cast.token(*groups) for role, groups in ROLES.items()})
    for role, event_id in (("organizer of this event", cast.event_id), ("organizer of another", unique("event"))):
        assert cast.ask(cast.tokens[role], "POST", "/events", EVENT | {"eventId": event_id}).status_code == 201
    for role, token in cast.tokens.items():
        if role not in {"anonymous", "owner"}:
            assert cast.ask(token, "POST", "/users", {"userId": unique("user"), "name": "N"}).status_code == 201
    return cast


def _create_user(cast: Cast, role: str) -> httpx.Response:
    """Create the caller's own user, for the first time."""
    groups = ROLES[role]
    token = None if groups is None else cast.token(*groups)
    return cast.ask(token, "POST", "/users", {"userId": unique("user"), "name": "N"})


def _create_event(cast: Cast, role: str) -> httpx.Response:
    return cast.ask(cast.tokens[role], "POST", "/events", EVENT)


def _register(cast: Cast, role: str) -> httpx.Response:
    """Register a user who is not registered yet."""
    user_id, token = cast.new_user()
    path = f"/events/{cast.event_id}/registrations"
    return cast.ask(token if role == "owner" else cast.tokens[role], "POST", path, {"userId": user_id})


SPECIAL: dict[str, Callable[[Cast, str], httpx.Response]] = {
    "POST /users": _create_user,
    "POST /events": _create_event,
    "POST /events/{eventId}/registrations": _register,
}
BODIES: dict[str, Any] = {"PATCH": {"title": "T"}}


def _answer(cast: Cast, key: str, role: str) -> httpx.Response:
    if key in SPECIAL:
        return SPECIAL[key](cast, role)
    method, template = key.split(" ")
    user_id, token = cast.guest()
    path = template.format(eventId=cast.event_id, userId=user_id, code="forbidden")
    return cast.ask(token if role == "owner" else cast.tokens[role], method, path, BODIES.get(method))


def test_each_cell(cast: Cast) -> None:
    """Each route answers each role with the status in the table."""
    wrong = {}
    for key, role, status in cells():
        answer = _answer(cast, key, role)
        if answer.status_code != status:
            wrong[key, role] = f"{answer.status_code}, not {status}: {answer.text}"
    assert wrong == {}


def test_hidden_things_look_missing(cast: Cast) -> None:
    """For callers without access, an existing user or registration looks exactly like a missing one."""
    user_id, _ = cast.guest()
    for template in ("/users/{}", "/users/{}/registrations", f"/events/{cast.event_id}/registrations/{{}}"):
        paths = template.format(user_id), template.format("nobody")
        there, nowhere = (cast.ask(cast.tokens["other user"], "GET", path) for path in paths)
        assert (there.status_code, nowhere.status_code) == (404, 404)
        assert there.json() | {"requestId": ""} == nowhere.json() | {"requestId": ""}
