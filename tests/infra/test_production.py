"""Data protection, encryption, throttling and logs of the stages on AWS, above all of production."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from api.http.routes import ROUTES
from infra.stack.stack import TurnstileStack
from tests.infra.reading import Resources
from tests.infra.synthesis import STAGES

AWS = ("dev", "prod")
TABLE, QUEUE, GROUP = "AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::Logs::LogGroup"
POOL = "AWS::Cognito::UserPool"
INSECURE = {"Bool": {"aws:SecureTransport": "false"}}
LOGGED = {
    "requestTimeEpoch", "requestId", "routeKey", "httpMethod", "status", "error.responseType", "responseLatency",
    "integration.latency", "integration.status", "responseLength",
}  # fmt: skip
"""The variables of API Gateway that cannot identify a person."""


@pytest.fixture(scope="session")
def by_stage(templates: dict[str, dict[str, Any]]) -> dict[str, Resources]:
    """Return the resources of every stage."""
    return {name: Resources(template) for name, template in templates.items()}


def _denied(resources: Resources, kind: str, members: str) -> dict[str, list[str]]:
    """Return the actions that are denied without TLS, for each resource."""
    denied: dict[str, list[str]] = {}
    for policy in resources.of_type(kind).values():
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Deny" and statement["Condition"] == INSECURE:
                assert statement["Principal"] in ("*", {"AWS": "*"})
                for member in policy[members]:
                    assert statement["Resource"] in (member, f"{member}.Arn")
                    denied.setdefault(member, []).append(statement["Action"])
    return denied


@pytest.mark.parametrize("name", STAGES)
def test_production_keeps_its_data(by_stage: dict[str, Resources], name: str) -> None:
    """When the stack is deleted, production keeps tables, queues and logs, and other stages keep nothing. Resources
    without deletion protection are deleted if their creation is rolled back."""
    resources = by_stage[name]
    kept = {kind for kind in resources.kinds().values() if "Retain" in resources.deletion_policies(kind)}
    assert kept >= {TABLE, QUEUE, GROUP} if name == "prod" else kept == set()
    for kind in kept:
        policies = {"Retain"} if kind in {TABLE, POOL} else {"Retain", "RetainExceptOnCreate"}
        assert resources.deletion_policies(kind) == policies


@pytest.mark.parametrize("name", STAGES)
def test_production_survives_mistakes(
    by_stage: dict[str, Resources], stacks: dict[str, TurnstileStack], name: str
) -> None:
    """In production tables and stack are protected against deletion, and tables can be restored to any second; on other
    stages one command deletes everything."""
    tables = by_stage[name].of_type(TABLE).values()
    assert len(tables) == 4
    for table in tables:
        assert table.get("DeletionProtectionEnabled", False) == (name == "prod")
        recovery = table.get("PointInTimeRecoverySpecification", {})
        assert recovery.get("PointInTimeRecoveryEnabled", False) == (name == "prod")
    assert bool(stacks[name].termination_protection) == (name == "prod")


@pytest.mark.parametrize("name", STAGES)
def test_tls_is_required(by_stage: dict[str, Resources], name: str) -> None:
    """On AWS every action on a queue or table, and publishing to the topic, requires TLS. The emulator has no TLS."""
    resources = by_stage[name]
    queues = _denied(resources, "AWS::SQS::QueuePolicy", "Queues")
    topics = _denied(resources, "AWS::SNS::TopicPolicy", "Topics")
    tables = {
        table: [part["Action"] for part in item["ResourcePolicy"]["PolicyDocument"]["Statement"]]
        for table, item in resources.of_type(TABLE).items()
        if "ResourcePolicy" in item
    }
    if name == "local":
        assert queues == topics == tables == {}
        return
    assert queues == {queue: ["sqs:*"] for queue in resources.of_type(QUEUE)}
    assert topics == {topic: ["sns:Publish"] for topic in resources.of_type("AWS::SNS::Topic")}
    assert tables == {table: ["dynamodb:*"] for table in resources.of_type(TABLE)}
    for item in resources.of_type(TABLE).values():
        (statement,) = item["ResourcePolicy"]["PolicyDocument"]["Statement"]
        assert (statement["Effect"], statement["Condition"]) == ("Deny", INSECURE)
        assert (statement["Principal"], statement["Resource"]) == ({"AWS": "*"}, "*")


@pytest.mark.parametrize("name", STAGES)
def test_encryption_at_rest(by_stage: dict[str, Resources], name: str) -> None:
    """Queues are encrypted with keys of SQS, tables and logs with those of AWS, which is the default, and on AWS the
    topic with a key of the stack."""
    resources = by_stage[name]
    assert all(queue["SqsManagedSseEnabled"] is True for queue in resources.of_type(QUEUE).values())
    assert not any("KmsMasterKeyId" in queue for queue in resources.of_type(QUEUE).values())
    assert not any("SSESpecification" in table for table in resources.of_type(TABLE).values())
    assert not any("KmsKeyId" in group for group in resources.of_type(GROUP).values())
    (topic,) = resources.of_type("AWS::SNS::Topic").values()
    assert topic.get("KmsMasterKeyId") == (None if name == "local" else "AlarmsTopicKey.Arn")


@pytest.mark.parametrize("name", AWS)
def test_cloudwatch_may_publish_alarms(by_stage: dict[str, Resources], name: str) -> None:
    """CloudWatch may use the topic's key, which rotates every year and is deleted a week after the stack, and may
    publish alarms of this account to the topic."""
    key = by_stage[name].one("AlarmsTopicKey")
    assert key["EnableKeyRotation"] is True
    assert key["PendingWindowInDays"] == 7
    cloudwatch = {"Service": "cloudwatch.amazonaws.com"}
    (use,) = [part for part in key["KeyPolicy"]["Statement"] if part["Principal"] == cloudwatch]
    assert set(use["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey*"}
    assert "Condition" not in use
    policy = by_stage[name].one("AlarmsTopicPolicy")["PolicyDocument"]["Statement"]
    (publish,) = [part for part in policy if part["Principal"] == cloudwatch]
    assert (publish["Effect"], publish["Action"], publish["Resource"]) == ("Allow", "sns:Publish", "AlarmsTopic")
    assert publish["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "AWS::AccountId"},
        "ArnLike": {"aws:SourceArn": "arn:AWS::Partition:cloudwatch:AWS::Region:AWS::AccountId:alarm:*"},
    }


@pytest.mark.parametrize("name", STAGES)
def test_log_retention(by_stage: dict[str, Resources], name: str) -> None:
    """Logs are kept for three months in production and two weeks on other stages."""
    groups = by_stage[name].of_type(GROUP).values()
    assert {group["RetentionInDays"] for group in groups} == {90 if name == "prod" else 14}


@pytest.mark.parametrize("name", AWS)
def test_throttling(by_stage: dict[str, Resources], name: str) -> None:
    """A route accepts 500 requests a second, a route that writes 250, a user's own list 100 and other lists 40. The
    stage depends on the routes in its settings."""
    stage = by_stage[name].one("HttpApiDefaultStage")
    assert stage["DefaultRouteSettings"] == _rate(500)
    writes = {route.key for route in ROUTES if route.method != "GET"}
    lists = {"GET /events": 40, "GET /events/{eventId}/registrations": 40, "GET /users/{userId}/registrations": 100}
    rates = dict.fromkeys(writes, 250) | lists
    assert stage["RouteSettings"] == {route: _rate(rate) for route, rate in rates.items()}
    waited = by_stage[name].waits_for("HttpApiDefaultStage")
    routes = by_stage[name].of_type("AWS::ApiGatewayV2::Route")
    assert {routes[route]["RouteKey"] for route in waited if route in routes} == writes | lists.keys()


def _rate(limit: int) -> dict[str, int]:
    return {"ThrottlingRateLimit": limit, "ThrottlingBurstLimit": limit}


@pytest.mark.parametrize("name", AWS)
def test_access_log(by_stage: dict[str, Resources], name: str) -> None:
    """Every request is one line of JSON in a separate log group, which API Gateway may write to, and nothing in a line
    identifies the caller."""
    resources = by_stage[name]
    settings = resources.one("HttpApiDefaultStage")["AccessLogSettings"]
    assert settings["DestinationArn"] == "HttpAccessLog.Arn"
    variables = json.loads(settings["Format"]).values()
    assert {variable.removeprefix("$context.") for variable in variables} == LOGGED
    assert "HttpMayLogResourcePolicy" in resources.waits_for("HttpApiDefaultStage")
    (statement,) = json.loads(resources.one("HttpMayLogResourcePolicy")["PolicyDocument"])["Statement"]
    assert statement["Principal"] == {"Service": "delivery.logs.amazonaws.com"}
    assert statement["Resource"] == "HttpAccessLog.Arn"
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": "AWS::AccountId"}
    used = [function["LoggingConfig"]["LogGroup"] for function in resources.of_type("AWS::Lambda::Function").values()]
    assert "HttpAccessLog" not in used


def test_the_local_stage_has_no_throttling(by_stage: dict[str, Resources]) -> None:
    """The local stage has neither throttling nor access logs, which the emulator lacks."""
    stage = by_stage["local"].one("HttpApiDefaultStage")
    assert not {"DefaultRouteSettings", "RouteSettings", "AccessLogSettings"} & set(stage)


@pytest.mark.parametrize("name", STAGES)
def test_reserved_concurrency(by_stage: dict[str, Resources], name: str) -> None:
    """In production as many executions are reserved for registrars as may run. Nothing else is reserved, which a new
    account would reject."""
    most = by_stage[name].one("TriggersCommands")["ScalingConfig"]["MaximumConcurrency"]
    reserved = {
        function: item["ReservedConcurrentExecutions"]
        for function, item in by_stage[name].of_type("AWS::Lambda::Function").items()
        if "ReservedConcurrentExecutions" in item
    }
    assert reserved == ({"WorkersRegistrarFunction": most} if name == "prod" else {})


@pytest.mark.parametrize("name", STAGES)
def test_no_secrets(templates: dict[str, dict[str, Any]], name: str) -> None:
    """No function has a secret in its environment, and nothing in the template reads one."""
    template = templates[name]
    assert not {kind for kind in Resources(template).kinds().values() if "Secret" in kind or "::SSM::" in kind}
    assert "{{resolve:" not in json.dumps(template)
    assert not any(entry.get("NoEcho") for entry in template.get("Parameters", {}).values())
    known = ["INFO", f"turnstile-{name}", "none", "jwt", "cognito:groups"]
    for variable, value in _environments(template):
        assert not re.search("SECRET|PASSWORD|PRIVATE|CREDENTIAL|API_?KEY", variable, re.IGNORECASE)
        named = isinstance(value, dict) and set(value) <= {"Ref", "Fn::GetAtt", "Fn::Join"}
        assert named or value in known or value.isdecimal(), variable


def _environments(template: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            yield from resource["Properties"]["Environment"]["Variables"].items()
