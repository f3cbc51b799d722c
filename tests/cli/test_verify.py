"""`turnstile verify` on the parts of a made-up deployment: what it says of a good one, and of each that is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from api.http.routes import ROUTES
from infra.cli.deployment import Clients, Deployment
from infra.cli.verify.checks import parts
from infra.cli.verify.result import Check, CheckResult, perform
from tests.support.deployment import OUTPUTS, deployment_of


class FakeDynamoDB:
    """Tables as the stack makes them."""

    def __init__(self) -> None:
        user = {"IndexName": "UserRegistrationsIndex", "IndexStatus": "ACTIVE"}
        event = {"IndexName": "EventRegistrationsIndex", "IndexStatus": "ACTIVE"}
        indexes = [
            {**user, "KeySchema": _schema("userId", "registeredAt")},
            {**event, "KeySchema": _schema("eventId", "status#registeredAt")},
        ]
        self.tables: dict[str, dict[str, Any]] = {
            "users": {"KeySchema": _schema("userId")},
            "events": {"KeySchema": _schema("eventId")},
            "registrations": {"KeySchema": _schema("registrationId"), "GlobalSecondaryIndexes": indexes},
            "ledger": {"KeySchema": _schema("eventId"), "StreamSpecification": {"StreamEnabled": True}},
        }

    def describe_table(self, TableName: str) -> dict[str, Any]:  # noqa: N803 - the SDK's name
        """One table."""
        return {"Table": {"TableStatus": "ACTIVE", **self.tables[TableName]}}


def _schema(*names: str) -> list[dict[str, str]]:
    kinds = ("HASH", "RANGE")
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, kinds, strict=False)]


@pytest.fixture
def dynamodb() -> FakeDynamoDB:
    """The tables."""
    return FakeDynamoDB()


@pytest.fixture
def deployment(dynamodb: FakeDynamoDB) -> Deployment:
    """The deployment with these tables."""
    return deployment_of(dynamodb=dynamodb)


def _table_checks(deployment: Deployment) -> dict[str, CheckResult]:
    checks: list[Check] = parts(deployment)[:4]
    return {name: perform((name, action)) for name, action in checks}


def test_good_tables_pass(deployment: Deployment) -> None:
    """Tables, keys, indexes and the ledger's stream as designed are all right."""
    assert [(r.name, r.ok) for r in _table_checks(deployment).values()] == [
        ("table users", True),
        ("table events", True),
        ("table registrations", True),
        ("table ledger", True),
    ]


def test_a_missing_index_is_named(deployment: Deployment, dynamodb: FakeDynamoDB) -> None:
    """A missing index fails the table's check by its name."""
    dynamodb.tables["registrations"]["GlobalSecondaryIndexes"].pop()
    result = _table_checks(deployment)["table registrations"]
    assert (result.ok, result.detail) == (False, "the index EventRegistrationsIndex is missing")


def test_an_index_in_the_making_fails(deployment: Deployment, dynamodb: FakeDynamoDB) -> None:
    """An index that is not active yet fails the check."""
    dynamodb.tables["registrations"]["GlobalSecondaryIndexes"][0]["IndexStatus"] = "CREATING"
    assert "UserRegistrationsIndex is CREATING" in _table_checks(deployment)["table registrations"].detail


def test_a_ledger_without_stream_fails(deployment: Deployment, dynamodb: FakeDynamoDB) -> None:
    """Without the ledger's stream nobody would be promoted, so it fails the check."""
    del dynamodb.tables["ledger"]["StreamSpecification"]
    assert _table_checks(deployment)["table ledger"].detail == "its stream is off"


def test_a_table_of_another_shape_fails_rather_than_crashes(deployment: Deployment, dynamodb: FakeDynamoDB) -> None:
    """What cannot be read is a failed check, not an end of the command."""
    del dynamodb.tables["users"]["KeySchema"]
    result = _table_checks(deployment)["table users"]
    assert not result.ok
    assert "unexpected form" in result.detail


FOUND = f"{len(ROUTES) + 1} found"
"""The routes of the table, and `$default`."""
GUARDED = sum(not route.public for route in ROUTES)


class FakeApis:
    """An HTTP API with the routes of the table; those that are not public need a token, but for `lost`."""

    def __init__(self, *, guarded: bool, lost: str | None = None) -> None:
        self._guarded = guarded
        self._lost = lost

    def get_paginator(self, _operation: str) -> FakeApis:
        """The paginator of the one operation there is."""
        return self

    def paginate(self, ApiId: str) -> Iterator[dict[str, Any]]:  # noqa: N803 - the SDK's name
        """One page."""
        assert ApiId == "turnstile"
        needs = {route.key: self._guarded and not route.public and route.key != self._lost for route in ROUTES}
        types = {key: "JWT" if needs_token else "NONE" for key, needs_token in needs.items()} | {"$default": "NONE"}
        yield {"Items": [{"RouteKey": key, "AuthorizationType": kind} for key, kind in types.items()]}


def _routes(stage: str, apis: FakeApis) -> CheckResult:
    deployment = Deployment(stage, OUTPUTS, cast("Clients", SimpleNamespace(apis=apis)))
    deployment.__dict__["resources"] = [{"ResourceType": "AWS::ApiGatewayV2::Api", "PhysicalResourceId": "turnstile"}]
    return perform(next(check for check in parts(deployment) if check[0] == "routes"))


@pytest.mark.parametrize("stage", ["local", "dev"])
def test_a_route_that_lost_its_authorizer_fails(stage: str) -> None:
    """A route without the authorizer that the others have fails the check, by its name."""
    assert _routes(stage, FakeApis(guarded=True)).detail == f"{FOUND}, {GUARDED} of them for callers with a token"
    result = _routes(stage, FakeApis(guarded=True, lost="PATCH /events/{eventId}"))
    assert (result.ok, result.detail) == (False, "without an authorizer: PATCH /events/{eventId}")


def test_only_the_local_stage_may_be_open() -> None:
    """An API without any authorizer passes on the local stage, which says so, and fails on every other."""
    assert _routes("local", FakeApis(guarded=False)).detail == f"{FOUND}, open to everyone"
    assert not _routes("prod", FakeApis(guarded=False)).ok
