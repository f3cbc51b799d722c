"""The checks of `turnstile verify` for tables and routes: on a sound deployment, and with each part damaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from api.http.routes import ROUTES
from infra.cli.deployment import Clients, Deployment
from infra.cli.verify.checks import parts
from infra.cli.verify.result import CheckResult, perform
from tests.support.deployment import OUTPUTS, deployment_of

Tables = dict[str, dict[str, Any]]

FOUND = f"{len(ROUTES) + 1} found"
"""The routes of the table, and `$default`."""
GUARDED = sum(not route.public for route in ROUTES)


def _schema(*names: str) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"), strict=False)]


def _index(name: str, *keys: str) -> dict[str, Any]:
    return {"IndexName": name, "IndexStatus": "ACTIVE", "KeySchema": _schema(*keys)}


def _tables() -> Tables:
    """Describe the tables that the stack creates."""
    indexes = [
        _index("UserRegistrationsIndex", "userId", "registeredAt"),
        _index("EventRegistrationsIndex", "eventId", "status#registeredAt"),
    ]
    return {
        "users": {"KeySchema": _schema("userId")},
        "events": {
            "KeySchema": _schema("eventId"),
            "GlobalSecondaryIndexes": [_index("EventsByDateIndex", "status", "date")],
        },
        "registrations": {"KeySchema": _schema("registrationId"), "GlobalSecondaryIndexes": indexes},
        "ledger": {"KeySchema": _schema("eventId"), "StreamSpecification": {"StreamEnabled": True}},
    }


def _check_tables(tables: Tables) -> dict[str, CheckResult]:
    def describe_table(TableName: str) -> dict[str, Any]:  # noqa: N803 - the SDK's name
        return {"Table": {"TableStatus": "ACTIVE", **tables[TableName]}}

    deployment = deployment_of(dynamodb=SimpleNamespace(describe_table=describe_table))
    return {name: perform((name, action)) for name, action in parts(deployment)[:4]}


def test_sound_tables_pass() -> None:
    """Tables, keys, indexes and the ledger's stream as designed pass."""
    found = {name: result.ok for name, result in _check_tables(_tables()).items()}
    assert found == dict.fromkeys(["table users", "table events", "table registrations", "table ledger"], True)


@pytest.mark.parametrize(
    ("damage", "table", "detail"),
    [
        (
            lambda tables: tables["registrations"]["GlobalSecondaryIndexes"].pop(),
            "registrations",
            "the index EventRegistrationsIndex is missing",
        ),
        (
            lambda tables: tables["registrations"]["GlobalSecondaryIndexes"][0].update(IndexStatus="CREATING"),
            "registrations",
            "UserRegistrationsIndex is CREATING",
        ),
        (lambda tables: tables["ledger"].pop("StreamSpecification"), "ledger", "its stream is off"),
        (lambda tables: tables["users"].pop("KeySchema"), "users", "unexpected form"),
    ],
)
def test_a_damaged_table_fails(damage: Callable[[Tables], object], table: str, detail: str) -> None:
    """A missing or inactive index, a missing stream, and an answer of another form fail the table's check."""
    tables = _tables()
    damage(tables)
    result = _check_tables(tables)[f"table {table}"]
    assert (result.ok, detail in result.detail) == (False, True)


class FakeApis:
    """An HTTP API with all routes. If it is guarded, those that are not public need a token, except for `lost`."""

    def __init__(self, *, guarded: bool, lost: str | None = None) -> None:
        self._guarded = guarded
        self._lost = lost

    def get_paginator(self, _operation: str) -> FakeApis:
        """Return the only paginator."""
        return self

    def paginate(self, ApiId: str) -> Iterator[dict[str, Any]]:  # noqa: N803 - the SDK's name
        """Yield the routes on one page."""
        assert ApiId == "turnstile"
        needs = {route.key: self._guarded and not route.public and route.key != self._lost for route in ROUTES}
        types = {key: "JWT" if needs_token else "NONE" for key, needs_token in needs.items()} | {"$default": "NONE"}
        yield {"Items": [{"RouteKey": key, "AuthorizationType": kind} for key, kind in types.items()]}


@pytest.mark.parametrize(
    ("stage", "apis", "ok", "detail"),
    [
        ("local", FakeApis(guarded=True), True, f"{FOUND}, {GUARDED} of them for callers with a token"),
        ("dev", FakeApis(guarded=True), True, f"{FOUND}, {GUARDED} of them for callers with a token"),
        ("local", FakeApis(guarded=False), True, f"{FOUND}, open to everyone"),
        ("prod", FakeApis(guarded=False), False, "without an authorizer: "),
        *(
            (stage, FakeApis(guarded=True, lost="PATCH /events/{eventId}"), False, "without an authorizer: PATCH /ev")
            for stage in ("local", "dev")
        ),
    ],
)
def test_routes_need_their_authorizer(stage: str, apis: FakeApis, detail: str, *, ok: bool) -> None:
    """A route without the authorizer of the others fails the check; only the local stage may have none at all."""
    deployment = Deployment(stage, OUTPUTS, cast("Clients", SimpleNamespace(apis=apis)))
    deployment.__dict__["resources"] = [{"ResourceType": "AWS::ApiGatewayV2::Api", "PhysicalResourceId": "turnstile"}]
    result = perform(next(check for check in parts(deployment) if check[0] == "routes"))
    assert (result.ok, result.detail.startswith(detail)) == (ok, True)
