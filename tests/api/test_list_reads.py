"""The reads of lists: what they cost the tables that registering depends on, and how they show older ledgers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from api.events.lists import CACHE_PAGES, CACHE_SECONDS
from tests.api.conftest import Taps
from tests.support import faults
from tests.support.pipeline import Pipeline
from workers.aws.items import Item, event_key

SECOND = 1_000_000
READ = ["Query", "Query", "Query", "BatchGetItem"]


@pytest.fixture
def fair(pipeline: Pipeline) -> Pipeline:
    """Event `e` with one seat, which ann has, and bob in its line; `new`, without a ledger."""
    pipeline.add_event("e", 1, hasWaitlist=True), pipeline.add_event("new", 5)
    pipeline.fill("e", "ann", "bob")
    return pipeline


def listed(pipeline: Pipeline, **query: Any) -> dict[str, Any]:
    """A page of events, by their ids."""
    answer = pipeline.request("GET", "/events", **query)
    assert answer.status == 200, answer.body
    return {event["eventId"]: event for event in answer.body["events"]}


def consistent_reads(taps: Taps) -> list[dict[str, bool]]:
    """A list that fills with what each BatchGetItem from now on asks for: by table, whether strongly consistent."""
    asked: list[dict[str, bool]] = []

    def note(request: dict[str, Any]) -> None:
        wanted = json.loads(request["body"])["RequestItems"]
        asked.append({table: keys["ConsistentRead"] for table, keys in wanted.items()})

    taps.before("dynamodb.BatchGetItem", note, times=100)
    return asked


@pytest.mark.parametrize(
    ("path", "old"),
    [
        ("/events", {"events", "ledger"}),
        ("/users/bob/registrations", {"ledger"}),
        ("/events/e", set()),
        ("/events/e/registrations", set()),
        ("/events/e/registrations/bob", set()),
    ],
)
def test_what_may_be_old(fair: Pipeline, taps: Taps, path: str, old: set[str]) -> None:
    """Only the list of events, and the seats in a user's list, may be old: every other read shows each decision as soon
    as it is committed."""
    asked = consistent_reads(taps)
    assert fair.request("GET", path).status == 200
    assert asked
    weak = {table for reads in asked for table, consistent in reads.items() if not consistent}
    assert weak == {getattr(fair.tables, name) for name in old}


def test_a_page_is_read_once_in_its_life(fair: Pipeline, taps: Taps) -> None:
    """Within its life a page is shown again without any call; after that it is read, and shows what is new."""
    calls = taps.calls()
    first = listed(fair)
    assert calls == READ
    fair.time.now += CACHE_SECONDS * SECOND - 1
    assert listed(fair) == first
    assert calls == READ
    taps.remove()
    fair.add_event("later", 3), fair.cancel("e", "bob", Prefer="respond-async")  # time stands still
    fair.run()
    assert listed(fair) == first
    fair.time.now += 1
    now = listed(fair)
    assert (now.keys() - first.keys(), now["e"]["waitlistLength"]) == ({"later"}, 0)


def test_every_page_is_one_of_its_own(fair: Pipeline, taps: Taps) -> None:
    """Pages of another length or from another cursor are other pages; the same ones are linked in the same way."""
    queries: list[dict[str, Any]] = [{}, {"limit": 1}, {"from": "2020-01-01"}, {"to": "2040-01-01"}]
    queries.append({"limit": 1, "cursor": fair.request("GET", "/events", limit=1).body["next"]})
    fair.time.now += CACHE_SECONDS * SECOND
    calls = taps.calls()
    found = [fair.request("GET", "/events", **query) for query in queries]
    assert len(calls) == len(READ) * len(queries)
    assert [fair.request("GET", "/events", **query) for query in queries] == found
    assert len(calls) == len(READ) * len(queries)
    assert len({str(answer.body) for answer in found}) == 3  # three of them, and all events thrice


def test_only_so_many_pages_are_kept(fair: Pipeline, taps: Taps) -> None:
    """One page more than a process keeps, and the one that was asked for first is read again."""
    for limit in range(1, CACHE_PAGES + 2):
        listed(fair, limit=limit)
    calls = taps.calls()
    listed(fair, limit=2)
    assert calls == []
    listed(fair, limit=1)
    assert calls == READ


def ledger_item(pipeline: Pipeline, event_id: str) -> Item:
    """A ledger as it is stored."""
    return pipeline.dynamodb.get_item(TableName=pipeline.tables.ledger, Key=event_key(event_id))["Item"]


def stale(pipeline: Pipeline, taps: Taps, *ledgers: Item) -> None:
    """Where a read need not be consistent, it finds these ledgers and no others."""

    def old(request: dict[str, Any]) -> Any:
        wanted = json.loads(request["body"])["RequestItems"]
        if wanted.get(pipeline.tables.ledger, {}).get("ConsistentRead", True):
            return None
        others = {table: keys for table, keys in wanted.items() if table != pipeline.tables.ledger}
        found = pipeline.dynamodb.batch_get_item(RequestItems=others)["Responses"] if others else {}
        return faults.answer({"Responses": found | {pipeline.tables.ledger: list(ledgers)}})

    taps.before("dynamodb.BatchGetItem", old, times=100)


@pytest.mark.parametrize(("known", "seats"), [(True, {}), (False, {"capacity": 1, "seatsLeft": 1})])
def test_a_list_with_old_ledgers(pipeline: Pipeline, taps: Taps, known: bool, seats: dict[str, int]) -> None:
    """An older ledger shows the event as it was, without one as if nobody had registered: never a mixture."""
    pipeline.add_event("e", 2)
    if known:
        pipeline.fill("e", "ann")
    before = pipeline.request("GET", "/events/e").body
    old = [ledger_item(pipeline, "e")] if known else []
    pipeline.fill("e", "bob")
    pipeline.request("PATCH", "/events/e", {"capacity": 1})
    stale(pipeline, taps, *old)
    assert listed(pipeline)["e"] == before | seats


Change = Callable[[Pipeline], object]


@pytest.mark.parametrize(
    ("meanwhile", "place"),
    [(lambda p: p.fill("e", "cid"), 2), (lambda p: (p.cancel("e", "bob"), p.fill("e", "cid")), 1)],
)
def test_a_users_list_with_an_old_ledger(fair: Pipeline, taps: Taps, meanwhile: Change, place: int) -> None:
    """A new waiter has a position in their list although the event's ledger there is older."""
    old = ledger_item(fair, "e")
    meanwhile(fair)
    stale(fair, taps, old)
    [entry] = fair.request("GET", "/users/cid/registrations").body["registrations"]
    assert (entry["status"], entry["waitlistPosition"]) == ("waitlisted", place)
    [other] = fair.request("GET", "/users/ann/registrations").body["registrations"]
    assert (other["status"], other["event"]["waitlistLength"]) == ("confirmed", 1)
