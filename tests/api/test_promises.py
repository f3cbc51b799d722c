"""Whatever the document promises happens: each status of each route, and each code."""

from __future__ import annotations

from typing import Any

from api.contract.document import refusals
from api.contract.operations import ALWAYS, OPERATIONS
from api.problems import CODES
from api.routes import ROUTES
from tests.api.conftest import Taps
from tests.support.pipeline import Answer, Pipeline
from workers.aws.commit import versioned_put
from workers.aws.messages import decode
from workers.domain.decide import discarded

EVENT = {"title": "T", "date": "2030-05-01", "location": "L", "organizer": "O", "capacity": 1}
AT_ONCE = {"Prefer": "respond-async"}
Promise = tuple[str, int, str | None]


class Story:
    """A pipeline that remembers what its routes have answered."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.heard: set[Promise] = set()

    def ask(self, method: str, path: str, body: object = None, headers: Any = None, **more: Any) -> Answer:
        """One request."""
        answer = self.pipeline.request(method, path, body, headers, **more)
        route = next(route for route in ROUTES if route.method == method and route.ids_in(path) is not None)
        self.heard.add((route.key, answer.status, answer.code if answer.status >= 400 else None))
        return answer


def test_all_that_is_promised_happens(pipeline: Pipeline) -> None:
    """Each success and each refusal in the document is the answer to something. (What all routes may answer when AWS
    fails is provoked in test_faults.py.)"""
    story = Story(pipeline)
    _users(story)
    _events(story)
    _lists(story)
    _registering(story)
    _cancelling(story)
    _bodies(story)
    assert story.heard == _promised()


def _promised() -> set[Promise]:
    found: set[Promise] = set()
    for key, operation in OPERATIONS.items():
        found |= {(key, success.status, None) for success in operation.successes}
        found |= {(key, CODES[code][0], code) for code in refusals(operation) if code not in ALWAYS}
    return found


def _users(story: Story) -> None:
    story.ask("POST", "/users", {"userId": "ann", "name": "Ann"})
    story.pipeline.time.now += 1
    story.ask("POST", "/users", {"userId": "ann", "name": "Ann"})
    story.ask("GET", "/users/ann")
    story.ask("GET", "/users/nobody")


def _events(story: Story) -> None:
    story.ask("POST", "/events", EVENT | {"eventId": "e"})
    story.pipeline.time.now += 1
    story.ask("POST", "/events", EVENT | {"eventId": "e"})
    tag = story.ask("GET", "/events/e").headers["ETag"]
    story.ask("GET", "/events/e", headers={"If-None-Match": tag})
    story.ask("GET", "/events/e", headers={"If-None-Match": "?"})
    story.ask("GET", "/events/none")
    story.ask("PATCH", "/events/e", {"title": "N"}, {"If-Match": tag})
    story.ask("PATCH", "/events/e", {"title": "N"}, {"If-Match": tag})
    story.ask("PATCH", "/events/e", {"capacity": 2}, AT_ONCE)
    story.ask("PATCH", "/events/none", {"capacity": 2})
    story.pipeline.run()


def _lists(story: Story) -> None:
    for path in ("/events", "/events/e/registrations", "/users/ann/registrations"):
        story.ask("GET", path)
        story.ask("GET", path, limit=0)
    for path in ("/events/none/registrations", "/users/nobody/registrations"):
        story.ask("GET", path)


def _registering(story: Story) -> None:
    pipeline, registrations = story.pipeline, "/events/e/registrations"
    story.ask("POST", registrations, {"userId": "ann"})
    story.ask("POST", registrations, {"userId": "ann"})
    story.ask("POST", registrations, {"userId": pipeline.add_user("bob")}, AT_ONCE)
    story.ask("POST", registrations, {"userId": "nobody"})
    story.ask("POST", "/events/none/registrations", {"userId": "ann"})
    pipeline.add_event("full", 0)
    pipeline.add_event("long-line", 0, hasWaitlist=True, waitlistCapacity=0)
    pipeline.add_event("closed", 1, status="closed")
    for event_id in ("full", "long-line", "closed"):
        story.ask("POST", f"/events/{event_id}/registrations", {"userId": "ann"})
    _discarded(story)
    story.ask("GET", f"{registrations}/ann")
    story.ask("GET", f"{registrations}/nobody")


def _discarded(story: Story) -> None:
    """An operator threw away what had been promised an answer; the client asks again with its key."""
    pipeline = story.pipeline
    pipeline.run()
    pipeline.add_event("unlucky", 1)
    ask = ("POST", "/events/unlucky/registrations", {"userId": "ann"}, AT_ONCE | {"Idempotency-Key": "k"})
    story.ask(*ask)
    (message,) = pipeline.receive()
    record = discarded(pipeline.record("unlucky", "ann"), decode(message["body"]), "unreadable")
    assert record is not None
    pipeline.dynamodb.put_item(**versioned_put(pipeline.tables.registrations, record))
    assert story.ask(*ask).code == "discarded"


def _cancelling(story: Story) -> None:
    story.ask("DELETE", "/events/e/registrations/ann", headers={"Idempotency-Key": " "})
    story.ask("DELETE", "/events/e/registrations/ann", headers=AT_ONCE)
    story.pipeline.run()
    story.ask("DELETE", "/events/e/registrations/bob")
    story.ask("DELETE", "/events/e/registrations/bob")


def _bodies(story: Story) -> None:
    for method, path in (
        ("POST", "/users"),
        ("POST", "/events"),
        ("PATCH", "/events/e"),
        ("POST", "/events/e/registrations"),
    ):
        story.ask(method, path, raw="{")
        story.ask(method, path, {"no": "field"})
        story.ask(method, path, raw=" " * 65_537)
        story.ask(method, path, raw="{}", headers={"content-type": "text/plain"})


def test_a_rejection_after_a_promise_can_be_read(pipeline: Pipeline, taps: Taps) -> None:
    """Who was promised an answer and is rejected reads it at the Location: 200, `rejected`, with the code."""
    pipeline.add_event("e", 0), pipeline.add_user("ann")
    promise = pipeline.register("e", "ann", Prefer="respond-async")
    assert (promise.status, promise.headers["Retry-After"]) == (202, "1")
    path = promise.headers["Location"].removeprefix("https://api.example")
    assert pipeline.request("GET", path).body["status"] == "pending"
    pipeline.run()
    answer = pipeline.request("GET", path)
    assert (answer.status, answer.body["status"], answer.body["code"]) == (200, "rejected", "event-full")
