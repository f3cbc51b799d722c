"""A user to erase, with a registration at each of five events, and what must remain of her."""

from __future__ import annotations

from typing import Any

from tests.support.pii_canaries import person
from tests.support.pipeline import Pipeline
from tests.support.rules import broken_rules
from workers.aws.items import registration_from_item
from workers.domain.records import Registration

EVENTS = ("waited-for", "waiting", "promised", "undecided", "left")
ANN = person("ann")
LATER = 60_000_000
"""Microseconds between two requests to forget her."""


def register_everywhere(pipeline: Pipeline) -> None:
    """Ann has a seat, waits, is pending, is being cancelled, and has cancelled; bob waits behind her seat and place."""
    for user_id in ("ann", "bob", "cid"):
        pipeline.add_user(user_id)
    for event_id in EVENTS:
        pipeline.add_event(event_id, 1, hasWaitlist=True)
    for event_id, users in {"waited-for": ["ann", "bob"], "waiting": ["cid", "ann", "bob"], "left": ["ann"]}.items():
        for user_id in users:
            assert pipeline.register(event_id, user_id).status == 201
    assert pipeline.cancel("left", "ann").status == 204
    for event_id in ("promised", "undecided"):
        assert pipeline.register(event_id, "ann", Prefer="respond-async").status == 202
    assert pipeline.cancel("undecided", "ann", Prefer="respond-async").status == 202


def bind(pipeline: Pipeline, login: str, bound_to: str) -> None:
    """ann's item names a login; its own item says whom it is bound to."""
    item: Any = user_items(pipeline)["ann"] | {"subject": {"S": login}}
    binding: Any = {"userId": {"S": f"subject#{login}"}, "boundTo": {"S": bound_to}}
    for one in (item, binding):
        pipeline.dynamodb.put_item(TableName=pipeline.tables.users, Item=one)


def user_items(pipeline: Pipeline) -> dict[str, Any]:
    """All of the users table, by key."""
    return {item["userId"]["S"]: item for item in pipeline.dynamodb.scan(TableName=pipeline.tables.users)["Items"]}


def assert_erased(pipeline: Pipeline) -> None:
    """Only Ann's id and the hash of her login remain; the waiters behind her moved up, and all ledgers are right."""
    item = user_items(pipeline)["ann"]
    assert set(item) - {"ownerHash"} == {"userId", "createdAt", "erasedAt"}
    for event_id in EVENTS:
        assert pipeline.stored(event_id, "ann").status == "cancelled"
        assert broken_rules(pipeline.ledger(event_id), _records_of(pipeline, event_id)) == []
    assert pipeline.stored("waited-for", "bob").status == "confirmed"
    assert pipeline.read("waiting", "bob").body["waitlistPosition"] == 1
    taken = {event_id: pipeline.ledger(event_id).confirmed for event_id in EVENTS}
    assert taken == {"waited-for": 1, "waiting": 1, "promised": 0, "undecided": 0, "left": 0}
    assert pipeline.parked() == []


def _records_of(pipeline: Pipeline, event_id: str) -> list[Registration]:
    items = pipeline.dynamodb.scan(TableName=pipeline.tables.registrations)["Items"]
    return [record for record in map(registration_from_item, items) if record.event_id == event_id]
