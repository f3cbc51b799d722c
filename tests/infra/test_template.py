"""The synthesized template: what AWS and the emulator are told to make."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import fields
from typing import Any

import pytest

from api.http.routes import DOCS_ROUTES, FALLBACK, ROUTES
from api.settings import AccessSettings, EventSettings, RegistrationSettings, UserSettings
from infra.stack.monitoring.queries import QUERIES
from tests.infra.reading import Resources
from workers import auditor
from workers.aws import clients
from workers.registrar import handler as registrar
from workers.settings import AuditorSettings, PromoterSettings, RegistrarSettings, Settings

FUNCTIONS = {
    "ApiUsers": "api.entry.users",
    "ApiEvents": "api.entry.events",
    "ApiRegistrations": "api.entry.registrations",
    "ApiDocs": "api.entry.docs",
    "WorkersRegistrar": "workers.entry.registrar",
    "WorkersPromoter": "workers.entry.promoter",
    "WorkersAuditor": "workers.entry.auditor",
}
SETTINGS: dict[str, type[Settings] | None] = {
    "ApiUsers": UserSettings,
    "ApiEvents": EventSettings,
    "ApiRegistrations": RegistrationSettings,
    "ApiDocs": None,
    "WorkersRegistrar": RegistrarSettings,
    "WorkersPromoter": PromoterSettings,
    "WorkersAuditor": AuditorSettings,
}
"""The settings that each function reads, besides who may call it."""
IDENTITY = {
    "AWS::ApiGatewayV2::Authorizer",
    "AWS::Cognito::UserPool",
    "AWS::Cognito::UserPoolClient",
    "AWS::Cognito::UserPoolGroup",
}
TABLES = {"UsersTable", "EventsTable", "RegistrationsTable", "LedgerTable"}


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("UsersTable", "userId"),
        ("EventsTable", "eventId"),
        ("RegistrationsTable", "registrationId"),
        ("LedgerTable", "eventId"),
    ],
)
def test_table_keys_and_billing(resources: Resources, table: str, key: str) -> None:
    """Each table has its one key and is billed per request."""
    properties = resources.one(table)
    assert properties["KeySchema"] == [{"AttributeName": key, "KeyType": "HASH"}]
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert set(resources.of_type("AWS::DynamoDB::Table")) == TABLES


def test_indexes(resources: Resources) -> None:
    """Registrations can be listed by user and by event, and the indexes hold nothing but keys."""
    indexes = resources.one("RegistrationsTable")["GlobalSecondaryIndexes"]
    keys = {index["IndexName"]: [part["AttributeName"] for part in index["KeySchema"]] for index in indexes}
    assert keys == {
        "UserRegistrationsIndex": ["userId", "registeredAt"],
        "EventRegistrationsIndex": ["eventId", "status#registeredAt"],
    }
    assert {index["Projection"]["ProjectionType"] for index in indexes} == {"KEYS_ONLY"}
    others = TABLES - {"RegistrationsTable"}
    assert not any("GlobalSecondaryIndexes" in resources.one(table) for table in others)


def test_only_the_ledger_has_a_stream(resources: Resources) -> None:
    """The ledger alone streams its changes, as new images."""
    streams = {
        name: item.get("StreamSpecification") for name, item in resources.of_type("AWS::DynamoDB::Table").items()
    }
    assert streams.pop("LedgerTable") == {"StreamViewType": "NEW_IMAGE"}
    assert set(streams.values()) == {None}


def test_queue_of_commands(resources: Resources) -> None:
    """The queue is FIFO with high throughput, keeps commands as long as SQS can, and gives up as late as SQS can."""
    queue = resources.one("QueuesCommands")
    assert queue["FifoQueue"] is True
    assert queue["DeduplicationScope"] == "messageGroup"
    assert queue["FifoThroughputLimit"] == "perMessageGroupId"
    assert not queue.get("ContentBasedDeduplication")
    assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert queue["RedrivePolicy"] == {"deadLetterTargetArn": "QueuesDeadLetters.Arn", "maxReceiveCount": 1000}


def test_dead_letter_queue(resources: Resources) -> None:
    """The dead-letter queue is FIFO too and keeps what it gets for 14 days."""
    queue = resources.one("QueuesDeadLetters")
    assert queue["FifoQueue"] is True
    assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_visibility_outlasts_the_worker(resources: Resources) -> None:
    """A batch stays invisible at least six times as long as the worker may run."""
    timeout = resources.one("WorkersRegistrarFunction")["Timeout"]
    assert resources.one("QueuesCommands")["VisibilityTimeout"] >= 6 * timeout


def test_queue_wakes_the_registrar(resources: Resources) -> None:
    """The registrar gets ten commands at most, and answers for each of them; only so many of it run at once."""
    assert resources.one("TriggersCommands") == {
        "EventSourceArn": "QueuesCommands.Arn",
        "FunctionName": "WorkersRegistrarFunction.Arn",
        "BatchSize": 10,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 50},
    }


def test_stream_wakes_the_promoter(resources: Resources) -> None:
    """The promoter sees only ledgers that are promotable; what it cannot pass on is halved, tried 23 hours, kept."""
    mapping = dict(resources.one("TriggersSeatsFree"))
    (only,) = mapping.pop("FilterCriteria")["Filters"]
    assert json.loads(only["Pattern"]) == {"dynamodb": {"NewImage": {"promotable": {"S": ["yes"]}}}}
    assert mapping == {
        "EventSourceArn": "LedgerTable.StreamArn",
        "FunctionName": "WorkersPromoterFunction.Arn",
        "StartingPosition": "TRIM_HORIZON",
        "BatchSize": 10,
        "BisectBatchOnFunctionError": True,
        "MaximumRetryAttempts": -1,
        "MaximumRecordAgeInSeconds": 23 * 3600,
        "DestinationConfig": {"OnFailure": {"Destination": "QueuesFailedPromotions.Arn"}},
    }
    assert resources.one("QueuesFailedPromotions")["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_clock_wakes_the_auditor(resources: Resources) -> None:
    """The auditor runs every six hours, called by that rule."""
    (rule,) = resources.of_type("AWS::Events::Rule").values()
    assert rule["ScheduleExpression"] == "rate(6 hours)"
    assert rule.get("State", "ENABLED") == "ENABLED"
    assert [target["Arn"] for target in rule["Targets"]] == ["WorkersAuditorFunction.Arn"]


def test_routes(resources: Resources) -> None:
    """The HTTP API has exactly the routes of the table, each to its function, and a function for all else; the page's
    function has its paths with every method."""
    integrations = resources.of_type("AWS::ApiGatewayV2::Integration")
    found = {}
    for route in resources.of_type("AWS::ApiGatewayV2::Route").values():
        integration = integrations[route["Target"].removeprefix("integrations/")]
        found[route["RouteKey"]] = integration["IntegrationUri"]
        assert integration["PayloadFormatVersion"] == "2.0"
    expected = {f"{route.method} {route.path}": route.function for route in ROUTES} | {"$default": FALLBACK}
    expected |= {f"ANY {route.path}": route.function for route in DOCS_ROUTES}
    assert found == {key: f"Api{name.capitalize()}Function.Arn" for key, name in expected.items()}


def test_functions(resources: Resources, stage_name: str) -> None:
    """Seven functions on Python 3.13, each with its handler, its own log group and role, on arm64 on AWS."""
    functions = resources.of_type("AWS::Lambda::Function")
    assert {name.removesuffix("Function"): item["Handler"] for name, item in functions.items()} == FUNCTIONS
    for name in FUNCTIONS:
        function = functions[f"{name}Function"]
        assert function["Runtime"] == "python3.13"
        assert function["Role"] == f"{name}Role.Arn"
        assert function["LoggingConfig"] == {"LogGroup": f"{name}Logs"}
        assert resources.one(f"{name}Logs")["RetentionInDays"] > 0
        assert stage_name == "local" or function["Architectures"] == ["arm64"]


def test_timeouts(resources: Resources) -> None:
    """A registration may wait ten seconds for its decision and still answer before API Gateway gives up at thirty."""
    assert 10 < resources.one("ApiRegistrationsFunction")["Timeout"] < 30
    assert 10 < resources.one("ApiEventsFunction")["Timeout"] < 30


def test_workers_end_before_they_are_killed(resources: Resources) -> None:
    """A worker that begins nothing more after its patience has time for a last call that hangs in every attempt."""
    config: Any = clients._CONFIG
    call = config.read_timeout * config.retries["total_max_attempts"]
    for name, patience in (("Registrar", registrar._TIME_LIMIT), ("Auditor", auditor._TIME_LIMIT)):
        assert resources.one(f"Workers{name}Function")["Timeout"] >= patience / 1_000_000 + call


def test_environments(resources: Resources, stage_name: str) -> None:
    """Each function is told the names that it needs and no others; on AWS the API's what one caller may write."""
    common = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_LOG_LEVEL"}
    on_aws = {"AUTH_AUDIENCE", "AUTH_GROUPS_CLAIM", "WRITES_PER_SECOND", "WRITES_BURST"}
    callers = {"AUTH"} | (set() if stage_name == "local" else on_aws)
    assert on_aws | {"AUTH"} == {field.name.upper() for field in fields(AccessSettings)}
    for name, settings in SETTINGS.items():
        names = {field.name.upper() for field in fields(settings)} if settings else set()
        names |= callers if settings and name.startswith("Api") else set()
        variables = resources.one(f"{name}Function")["Environment"]["Variables"]
        assert set(variables) == names | common
        assert variables.get("QUEUE_URL", "QueuesCommands") == "QueuesCommands"
        assert not variables.get("API_URL", "").endswith("/")


