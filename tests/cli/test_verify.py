"""`turnstile verify` against a made-up deployment: what it says of a good one, and of each thing that can be wrong."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from api.routes import ROUTES
from infra.cli import rest
from infra.cli.deployment import Clients, Deployment
from infra.cli.verify.checks import Check, Result, closed, parts, perform
from infra.cli.verify.journey import Journey
from tests.support.deployment import OUTPUTS, deployment_of
from workers.domain.records import registration_id


class FakeDynamoDB:
    """Tables as the stack makes them, and a list of what was deleted."""

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
        self.deleted: list[tuple[str, dict[str, Any]]] = []
        self.refuses: str | None = None

    def describe_table(self, TableName: str) -> dict[str, Any]:  # noqa: N803 - the SDK's name
        """One table."""
        return {"Table": {"TableStatus": "ACTIVE", **self.tables[TableName]}}

    def delete_item(self, TableName: str, Key: dict[str, Any]) -> None:  # noqa: N803 - the SDK's names
        """Note the deletion, or refuse it."""
        if TableName == self.refuses:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DeleteItem")
        self.deleted.append((TableName, Key))


def _schema(*names: str) -> list[dict[str, str]]:
    kinds = ("HASH", "RANGE")
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, kinds, strict=False)]


class FakeApi:
    """A Turnstile in one dictionary. `promotes`, `queues` and `refuses_to_read` make it misbehave, or be slow;
    `needs_token` has it refuse who has none."""

    def __init__(self) -> None:
        self.status: dict[str, str] = {}
        self.promotes = True
        self.queues = False
        self.refuses_to_read = False
        self.needs_token = False

    def call(self, method: str, url: str, body: Any = None, *, token: str | None = None) -> rest.Answer:
        """Answer one request."""
        if token is None and self.needs_token:
            return rest.Answer(401, {}, {"message": "Unauthorized"})
        user = url.rpartition("/")[2]
        if method == "POST":
            if "registrations" not in url:
                return rest.Answer(201, {}, body)
            user = body["userId"]
            self.status[user] = "waitlisted" if "confirmed" in self.status.values() else "confirmed"
            return (
                rest.Answer(202, {}, {"status": "pending"}) if self.queues else rest.Answer(201, {}, self._body(user))
            )
        if method == "DELETE":
            self.status[user] = "cancelled"
            if self.promotes:
                self.status = {u: "confirmed" if s == "waitlisted" else s for u, s in self.status.items()}
            return rest.Answer(204, {}, "")
        return rest.Answer(503, {}, "") if self.refuses_to_read else rest.Answer(200, {}, self._body(user))

    def _body(self, user: str) -> dict[str, Any]:
        waiting = {"waitlistPosition": 1} if self.status[user] == "waitlisted" else {}
        return {"registrationId": f"reg_{user}", "status": self.status[user], **waiting}


@pytest.fixture
def dynamodb() -> FakeDynamoDB:
    """The tables."""
    return FakeDynamoDB()


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """The API that the journey talks to."""
    fake = FakeApi()
    monkeypatch.setattr(rest, "call", fake.call)
    monkeypatch.setattr("infra.cli.verify.journey._DECISION_WAIT", 0.1)
    return fake


@pytest.fixture
def deployment(dynamodb: FakeDynamoDB) -> Deployment:
    """The deployment with these tables."""
    return deployment_of(dynamodb=dynamodb)


def _table_checks(deployment: Deployment) -> dict[str, Result]:
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


@pytest.mark.parametrize("queues", [False, True])
def test_the_journey_passes_and_cleans_up(
    deployment: Deployment, dynamodb: FakeDynamoDB, api: FakeApi, *, queues: bool
) -> None:
    """All steps pass, decided at once or queued, and every item the journey made is deleted."""
    api.queues = queues
    journey = Journey(deployment)
    assert [result for result in map(perform, journey.checks()) if not result.ok] == []
    assert journey.clean_up() == []
    assert dynamodb.deleted == [
        ("users", {"userId": {"S": journey.first}}),
        ("users", {"userId": {"S": journey.second}}),
        ("events", {"eventId": {"S": journey.event}}),
        ("registrations", {"registrationId": {"S": registration_id(journey.event, journey.first)}}),
        ("registrations", {"registrationId": {"S": registration_id(journey.event, journey.second)}}),
        ("ledger", {"eventId": {"S": journey.event}}),
    ]


def test_what_is_still_queued_keeps_its_event(deployment: Deployment, dynamodb: FakeDynamoDB, api: FakeApi) -> None:
    """While a command of the journey is queued nothing is deleted, for without its event it would be a dead letter."""
    api.refuses_to_read = api.queues = True
    journey = Journey(deployment)
    assert [perform(check).ok for check in journey.checks()[:2]] == [True, False]
    (remains,) = journey.clean_up()
    assert registration_id(journey.event, journey.first) in remains
    assert dynamodb.deleted == []


def test_a_missing_promotion_fails(deployment: Deployment, api: FakeApi) -> None:
    """When the waiter is not promoted in time, that step fails and says so."""
    api.promotes = False
    results = {result.name: result for result in map(perform, Journey(deployment).checks())}
    assert results["the first leaves"].ok
    assert not results["the second is promoted"].ok
    assert "still waitlisted" in results["the second is promoted"].detail


def test_what_cannot_be_deleted_is_reported(deployment: Deployment, dynamodb: FakeDynamoDB, api: FakeApi) -> None:
    """An item that stays in a table is named."""
    dynamodb.refuses = "ledger"
    journey = Journey(deployment)
    for check in journey.checks():
        perform(check)
    (remains,) = journey.clean_up()
    assert journey.event in remains
    assert "AccessDenied" in remains


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


def _routes(stage: str, apis: FakeApis) -> Result:
    deployment = Deployment(stage, OUTPUTS, cast("Clients", SimpleNamespace(apis=apis)))
    deployment.__dict__["resources"] = [{"ResourceType": "AWS::ApiGatewayV2::Api", "PhysicalResourceId": "turnstile"}]
    return perform(next(check for check in parts(deployment) if check[0] == "routes"))


@pytest.mark.parametrize("stage", ["local", "dev"])
def test_a_route_that_lost_its_authorizer_fails(stage: str) -> None:
    """A route without the authorizer that the others have fails the check, by its name."""
    assert _routes(stage, FakeApis(guarded=True)).detail == "13 there, 10 of them for callers with a token"
    result = _routes(stage, FakeApis(guarded=True, lost="PATCH /events/{eventId}"))
    assert (result.ok, result.detail) == (False, "without an authorizer: PATCH /events/{eventId}")


def test_only_the_local_stage_may_be_open() -> None:
    """An API without any authorizer passes on the local stage, which says so, and fails on every other."""
    assert _routes("local", FakeApis(guarded=False)).detail == "13 there, open to everybody"
    assert not _routes("prod", FakeApis(guarded=False)).ok


@pytest.mark.parametrize("needs_token", [True, False])
def test_on_aws_callers_without_a_token_must_be_refused(
    deployment: Deployment, api: FakeApi, *, needs_token: bool
) -> None:
    """The check passes where a call without a token is a 401, and fails where it is answered."""
    api.status, api.needs_token = {"-": "confirmed"}, needs_token
    assert perform(closed(deployment)).ok == needs_token
