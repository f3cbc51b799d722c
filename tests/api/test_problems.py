"""Every problem that the API knows, provoked: each code, its status, and the form of the document."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from api.http.body import MAX_BODY_BYTES
from api.http.problems import CODES
from api.http.rate_limit import WriteLimit, limited
from tests.api.conftest import Taps
from tests.support.builders import NEW_EVENT
from tests.support.pii_canaries import person
from tests.support.pipeline import Answer, Pipeline
from workers.aws.commit import versioned_put
from workers.aws.messages import decode
from workers.domain.transitions import discarded

Provoke = Callable[[Pipeline, Taps], Answer]

EVENT = NEW_EVENT | {"eventId": "e"}


def _twice(pipeline: Pipeline, path: str, body: Mapping[str, object]) -> Answer:
    pipeline.request("POST", path, body)
    pipeline.time.now += 1
    return pipeline.request("POST", path, body)


def _full(pipeline: Pipeline, **fields: object) -> Answer:
    return pipeline.register(pipeline.add_event("e", 0, **fields), pipeline.add_user("ann"))


def _already(pipeline: Pipeline) -> Answer:
    pipeline.register(pipeline.add_event("e", 1), pipeline.add_user("ann"))
    return pipeline.register("e", "ann")


def _overtaken(pipeline: Pipeline) -> Answer:
    return pipeline.request("PATCH", f"/events/{pipeline.add_event('e', 1)}", {}, {"If-Match": '"0.0"'})


def _failing(pipeline: Pipeline, taps: Taps, code: str) -> Answer:
    taps.fail("dynamodb.GetItem", code)
    return pipeline.request("GET", "/users/ann")


def _signed_in(pipeline: Pipeline, subject: str | None, *ids: str) -> Answer:
    """The last of some requests to become a user, or an event's creator, by one person."""
    with pipeline.signed_in(subject):
        answers = [pipeline.request("POST", "/users", {"userId": user_id, "name": "N"}) for user_id in ids]
        return answers[-1] if answers else pipeline.request("POST", "/events", EVENT)


def _flooding(pipeline: Pipeline) -> Answer:
    pipeline.apps["users"] = limited(pipeline.apps["users"], WriteLimit(1, 1, pipeline.clock))
    return _twice(pipeline, "/users", {"userId": "ann", "name": "Ann"})


def _discarded(pipeline: Pipeline) -> Answer:
    """An operator threw away what had been promised an answer; the client asks again with its key."""
    pipeline.add_event("e", 1)
    pipeline.add_user("ann")
    pipeline.time.on_sleep.clear()
    key = {"Idempotency_Key": "k", "Prefer": "respond-async"}
    pipeline.register("e", "ann", **key)
    (message,) = pipeline.receive()
    record = discarded(pipeline.record("e", "ann"), decode(message["body"]), "unreadable")
    assert record is not None
    pipeline.dynamodb.put_item(**versioned_put(pipeline.tables.registrations, record))
    return pipeline.register("e", "ann", **key)


PROVOKED: dict[str, Provoke] = {
    "invalid-json": lambda p, _: p.request("POST", "/users", raw="{"),
    "invalid-request": lambda p, _: p.request("POST", "/users", {}),
    "unauthenticated": lambda p, _: _signed_in(p, None),
    "forbidden": lambda p, _: _signed_in(p, "s"),
    "account-has-user": lambda p, _: _signed_in(p, "s", "ann", "ann-2"),
    "route-not-found": lambda p, _: p.request("GET", "/"),
    "user-not-found": lambda p, _: p.request("GET", "/users/ann"),
    "event-not-found": lambda p, _: p.request("GET", "/events/e"),
    "not-registered": lambda p, _: p.request("GET", "/events/e/registrations/ann"),
    "method-not-allowed": lambda p, _: p.request("PUT", "/users"),
    "user-exists": lambda p, _: _twice(p, "/users", person("ann")),
    "event-exists": lambda p, _: _twice(p, "/events", EVENT),
    "already-registered": lambda p, _: _already(p),
    "event-full": lambda p, _: _full(p),
    "waitlist-full": lambda p, _: _full(p, hasWaitlist=True, waitlistCapacity=0),
    "registration-closed": lambda p, _: _full(p, status="closed"),
    "discarded": lambda p, _: _discarded(p),
    "precondition-failed": lambda p, _: _overtaken(p),
    "body-too-large": lambda p, _: p.request("POST", "/users", raw=" " * (MAX_BODY_BYTES + 1)),
    "unsupported-media-type": lambda p, _: p.request("POST", "/users", raw="{}", headers={"content-type": "text/xml"}),
    "too-many-requests": lambda p, _: _flooding(p),
    "internal-error": lambda p, taps: _failing(p, taps, "ValidationException"),
    "overloaded": lambda p, taps: _failing(p, taps, "ThrottlingException"),
}


def test_all_are_provoked() -> None:
    """There is no problem that is not provoked here."""
    assert set(PROVOKED) == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_document(pipeline: Pipeline, taps: Taps, code: str) -> None:
    """Each problem is an RFC 9457 document with its own status, title and code, and a sentence about this case."""
    answer = PROVOKED[code](pipeline, taps)
    status, title = CODES[code]
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    expected = {"type": f"urn:turnstile:problem:{code}", "title": title, "status": status, "code": code}
    assert {name: answer.body[name] for name in expected} == expected
    assert answer.body["detail"].endswith(".")
    assert set(answer.body) - set(expected) - {"detail"} == (
        {"errors"} if code == "invalid-request" else {"registration"} if code == "already-registered" else set()
    )
