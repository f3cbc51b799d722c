"""Conditional requests on events: the entity tag, `If-None-Match` on GET, `If-Match` on PATCH."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.conftest import Taps
from tests.support.builders import NEW_EVENT, event_item
from tests.support.faults import refusal
from tests.support.pipeline import Answer, Pipeline
from workers.aws.items import event_key

EVENT = NEW_EVENT | {"eventId": "e", "capacity": 2}


def get(pipeline: Pipeline, known: str | None = None) -> Answer:
    """GET of the event."""
    return pipeline.request("GET", "/events/e", headers={} if known is None else {"If-None-Match": known})


def patch(pipeline: Pipeline, wanted: str | None = None, prefer: str = "wait=1", **fields: object) -> Answer:
    """PATCH of the event; of its title, if nothing is said."""
    headers = {"Prefer": prefer} | ({} if wanted is None else {"If-Match": wanted})
    return pipeline.request("PATCH", "/events/e", fields or {"title": "New"}, headers)


@pytest.fixture
def ready(pipeline: Pipeline) -> Pipeline:
    """An event at revision 3, whose ledger has version 2."""
    pipeline.add_event("e", 2)
    pipeline.fill("e", "ann", "bob")
    patch(pipeline, title="Second"), patch(pipeline, title="Third")
    return pipeline


def test_every_answer_with_an_event_has_its_tag(pipeline: Pipeline) -> None:
    """POST, GET and PATCH answer the tag of what they show: r counts the PATCHes, v the decisions."""
    assert pipeline.request("POST", "/events", EVENT).headers["ETag"] == '"1.0"'
    assert get(pipeline).headers["ETag"] == '"1.0"'
    pipeline.register("e", pipeline.add_user("ann"))
    assert get(pipeline).headers["ETag"] == '"1.1"'
    assert patch(pipeline, title="N").headers["ETag"] == '"2.1"'
    changed = patch(pipeline, capacity=5)
    assert (changed.status, changed.headers["ETag"], changed.body["capacity"]) == (200, '"3.2"', 5)
    later = patch(pipeline, prefer="respond-async", capacity=6)
    assert (later.status, later.headers["ETag"], later.body["capacity"]) == (202, '"4.2"', 5)
    pipeline.run()
    assert get(pipeline).headers["ETag"] == '"4.3"'


def test_what_is_shown_and_its_tag_come_from_one_read(ready: Pipeline, taps: Taps) -> None:
    """A GET reads once, so that nothing can come in between."""
    calls = taps.calls()
    assert get(ready).headers["ETag"] == '"3.2"'
    assert calls == ["BatchGetItem"]


@pytest.mark.parametrize(
    "known", ['"3.2"', 'W/"3.2"', '"1.1", "3.2"', ' , "x,y" ,\tW/"3.2",, ', "*", " * ", '"3.2","3.2"', '"\xe9", "3.2"']
)
def test_known(ready: Pipeline, known: str) -> None:
    """A client that has the event as it is hears 304, with the tag and without a body; weak tags and lists are fine."""
    answer = get(ready, known)
    assert (answer.status, answer.headers["ETag"], answer.body) == (304, '"3.2"', None)


@pytest.mark.parametrize("known", ['"3.1"', '"2.2"', '"3.20"', '"3"', '""', '"03.2"', '"2.3", W/"1.2"', 'W/"3.3"'])
def test_not_known(ready: Pipeline, known: str) -> None:
    """As soon as revision or version differ it is a 200 with the event."""
    answer = get(ready, known)
    assert (answer.status, answer.headers["ETag"], answer.body["title"]) == (200, '"3.2"', "Third")


def test_unknown_event(pipeline: Pipeline) -> None:
    """An event that is not there is a 404, whatever the condition."""
    for condition in ("*", '"0.0"', '"1.0"'):
        assert get(pipeline, condition).code == "event-not-found"
        assert patch(pipeline, condition).code == "event-not-found"
    assert pipeline.request("PATCH", f"/events/{'x' * 3000}", {}, {"If-Match": '"1.0"'}).code == "event-not-found"


@pytest.mark.parametrize("wanted", ['"3.2"', '"3.0"', '"3.999"', '"1.1", "3.1"', 'W/"3.2", "3.2"', '"x", "3.2"', "*"])
def test_wanted(ready: Pipeline, wanted: str) -> None:
    """A PATCH of the revision that the client knows is made, whatever happened to the seats meanwhile."""
    answer = patch(ready, wanted)
    assert (answer.status, answer.headers["ETag"], answer.body["title"]) == (200, '"4.2"', "New")


@pytest.mark.parametrize(
    "wanted", ['"2.2"', '"4.2"', 'W/"3.2"', '"3"', '"03.2"', '"3.02"', '""', '"2.2", "4.2", W/"3.2"']
)
@pytest.mark.parametrize("fields", [{"title": "New"}, {"title": "New", "description": None, "capacity": 9}, {}])
def test_not_wanted(ready: Pipeline, taps: Taps, wanted: str, fields: dict[str, object]) -> None:
    """A PATCH of another revision is a 412 with the present tag and no effect; weak tags never match."""
    taps.fail("sqs.SendMessage", "NobodyMaySend")
    before = get(ready)
    answer = ready.request("PATCH", "/events/e", fields, {"If-Match": wanted})
    assert (answer.status, answer.code, answer.headers["ETag"]) == (412, "precondition-failed", '"3.2"')
    after = get(ready)
    assert (after.body, after.headers["ETag"]) == (before.body, '"3.2"')


def test_two_write_at_once(pipeline: Pipeline, taps: Taps) -> None:
    """The condition is part of the write: a change just before it is not overwritten."""
    pipeline.add_event("e", 1)

    def meanwhile(_: object) -> None:
        assert patch(pipeline, '"1.0"', title="First").status == 200

    taps.before("dynamodb.UpdateItem", meanwhile)
    assert patch(pipeline, '"1.0"', title="Second").status == 412
    assert get(pipeline).body["title"] == "First"


def test_an_event_of_earlier_software(pipeline: Pipeline) -> None:
    """An item that counts no revisions has revision 0, and takes one conditional change of it."""
    pipeline.dynamodb.put_item(TableName=pipeline.tables.events, Item=event_item("e", 1))
    assert get(pipeline).headers["ETag"] == '"0.0"'
    assert patch(pipeline, '"1.0"').status == 412
    assert patch(pipeline, '"0.0", "7.7"').headers["ETag"] == '"1.0"'
    assert patch(pipeline, '"0.0"').status == 412


@pytest.mark.parametrize(
    "header", ["", " ", ",", "3.2", '"3.2', "'3.2'", 'w/"3.2"', '*, "3.2"', "**", '"a b"', '"3.2" "3.2"', '"\x7f"']
)
def test_malformed(ready: Pipeline, header: str) -> None:
    """A header that is not a list of entity tags is a 400 that names it, and nothing changes."""
    for answer, name in ((get(ready, header), "If-None-Match"), (patch(ready, header), "If-Match")):
        assert (answer.status, answer.code) == (400, "invalid-request")
        assert [error["pointer"] for error in answer.body["errors"]] == [name]
    assert get(ready).headers["ETag"] == '"3.2"'


def test_many_tags(ready: Pipeline) -> None:
    """Fifty revisions in one header are taken, more are a 400; numbers that no revision can be match nothing."""
    fifty = ", ".join(f'"{number}.1"' for number in range(50))
    assert patch(ready, f'{fifty}, "3.7", "x", "{"9" * 400}.1", "{"9" * 15}x.1"').status == 200
    answer = patch(ready, f'{fifty}, "50.1"')
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (400, "If-Match")
    assert patch(ready, f'"{"9" * 400}.1", "{"9" * 15}.1"').status == 412
    assert get(ready, f'{fifty}, "50.1", "4.2"').status == 304


def test_an_answer_of_the_table_is_lost(pipeline: Pipeline, taps: Taps) -> None:
    """A change that was made is no 412 because the SDK makes it again: it is recognised, and made once."""
    pipeline.add_event("e", 1)

    def make(request: dict[str, Any]) -> None:
        pipeline.dynamodb.update_item(**json.loads(request["body"]))

    taps.before("dynamodb.UpdateItem", make)
    answer = patch(pipeline, '"1.0"', title="New", capacity=7)
    assert (answer.status, answer.headers["ETag"]) == (200, '"2.1"')
    assert (answer.body["title"], answer.body["capacity"]) == ("New", 7)


LOST_ANSWERS = [
    ('"1.0"', 0, 412), ('"1.0"', 1, 503), ('"1.0", "4.0"', 1, 503), ('"2.0"', 1, 412), ('"3.0"', 1, 412),
    ('"9.0"', 2, 412),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "attempts", "status"), LOST_ANSWERS)
def test_possibly_lost_answer(pipeline: Pipeline, taps: Taps, wanted: str, attempts: int, status: int) -> None:
    """After a possibly lost answer and later changes it is a 503; a 412 only where the change surely was not made."""
    pipeline.add_event("e", 1)
    patch(pipeline, title="Second"), patch(pipeline, title="Third")

    def refuse(request: dict[str, Any]) -> Any:
        key: Any = json.loads(request["body"])["Key"]
        item = pipeline.dynamodb.get_item(TableName=pipeline.tables.events, Key=key)["Item"]
        attempted = {"RetryAttempts": attempts}
        return refusal("ConditionalCheckFailedException", Item=item, ResponseMetadata=attempted)

    taps.before("dynamodb.UpdateItem", refuse)
    assert patch(pipeline, wanted, title="Mine").status == status


def test_every_change_has_an_id_of_its_own(pipeline: Pipeline) -> None:
    """A change without a condition has one too, so that no earlier change is taken for it."""
    pipeline.add_event("e", 1)
    ids = set()
    for wanted in (None, '"2.0"', None):
        assert patch(pipeline, wanted).status == 200
        item = pipeline.dynamodb.get_item(TableName=pipeline.tables.events, Key=event_key("e"))["Item"]
        ids.add(item["changeId"]["S"])
    assert len(ids) == 3
