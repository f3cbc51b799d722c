"""The synthesized template: tables, queues, triggers, functions, routes and outputs, and how the stages differ."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest

from api.http.routes import DOCS_ROUTES, FALLBACK, ROUTES
from infra.functions import FUNCTIONS, FunctionSpec
from infra.stack.monitoring.queries import QUERIES
from tests.infra.reading import Resources
from tests.proofs.simulation.simulation import API_SECONDS, PROMOTER_SECONDS, REGISTRAR_SECONDS, VISIBILITIES
from workers import auditor
from workers.aws import clients
from workers.registrar import handler as registrar

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
    """Each table has a simple key and is billed per request."""
    properties = resources.one(table)
    assert properties["KeySchema"] == [{"AttributeName": key, "KeyType": "HASH"}]
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert set(resources.of_type("AWS::DynamoDB::Table")) == TABLES


def test_indexes(resources: Resources) -> None:
    """Registrations can be listed by user and by event, events by date; the indexes project keys only."""
    indexes = {
        (table, index["IndexName"]): ([part["AttributeName"] for part in index["KeySchema"]], index["Projection"])
        for table in TABLES
        for index in resources.one(table).get("GlobalSecondaryIndexes", [])
    }
    only_keys = {"ProjectionType": "KEYS_ONLY"}
    assert indexes == {
        ("EventsTable", "EventsByDateIndex"): (["status", "date"], only_keys),
        ("RegistrationsTable", "UserRegistrationsIndex"): (["userId", "registeredAt"], only_keys),
        ("RegistrationsTable", "EventRegistrationsIndex"): (["eventId", "status#registeredAt"], only_keys),
    }


def test_only_the_ledger_has_a_stream(resources: Resources) -> None:
    """Only the ledger has a stream, with new images."""
    streams = {
        name: item.get("StreamSpecification") for name, item in resources.of_type("AWS::DynamoDB::Table").items()
    }
    assert streams.pop("LedgerTable") == {"StreamViewType": "NEW_IMAGE"}
    assert set(streams.values()) == {None}


def test_queue_of_commands(resources: Resources) -> None:
    """The queue is FIFO with high throughput, with the maximum retention period and receive count."""
    queue = resources.one("QueuesCommands")
    assert queue["FifoQueue"] is True
    assert queue["DeduplicationScope"] == "messageGroup"
    assert queue["FifoThroughputLimit"] == "perMessageGroupId"
    assert not queue.get("ContentBasedDeduplication")
    assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert queue["RedrivePolicy"] == {"deadLetterTargetArn": "QueuesDeadLetters.Arn", "maxReceiveCount": 1000}


def test_dead_letter_queue(resources: Resources) -> None:
    """The dead-letter queue is FIFO and keeps messages for 14 days."""
    queue = resources.one("QueuesDeadLetters")
    assert queue["FifoQueue"] is True
    assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_visibility_timeout(resources: Resources) -> None:
    """The visibility timeout is at least six times the registrar's timeout."""
    timeout = resources.one("WorkersRegistrarFunction")["Timeout"]
    assert resources.one("QueuesCommands")["VisibilityTimeout"] >= 6 * timeout


def test_trigger_of_the_registrar(resources: Resources) -> None:
    """The registrar gets at most ten commands and reports failures of each; its concurrency is limited."""
    assert resources.one("TriggersCommands") == {
        "EventSourceArn": "QueuesCommands.Arn",
        "FunctionName": "WorkersRegistrarFunction.Arn",
        "BatchSize": 10,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 50},
    }


def test_trigger_of_the_promoter(resources: Resources) -> None:
    """The promoter gets promotable ledgers only; failures are bisected, retried for 23 hours, and kept."""
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


def test_trigger_of_the_eraser(resources: Resources) -> None:
    """The eraser gets an erasure after 35 s, when no request to register can be left; a failed one comes again."""
    queue = resources.one("QueuesErasures")
    assert (queue["DelaySeconds"], queue["VisibilityTimeout"], "FifoQueue" in queue) == (35, 360, False)
    assert resources.one("TriggersUsersErased") == {
        "EventSourceArn": "QueuesErasures.Arn",
        "FunctionName": "WorkersEraserFunction.Arn",
        "BatchSize": 10,
        "ScalingConfig": {"MaximumConcurrency": 2},
    }


def test_trigger_of_the_auditor(resources: Resources) -> None:
    """A rule invokes the auditor every six hours."""
    rule = resources.one("TriggersAuditDue")
    assert rule["ScheduleExpression"] == "rate(6 hours)"
    assert rule.get("State", "ENABLED") == "ENABLED"
    assert [target["Arn"] for target in rule["Targets"]] == ["WorkersAuditorFunction.Arn"]


