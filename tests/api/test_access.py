"""Permissions in the handlers: with tokens of all kinds, and between callers."""

from __future__ import annotations

import math
from typing import Any

import pytest

from api.http.caller import Caller
from api.http.routes import ROUTES
from api.http.types import Request
from tests.support.builders import NEW_EVENT
from tests.support.http_events import AUDIENCE, END_OF_TOKENS, bearer_of, claims_of, http_event, passed_on
from tests.support.pii_canaries import name_of
from tests.support.pipeline import START, Pipeline

ANN, BOB, ORGA, OTHER, OPER = "s-ann", "s-bob", "s-orga", "s-other", "s-oper"
GROUPS = {ORGA: ("organizers",), OTHER: ("organizers",), OPER: ("operators",)}


@pytest.fixture
def peopled(pipeline: Pipeline) -> Pipeline:
    """Orga's event, for which Ann has registered; Bob is a user too, Other an organizer, Oper an operator."""
    with pipeline.signed_in(ORGA, *GROUPS[ORGA]):
        pipeline.add_event("e", 5)
    for subject in (ANN, BOB):
        with pipeline.signed_in(subject):
            pipeline.add_user(subject.removeprefix("s-"))
    with pipeline.signed_in(ANN):
        assert pipeline.register("e", "ann").status == 201
    return pipeline


def _ask(pipeline: Pipeline, subject: str, method: str, path: str, body: object = None) -> Any:
    with pipeline.signed_in(subject, *GROUPS.get(subject, ())):
        return pipeline.request(method, path, body)


@pytest.mark.parametrize(
    "claims",
    [
        {},
        claims_of(ANN) | {"token_use": "id", "aud": AUDIENCE},
        claims_of(ANN) | {"token_use": "refresh"},
        claims_of(ANN) | {"client_id": "client-2"},
        claims_of(ANN) | {"client_id": "", "aud": ["client-2", "client-3"]},
        claims_of(ANN) | {"aud": "client-2"},
        claims_of(""),
        {name: claim for name, claim in claims_of(ANN).items() if name != "exp"},
        claims_of(ANN) | {"exp": START // 1_000_000},
        *(claims_of(ANN) | {"exp": never} for never in ("", "never", "NaN", math.inf, 10**400, [END_OF_TOKENS])),
    ],
)
@pytest.mark.parametrize("route", [route for route in ROUTES if not route.public], ids=lambda route: route.key)
def test_no_access_token_no_answer(shared: Pipeline, route: Any, claims: dict[str, Any]) -> None:
    """Every route that is not public answers 401 to what is no access token for this API."""
    with shared.signed_in(ANN):
        shared.claims = claims
        answer = shared.request(route.method, route.path.format(eventId="e", userId="ann", code="forbidden"))
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "claims",
    [
        {"client_id": AUDIENCE, "token_use": "access", "cognito:groups": ["operators"]},
        {"client_id": AUDIENCE, "token_use": "access", "cognito:groups": ["door organizers", "operators"]},
        {"aud": AUDIENCE, "cognito:groups": ["others", "operators"], "exp": END_OF_TOKENS + 0.5},
        {"aud": ["https://other.example", AUDIENCE], "cognito:groups": "operators"},
    ],
)
def test_tokens_of_all_issuers(shared: Pipeline, claims: dict[str, Any]) -> None:
    """Access tokens of Cognito and of other issuers are taken, with their groups."""
    with shared.signed_in("s"):
        shared.claims = {"sub": "s", "exp": END_OF_TOKENS} | claims
        assert shared.request("GET", "/users/nobody").status == 404
        assert shared.request("POST", "/events", NEW_EVENT).status == 403
        assert shared.authenticate(_request_of(shared.claims)) == Caller("s", operator=True)


@pytest.mark.parametrize(
    "groups",
    [
        *(["door operators"], ["operators organizers"], ["a,operators"], ["[operators]"], [["operators"]], [None]),
        *("operators organizers", "[operators]", "operators,organizers", {"operators": True}),
    ],
)
def test_part_of_a_groups_name_is_no_group(shared: Pipeline, groups: object) -> None:
    """Nobody is in a group whose name is a part of another one's, however API Gateway writes a list of them."""
    with shared.signed_in("s"):
        assert shared.authenticate(_request_of(claims_of("s") | {"cognito:groups": groups})) == Caller("s")


@pytest.mark.parametrize(
    "sent", ["", "Bearer e30.c2ln", "Bearer {0},Bearer {0}", "e30.e30.c2ln", "e30.Ww.c2ln", "a.b.c"]
)
def test_undecodable_token(shared: Pipeline, sent: str) -> None:
    """Two tokens in one header, or a token that cannot be decoded, authenticate nobody."""
    claims = claims_of("s", "operators")
    with shared.signed_in("s"):
        assert shared.authenticate(_request_of(claims, sent.format(bearer_of(claims)[7:]))) is None


def test_no_groups_of_another_token(shared: Pipeline) -> None:
    """A group that the token names, and the claims that were verified do not, counts for nothing."""
    forged = bearer_of(claims_of("s", "operators", "organizers"))
    with shared.signed_in("s"):
        assert shared.authenticate(_request_of(claims_of("s", "operators"), forged)) == Caller("s", operator=True)


def test_a_date_as_text(shared: Pipeline) -> None:
    """When a token ends is read from the token itself, whatever the gateway makes of the number."""
    with shared.signed_in("s"):
        request = _request_of(claims_of("s") | {"exp": "Sun Apr 19 08:06:14 UTC 2037"}, bearer_of(claims_of("s")))
        assert shared.authenticate(request) == Caller("s")