def test_outputs(template: dict[str, Any], stage_name: str) -> None:
    """The outputs are the names that the command line reads, and the API's URL is a base without a trailing slash."""
    assert set(template["Outputs"]) == TABLES | {
        "ApiUrl",
        "QueueUrl",
        "DeadLetterQueueUrl",
        "FailedPromotionsQueueUrl",
        "AlarmTopicArn",
        "DocsUrl",
    } | (set() if stage_name == "local" else {"UserPoolId", "UserPoolClientId"})
    url = template["Outputs"]["ApiUrl"]["Value"]
    text = json.dumps(url)
    assert ("http://localhost:4566/_aws/execute-api/" in text) == (stage_name == "local")
    assert not text.rstrip('"]} ').endswith("/")


def test_local_address_is_stable(templates: dict[str, dict[str, Any]]) -> None:
    """Only the local API carries the tag that pins its id."""
    tags = {name: Resources(item).one("HttpApi").get("Tags", {}) for name, item in templates.items()}
    assert tags == {"local": {"ms-custom-id": "turnstile"}, "dev": {}, "prod": {}}


def test_stages_differ_only_where_they_should(templates: dict[str, dict[str, Any]]) -> None:
    """The stack that runs locally has the very resources that run on AWS; it only lacks the saved queries, the log of
    requests, the topic's key, the policies that ask for TLS and, unless they are asked for, user pool and authorizer.
    Production lacks the reference page: its function with role, logs and permission, its routes and the integration of
    both."""
    kinds = {name: {key: entry["Type"] for key, entry in item["Resources"].items()} for name, item in templates.items()}
    assert kinds["prod"].items() <= kinds["dev"].items()
    assert sorted(kind.split("::", 1)[1] for name, kind in kinds["dev"].items() if name not in kinds["prod"]) == [
        *("ApiGatewayV2::Integration", "ApiGatewayV2::Route", "ApiGatewayV2::Route"),
        *("IAM::Role", "Lambda::Function", "Lambda::Permission", "Logs::LogGroup"),
    ]
    assert "DocsUrl" not in templates["prod"]["Outputs"]
    missing = [kind for name, kind in kinds["dev"].items() if name not in kinds["local"] and kind not in IDENTITY]
    once = dict.fromkeys(
        ("AWS::Logs::LogGroup", "AWS::Logs::ResourcePolicy", "AWS::KMS::Key", "AWS::SNS::TopicPolicy"), 1
    )
    assert Counter(missing) == once | {"AWS::Logs::QueryDefinition": len(QUERIES), "AWS::SQS::QueuePolicy": 3}
    assert kinds["local"].items() <= kinds["dev"].items()