def test_routes(resources: Resources) -> None:
    """The API has exactly the routes of the table, each to its function, a fallback, and every method on the paths of
    the reference page."""
    integrations = resources.of_type("AWS::ApiGatewayV2::Integration")
    found = {}
    for route in resources.of_type("AWS::ApiGatewayV2::Route").values():
        integration = integrations[route["Target"].removeprefix("integrations/")]
        found[route["RouteKey"]] = integration["IntegrationUri"]
        assert integration["PayloadFormatVersion"] == "2.0"
    expected = {f"{route.method} {route.path}": route.function for route in ROUTES} | {"$default": FALLBACK}
    expected |= {f"ANY {route.path}": route.function for route in DOCS_ROUTES}
    assert found == {key: f"Api{name.capitalize()}Function.Arn" for key, name in expected.items()}


@pytest.mark.parametrize("spec", FUNCTIONS.values(), ids=FUNCTIONS)
def test_functions(resources: Resources, stage_name: str, spec: FunctionSpec) -> None:
    """Each function runs its handler on Python 3.13, with its own log group, role and settings; on arm64 on AWS."""
    function = resources.one(f"{spec.construct}Function")
    assert (function["Handler"], function["Runtime"]) == (spec.handler, "python3.13")
    assert (function["MemorySize"], function["Timeout"]) == (spec.memory_mb, spec.timeout_seconds)
    assert function["Role"] == f"{spec.construct}Role.Arn"
    assert function["LoggingConfig"] == {"LogGroup": f"{spec.construct}Logs"}
    assert resources.one(f"{spec.construct}Logs")["RetentionInDays"] > 0
    assert stage_name == "local" or function["Architectures"] == ["arm64"]
    variables = function["Environment"]["Variables"]
    not_local = {"AUTH_AUDIENCE", "AUTH_GROUPS_CLAIM", "WRITES_PER_SECOND", "WRITES_BURST"}
    expected = set(spec.settings) - (not_local if stage_name == "local" else set())
    assert set(variables) == expected | {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_LOG_LEVEL"}
    assert variables["POWERTOOLS_SERVICE_NAME"] == f"turnstile-{stage_name}"  # which alarms and dashboard look for
    assert variables.get("QUEUE_URL", "QueuesCommands") == "QueuesCommands"
    assert not variables.get("API_URL", "").endswith("/")


def test_no_other_functions_and_triggers(resources: Resources) -> None:
    """The table lists all functions, and those that a queue or a stream invokes have an event source mapping."""
    specs = FUNCTIONS.values()
    assert set(resources.of_type("AWS::Lambda::Function")) == {f"{spec.construct}Function" for spec in specs}
    mappings = resources.of_type("AWS::Lambda::EventSourceMapping").values()
    assert {mapping["FunctionName"] for mapping in mappings} == {
        f"{spec.construct}Function.Arn" for spec in specs if spec.invoked_by in {"queue", "stream"}
    }


def test_timeouts_of_the_api() -> None:
    """A registration may wait ten seconds for its decision and is answered before API Gateway gives up after thirty."""
    assert all(10 < FUNCTIONS[name].timeout_seconds < 30 for name in ("registrations", "events"))


def test_workers_end_before_they_are_killed() -> None:
    """A worker that starts nothing after its time limit has time for one more call that fails in every attempt."""
    config: Any = clients._CONFIG
    call = config.read_timeout * config.retries["total_max_attempts"]
    for name, limit in (("registrar", registrar._TIME_LIMIT), ("auditor", auditor._TIME_LIMIT)):
        assert FUNCTIONS[name].timeout_seconds >= limit / 1_000_000 + call


def test_times_of_the_simulation(resources: Resources) -> None:
    """The simulation gives functions and messages the same times."""
    times = [FUNCTIONS[name].timeout_seconds for name in ("registrations", "events", "registrar", "promoter")]
    assert times == [API_SECONDS, API_SECONDS, REGISTRAR_SECONDS, PROMOTER_SECONDS]
    assert resources.one("QueuesCommands")["VisibilityTimeout"] == VISIBILITIES[0]


def test_outputs(template: dict[str, Any], stage_name: str) -> None:
    """The outputs are those that the command line reads; the API's URL has no trailing slash."""
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
    """Only the local API has the tag that fixes its id."""
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
    assert Counter(missing) == once | {"AWS::Logs::QueryDefinition": len(QUERIES), "AWS::SQS::QueuePolicy": 4}
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