def _request_of(claims: dict[str, Any], sent: str | None = None) -> Request:
    """With a token that says this; `sent` is the header if it is another one."""
    event = http_event("GET", "/users/nobody", None, {"Authorization": bearer_of(claims) if sent is None else sent})
    event["requestContext"]["authorizer"] = {"jwt": {"claims": passed_on(claims)}}
    return Request.of(event)


def test_public_routes_ask_for_nothing(peopled: Pipeline) -> None:
    """Events can be listed and read without a token, and with one that is good for nothing."""
    for claims in ({}, {"sub": "x", "token_use": "id"}):
        with peopled.signed_in(None):
            peopled.claims = claims
            assert peopled.request("GET", "/events").status == 200
            shown = peopled.request("GET", "/events/e")
        assert shown.status == 200
        assert "organizerSubject" not in shown.body


def test_a_person_is_one_user(peopled: Pipeline) -> None:
    """An account cannot have a second user, nor a taken id; the error says which."""
    assert _ask(peopled, ANN, "POST", "/users", {"userId": "ann-2", "name": "Ann"}).code == "account-has-user"
    assert _ask(peopled, "s-cid", "POST", "/users", {"userId": "ann", "name": "Cid"}).code == "user-exists"
    assert _ask(peopled, ANN, "POST", "/users", {"userId": "ann", "name": "Ann"}).code == "user-exists"
    assert _ask(peopled, "s-cid", "POST", "/users", {"userId": "cid", "name": "Cid"}).status == 201


def test_who_am_i(peopled: Pipeline) -> None:
    """`GET /users/me` is the user of the token, for somebody who has lost it, and the error about a second user has its
    address. Without a user, or without a token, it is a 404."""
    own = _ask(peopled, ANN, "GET", "/users/ann")
    assert _ask(peopled, ANN, "GET", "/users/me").body == own.body
    again = _ask(peopled, ANN, "POST", "/users", {"userId": "ann-2", "name": "Ann"})
    assert again.body["user"].endswith("/users/ann")
    nobody = _ask(peopled, "s-new", "GET", "/users/me")
    assert (nobody.status, nobody.body["detail"]) == (404, "Your account has no user yet. Create one with POST /users.")
    assert peopled.request("GET", "/users/me").status == 404
    assert _ask(peopled, ANN, "DELETE", "/users/me").status == 404
    assert _ask(peopled, ANN, "DELETE", "/users/ann").status == 202
    assert _ask(peopled, ANN, "GET", "/users/me").status == 404


def test_a_binding_is_no_user(peopled: Pipeline) -> None:
    """The item that binds a subject to a user cannot be read as a user."""
    for subject in (ANN, OPER):
        assert _ask(peopled, subject, "GET", f"/users/subject#{ANN}").status == 404
    assert peopled.request("GET", f"/users/subject#{ANN}").status == 404


def test_a_tokens_subject_is_not_shown(peopled: Pipeline) -> None:
    """No response contains the subject of a token."""
    for subject, path in ((ANN, "/users/ann"), (ORGA, "/events/e/registrations"), (ANN, "/users/ann/registrations")):
        answer = _ask(peopled, subject, "GET", path)
        assert answer.status == 200
        assert not [shown for shown in (ANN, ORGA) if shown in str(answer.body)]


def test_a_stranger_changes_nothing(peopled: Pipeline) -> None:
    """A refused request has no effect on event, registration or user."""
    for subject in (BOB, OTHER, OPER):
        assert _ask(peopled, subject, "GET", "/events/e/registrations").status == (200 if subject == OPER else 403)
        assert _ask(peopled, subject, "PATCH", "/events/e", {"title": "Mine", "capacity": 0}).status == 403
        assert _ask(peopled, subject, "DELETE", "/events/e/registrations/ann").status in {403, 404}
    assert _ask(peopled, OTHER, "POST", "/events/e/registrations", {"userId": "bob"}).code == "user-not-found"
    for subject in (BOB, ORGA, OTHER):
        assert _ask(peopled, subject, "DELETE", "/users/ann").code == "user-not-found"
        assert _ask(peopled, subject, "DELETE", f"/users/subject#{ANN}").code == "user-not-found"
    peopled.run()
    assert _ask(peopled, ANN, "GET", "/users/ann").body["name"] == name_of("ann")
    event = peopled.request("GET", "/events/e").body
    assert (event["title"], event["capacity"], event["currentAttendees"]) == ("T", 5, 1)
    assert peopled.stored("e", "ann").status == "confirmed"
    assert peopled.record("e", "bob") is None


def test_former_organizer(peopled: Pipeline) -> None:
    """A former organizer can no longer manage the events that they created."""
    with peopled.signed_in(ORGA):
        assert peopled.request("PATCH", "/events/e", {"title": "N"}).status == 403
        assert peopled.request("GET", "/events/e/registrations").status == 403


def test_events_of_nobody(peopled: Pipeline) -> None:
    """An event from before authorization was on has no organizer: operators see it, nobody changes it."""
    peopled.add_event("old", 1)
    assert _ask(peopled, ORGA, "PATCH", "/events/old", {"title": "Mine"}).status == 403
    assert _ask(peopled, OPER, "GET", "/events/old/registrations").status == 200


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_what_is_not_there_is_told_from_nothing(peopled: Pipeline, method: str) -> None:
    """To who may not see it, what exists is answered exactly as what does not."""
    paths = {
        "GET": ("/users/{}", "/users/{}/registrations", "/events/e/registrations/{}"),
        "DELETE": ("/events/e/registrations/{}",),
        "POST": ("/events/e/registrations",),
    }[method]
    for path in paths:
        there, nowhere = (
            _ask(peopled, BOB, method, path.format(who), {"userId": who} if method == "POST" else None)
            for who in ("ann", "nobody")
        )
        assert there.status == 404
        assert (there.body, there.headers) == (nowhere.body, nowhere.headers)
