"""A scenario in which everything occurs that the API's document promises, and a record of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from api.contract.operations import OPERATIONS
from api.http.rate_limit import WriteLimit, limited
from api.http.routes import ROUTES
from api.http.types import Request
from tests.support.builders import NEW_EVENT
from tests.support.contract import fields_of
from tests.support.pii_canaries import person
from tests.support.pipeline import Answer, Pipeline
from workers.aws.commit import versioned_put
from workers.aws.messages import decode
from workers.domain.transitions import discarded

AT_ONCE = {"Prefer": "respond-async"}
PATIENT = {"Prefer": "wait=5"}


def paged(event_id: str, user_id: str) -> list[str]:
    """Return the path of every list that has pages."""
    keys = [key.split(" ")[1] for key, operation in OPERATIONS.items() if "cursor" in operation.parameters]
    return [path.format(eventId=event_id, userId=user_id) for path in keys]


class RecordingMapping(Mapping[str, str]):
    """The headers or the query of a request; it records which of them are read, present or not."""

    def __init__(self, given: Mapping[str, str], where: str, asked_for: set[tuple[str, str]]) -> None:
        self._given, self._where, self._asked_for = given, where, asked_for

    def __getitem__(self, name: str) -> str:
        if name != "content-encoding":  # it is read to refuse it, and so is no part of the contract
            self._asked_for.add((self._where, name))
        return self._given[name]

    def __iter__(self) -> Iterator[str]:
        assert self._where == "query", "headers are read by name"
        return iter(self._given)  # to refuse unknown parameters

    def __len__(self) -> int:
        return len(self._given)


class Scenario:
    """A pipeline that records what its routes read and answer, each with the route's key."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.codes = set[tuple[str, int, str | None]]()
        """Statuses; of problems, with their code."""
        self.headers = set[tuple[str, int, str]]()
        """Headers by status, in lower case."""
        self.kinds = set[tuple[str, int, str]]()
        """Content types by status."""
        self.fields = set[tuple[str, str]]()
        """The fields of all JSON answers, with the schema that has them."""
        self.read = set[tuple[str, str, str]]()
        """`header` or `query`, and the name that a handler asked for."""
        self.links = set[tuple[str, str]]()
        """Addresses, with the header or the field that has them."""
        self._asked_for = set[tuple[str, str]]()

    def ask(self, method: str, path: str, body: object = None, headers: Any = None, **more: Any) -> Answer:
        """One request."""
        self._asked_for.clear()
        answer = self.pipeline.request(method, path, body, headers, **more)
        key = next(route.key for route in ROUTES if route.method == method and route.ids_in(path) is not None)
        self.read |= {(key, *asked) for asked in self._asked_for}
        self.codes.add((key, answer.status, answer.code if answer.status >= 400 else None))
        given = {name.lower(): value for name, value in answer.headers.items()}
        kind = given.pop("content-type", "").split(";", 1)[0]
        self.headers |= {(key, answer.status, name) for name in given}
        self.kinds |= {(key, answer.status, kind)} if kind else set()
        self.links |= {(name, given[name].strip("<")) for name in ("location", "link") if name in given}
        if "registration" in (answer.body if isinstance(answer.body, dict) else {}):
            self.links.add(("registration", answer.body["registration"]))
        if "json" in kind:
            self.fields |= fields_of(key, answer.status, answer.body)
        return answer

    def run(self) -> None:
        """Run all parts."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Request, "of", self._recording)
            for part in _PARTS:
                part(self)
            _flooding(self)

    def _recording(self, event: Mapping[str, Any], of: Any = Request.of) -> Request:
        request: Request = of(event)
        return replace(
            request,
            headers=RecordingMapping(request.headers, "header", self._asked_for),
            query=RecordingMapping(request.query, "query", self._asked_for),
        )


def _users(scenario: Scenario) -> None:
    ann = person("ann")
    scenario.ask("POST", "/users", ann)
    scenario.pipeline.time.now += 1
    scenario.ask("POST", "/users", ann)


def _events(scenario: Scenario) -> None:
    scenario.ask("POST", "/events", NEW_EVENT | {"eventId": "e"})
    scenario.pipeline.time.now += 1
    scenario.ask("POST", "/events", NEW_EVENT | {"eventId": "e"})
    tag = scenario.ask("GET", "/events/e").headers["ETag"]
    scenario.ask("GET", "/events/e", headers={"If-None-Match": tag})
    scenario.ask("GET", "/events/e", headers={"If-None-Match": "?"})
    scenario.ask("PATCH", "/events/e", {"title": "N"}, {"If-Match": tag})
    scenario.ask("PATCH", "/events/e", {"title": "N"}, {"If-Match": tag})
    scenario.ask("PATCH", "/events/e", {"title": "N"}, PATIENT)
    scenario.ask("PATCH", "/events/e", {"capacity": 2}, AT_ONCE)
    scenario.ask("PATCH", "/events/none", {"capacity": 2})
    scenario.pipeline.run()


def _reads(scenario: Scenario) -> None:
    """Every read, of a registration and of nothing, and every list with a wrong parameter."""
    for route in ROUTES:
        if route.method == "GET":
            scenario.ask("GET", route.path.format(eventId="e", userId="ann", code="forbidden"))
            scenario.ask("GET", route.path.format(eventId="none", userId="nobody", code="none"))
    for path in paged("e", "ann"):
        scenario.ask("GET", path, limit=0)


def _unknown_parameters(scenario: Scenario) -> None:
    for route in ROUTES:
        scenario.ask(route.method, route.path.format(eventId="e", userId="ann", code="forbidden"), page=2)


def _registering(scenario: Scenario) -> None:
    pipeline, registrations = scenario.pipeline, "/events/e/registrations"
    scenario.ask("POST", registrations, {"userId": "ann"})
    scenario.ask("POST", registrations, {"userId": "ann"})
    scenario.ask("POST", registrations, {"userId": pipeline.add_user("bob")}, AT_ONCE)
    scenario.ask("POST", registrations, {"userId": "nobody"})
    scenario.ask("POST", "/events/none/registrations", {"userId": "ann"})
    pipeline.add_event("full", 0)
    pipeline.add_event("full-list", 0, hasWaitlist=True, waitlistCapacity=0)
    pipeline.add_event("closed", 1, status="closed")
    for event_id in ("full", "full-list", "closed"):
        scenario.ask("POST", f"/events/{event_id}/registrations", {"userId": "ann"}, PATIENT)
    _cancelled_meanwhile(scenario)
    _discarded(scenario)


def _cancelled_meanwhile(scenario: Scenario) -> None:
    """Another device cancels a registration before its POST is answered."""
    event_id = scenario.pipeline.add_event("undecided", 1)

    def leave() -> None:
        scenario.pipeline.run()
        scenario.pipeline.cancel(event_id, "ann")

    scenario.pipeline.time.at_next_sleep(leave)
    scenario.ask("POST", f"/events/{event_id}/registrations", {"userId": "ann"}, PATIENT)


def _replays(scenario: Scenario) -> None:
    """The same request twice with the same key, before it is decided and after."""
    for name, wish in (("slow", AT_ONCE), ("quick", PATIENT)):
        event_id = scenario.pipeline.add_event(name, 1)
        keyed = wish | {"Idempotency-Key": "k"}
        for ask in (
            ("POST", f"/events/{event_id}/registrations", {"userId": "ann"}, keyed),
            ("DELETE", f"/events/{event_id}/registrations/ann", None, keyed),
        ):
            scenario.ask(*ask)
            scenario.ask(*ask)
        scenario.pipeline.run()


def _discarded(scenario: Scenario) -> None:
    """An operator discarded a pending request; the client retries it with its key."""
    pipeline = scenario.pipeline
    pipeline.run()
    pipeline.add_event("unlucky", 1)
    ask = ("POST", "/events/unlucky/registrations", {"userId": "ann"}, AT_ONCE | {"Idempotency-Key": "k"})
    scenario.ask(*ask)
    (message,) = pipeline.receive()
    record = discarded(pipeline.record("unlucky", "ann"), decode(message["body"]), "unreadable")
    assert record is not None
    pipeline.dynamodb.put_item(**versioned_put(pipeline.tables.registrations, record))
    assert scenario.ask(*ask).code == "discarded"
    scenario.ask("GET", "/events/unlucky/registrations/ann")
    for path in ("/events/unlucky/registrations", "/users/ann/registrations"):
        scenario.ask("GET", path, status="rejected")


def _too_many(scenario: Scenario) -> None:
    """An event with every field, and with a capacity below its attendees."""
    crowded = NEW_EVENT | {"eventId": "crowded", "capacity": 2, "description": "D"}
    scenario.ask("POST", "/events", crowded | {"hasWaitlist": True, "waitlistCapacity": 5})
    scenario.pipeline.add_user("cid")
    for user_id in ("ann", "bob", "cid"):
        scenario.pipeline.register("crowded", user_id)
    scenario.ask("GET", "/events/crowded/registrations/cid")
    scenario.ask("PATCH", "/events/crowded", {"capacity": 1})


def _pages(scenario: Scenario) -> None:
    for path in paged("crowded", "ann"):
        scenario.ask("GET", path)
        first = scenario.ask("GET", path, limit=1)
        scenario.ask("GET", path, limit=1, cursor=first.body["next"])
    scenario.ask("GET", "/users/cid/registrations")
    scenario.ask("GET", "/events/crowded/registrations", headers={"Accept": "text/csv"})


def _cancelling(scenario: Scenario) -> None:
    scenario.ask("DELETE", "/events/e/registrations/ann", headers={"Idempotency-Key": " "})
    scenario.ask("DELETE", "/events/e/registrations/ann", headers=AT_ONCE)
    scenario.pipeline.run()
    scenario.ask("DELETE", "/events/e/registrations/bob")
    scenario.ask("DELETE", "/events/e/registrations/bob")


def _erasing(scenario: Scenario) -> None:
    scenario.ask("DELETE", "/users/cid")
    scenario.ask("DELETE", "/users/nobody")
    scenario.pipeline.run()


def _flooding(scenario: Scenario) -> None:
    """Every request, by a caller who has used up the limit of writes: reads have none."""
    pipeline = scenario.pipeline
    spent = WriteLimit(0.001, 1, pipeline.clock)
    assert spent.seconds_to_wait(caller="") == 0
    pipeline.apps = {name: limited(handlers, spent) for name, handlers in pipeline.apps.items()}
    for route in ROUTES:
        scenario.ask(route.method, route.path.format(eventId="e", userId="ann", code="forbidden"), {})


def _bodies(scenario: Scenario) -> None:
    for method, path in (
        ("POST", "/users"),
        ("POST", "/events"),
        ("PATCH", "/events/e"),
        ("POST", "/events/e/registrations"),
    ):
        scenario.ask(method, path, raw="{")
        scenario.ask(method, path, {"no": "field"})
        scenario.ask(method, path, raw=" " * 65_537)
        scenario.ask(method, path, raw="{}", headers={"content-type": "text/plain"})


def _permissions(scenario: Scenario) -> None:
    """Authorization is on: requests without a token, and without permission."""
    pipeline = scenario.pipeline
    with pipeline.signed_in(None):
        for route in ROUTES:
            if not route.public:
                scenario.ask(route.method, route.path.format(eventId="e", userId="ann", code="forbidden"))
    with pipeline.signed_in("s-1", "organizers"):
        scenario.ask("POST", "/events", NEW_EVENT | {"eventId": "guarded"})
        scenario.ask("POST", "/users", {"userId": "dee", "name": "Dee"})
        scenario.ask("POST", "/users", {"userId": "dee-2", "name": "Dee"})
        scenario.ask("POST", "/events/guarded/registrations", {"userId": "dee"})
    with pipeline.signed_in("s-2", "operators"):
        scenario.ask("POST", "/events", NEW_EVENT)
        scenario.ask("PATCH", "/events/guarded", {"title": "N"})
        scenario.ask("POST", "/events/guarded/registrations", {"userId": "dee"})
        scenario.ask("DELETE", "/events/guarded/registrations/dee")
    with pipeline.signed_in("s-3"):
        scenario.ask("GET", "/events/guarded/registrations")


_PARTS = (
    _users, _events, _registering, _reads, _unknown_parameters, _replays, _too_many, _pages, _cancelling, _erasing,
    _bodies, _permissions,
)  # fmt: skip