PRODUCTION_DIFFERS = {
    "Cognito::UserPool": {"DeletionProtection"},
    "Cognito::UserPoolClient": {"ExplicitAuthFlows"},
    "DynamoDB::Table": {"DeletionProtectionEnabled", "PointInTimeRecoverySpecification"},
    "Lambda::Function": {"ReservedConcurrentExecutions"},
    "Logs::LogGroup": {"RetentionInDays"},
    "Logs::QueryDefinition": {"LogGroupNames"},  # without the reference page's
    "Logs::ResourcePolicy": {"PolicyName"},
}


def test_production_differs_only_in_these_properties(templates: dict[str, dict[str, Any]]) -> None:
    """Production's resources have the properties of dev's, apart from these: what is asserted on dev holds there."""
    dev, prod = (
        json.loads(re.sub(rf"turnstile-{stage}\b|\({stage}\)", "STAGE", json.dumps(templates[stage]["Resources"])))
        for stage in ("dev", "prod")
    )
    found: dict[str, set[str]] = {}
    for name, resource in prod.items():
        was, is_ = dev[name].get("Properties", {}), resource.get("Properties", {})
        if differ := {key for key in was.keys() | is_.keys() if was.get(key) != is_.get(key)}:
            found.setdefault(resource["Type"].removeprefix("AWS::"), set()).update(differ)
    assert found == PRODUCTION_DIFFERS
