"""The templates of dev and prod come up in moto, and what is there is what they say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto.cloudformation.parsing import generate_resource_name

from api.http.routes import DOCS_ROUTES, ROUTES
from tests.infra.second_emulator import ACCOUNT, CALLS, LACKING, MOTOS_TYPES, REGION, deployed

QUEUE = "AWS::SQS::Queue"


@dataclass(frozen=True, slots=True)
class DeployedTemplate:
    """A stage whose template is deployed: physical ids by logical ids."""

    stage: str
    template: dict[str, Any]
    ids: dict[str, str]

    def of_type(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The physical id and the template's properties of every resource of a type."""
        for name, entry in self.template["Resources"].items():
            if entry["Type"] == kind:
                yield self.ids[name], entry["Properties"]

    def function(self, value: Any) -> str:
        """The name of the function whose ARN a template's value is."""
        name, attribute = value["Fn::GetAtt"]
        assert attribute == "Arn"
        return self.ids[name]


@pytest.fixture(scope="module", params=["dev", "prod"])
def stack(request: pytest.FixtureRequest, templates: dict[str, dict[str, Any]]) -> Iterator[DeployedTemplate]:
    """Each stage on AWS, deployed."""
    template = templates[request.param]
    with deployed(f"turnstile-{request.param}", template) as ids:
        yield DeployedTemplate(request.param, template, ids)


def test_every_resource_comes_up(stack: DeployedTemplate) -> None:
    """Every resource is created; missing are only those of the types that moto lacks, and each of them is there."""
    missing = {
        entry["Type"] for name, entry in stack.template["Resources"].items() if stack.ids.get(name, "None") == "None"
    }
    assert missing == set(LACKING)


def test_outputs(stack: DeployedTemplate) -> None:
    """Each output of the template has a value, made of ids that exist."""
    (description,) = boto3.client("cloudformation").describe_stacks(StackName=f"turnstile-{stack.stage}")["Stacks"]
    outputs = {entry["OutputKey"]: entry["OutputValue"] for entry in description["Outputs"]}
    assert outputs.keys() == stack.template["Outputs"].keys()
    assert all(outputs.values())
    assert outputs["UsersTable"] == stack.ids["UsersTable"]
    assert outputs["ApiUrl"].startswith("https://")


def test_tables(stack: DeployedTemplate) -> None:
    """Keys, indexes, streams and deletion protection of every table are those of the template."""
    client, seen = boto3.client("dynamodb"), 0
    for name, wanted in stack.of_type("AWS::DynamoDB::Table"):
        table = client.describe_table(TableName=name)["Table"]
        seen += 1
        assert table["KeySchema"] == wanted["KeySchema"]
        assert table["AttributeDefinitions"] == wanted["AttributeDefinitions"]
        assert table["BillingModeSummary"]["BillingMode"] == wanted["BillingMode"]
        assert table["DeletionProtectionEnabled"] == wanted["DeletionProtectionEnabled"]
        indexes = [
            {key: index[key] for key in ("IndexName", "KeySchema", "Projection")}
            for index in table.get("GlobalSecondaryIndexes", [])
        ]
        assert indexes == wanted.get("GlobalSecondaryIndexes", [])
        stream = table.get("StreamSpecification", {})
        assert stream.get("StreamViewType") == wanted.get("StreamSpecification", {}).get("StreamViewType")
    assert seen >= 4


def test_queues(stack: DeployedTemplate) -> None:
    """Every queue has the attributes of the template, FIFO queues a name that SQS takes, and nobody comes without
    TLS; the queue of commands is redriven to a queue that exists."""
    client = boto3.client("sqs")
    arns = {}
    for url, wanted in stack.of_type(QUEUE):
        answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        attributes = {str(key): value for key, value in answer["Attributes"].items()}
        arns[attributes["QueueArn"]] = attributes
        plain = {key: value for key, value in wanted.items() if not isinstance(value, dict)}
        assert {key: attributes.get(key, "").lower() for key in plain} == {
            key: str(value).lower() for key, value in plain.items()
        }
        assert attributes["QueueArn"].endswith(".fifo") == wanted.get("FifoQueue", False)
        assert "aws:SecureTransport" in attributes["Policy"]
    (policy,) = [attributes["RedrivePolicy"] for attributes in arns.values() if "RedrivePolicy" in attributes]
    assert any(arn in policy for arn in arns)


def test_functions(stack: DeployedTemplate) -> None:
    """Every function has the template's settings, a role that exists, and an environment without a gap; set aside are
    the executions that the template reserves."""
    client, roles = boto3.client("lambda"), {role for role, _ in stack.of_type("AWS::IAM::Role")}
    for name, wanted in stack.of_type("AWS::Lambda::Function"):
        settings = client.get_function_configuration(FunctionName=name)
        for key in ("Handler", "Runtime", "Timeout", "MemorySize"):  # moto's CloudFormation drops the architecture
            assert settings[key] == wanted[key]
        assert settings["Role"].rpartition("/")[2] in roles
        environment = settings["Environment"]["Variables"]
        assert environment.keys() == wanted["Environment"]["Variables"].keys()
        assert not [key for key, value in environment.items() if not value or "None" in value]
        reserved = client.get_function_concurrency(FunctionName=name)
        assert reserved.get("ReservedConcurrentExecutions") == wanted.get("ReservedConcurrentExecutions")


def test_mappings(stack: DeployedTemplate) -> None:
    """Every event source mapping leads from a queue or a stream that exists to the function of the template."""
    sources = {
        *(f"arn:aws:sqs:{REGION}:{ACCOUNT}:{url.rpartition('/')[2]}" for url, _ in stack.of_type(QUEUE)),
        *(
            boto3.client("dynamodb").describe_table(TableName=name)["Table"].get("LatestStreamArn")
            for name, _ in stack.of_type("AWS::DynamoDB::Table")
        ),
    }
    mappings = boto3.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    wanted = [properties for _, properties in stack.of_type("AWS::Lambda::EventSourceMapping")]
    assert {mapping["EventSourceArn"] for mapping in mappings} <= sources
    assert sorted((mapping["FunctionArn"].rpartition(":")[2], mapping["BatchSize"]) for mapping in mappings) == sorted(
        (stack.function(properties["FunctionName"]), properties["BatchSize"]) for properties in wanted
    )


def test_routes(stack: DeployedTemplate) -> None:
    """Every route of the API is there and leads to a function that exists; those that need a token ask the authorizer,
    which trusts the stack's own pool and client."""
    client = boto3.client("apigatewayv2")
    ((api, _),) = stack.of_type("AWS::ApiGatewayV2::Api")
    ((authorizer, _),) = stack.of_type("AWS::ApiGatewayV2::Authorizer")
    functions = {name for name, _ in stack.of_type("AWS::Lambda::Function")}
    targets = {
        f"integrations/{item['IntegrationId']}": item["IntegrationUri"]
        for item in client.get_integrations(ApiId=api, MaxResults="100")["Items"]
    }
    routes = {route["RouteKey"]: route for route in client.get_routes(ApiId=api, MaxResults="200")["Items"]}
    docs = {f"ANY {route.path}" for route in DOCS_ROUTES} if stack.stage == "dev" else set()
    assert routes.keys() >= {*(route.key for route in ROUTES), "$default", *docs}
    for route in routes.values():
        assert any(name in targets[route["Target"]] for name in functions)
    assert {key for key, route in routes.items() if route.get("AuthorizerId") == authorizer} == {
        route.key for route in ROUTES if not route.public
    }
    jwt = client.get_authorizer(ApiId=api, AuthorizerId=authorizer)["JwtConfiguration"]
    ((pool, _),) = stack.of_type("AWS::Cognito::UserPool")
    ((app, _),) = stack.of_type("AWS::Cognito::UserPoolClient")
    assert jwt == {"Issuer": f"https://cognito-idp.{REGION}.amazonaws.com/{pool}", "Audience": [app]}


def test_alarms(stack: DeployedTemplate) -> None:
    """Every alarm is there and tells the topic."""
    ((topic, _),) = stack.of_type("AWS::SNS::Topic")
    alarms = boto3.client("cloudwatch").describe_alarms(MaxRecords=100)["MetricAlarms"]
    assert {alarm["AlarmName"] for alarm in alarms} == {name for name, _ in stack.of_type("AWS::CloudWatch::Alarm")}
    assert {tuple(alarm["AlarmActions"]) for alarm in alarms} == {(topic,)}


def test_what_moto_lacks(templates: dict[str, dict[str, Any]]) -> None:
    """No type is made by a call of ours, or left out, that moto's CloudFormation makes, or that no template has."""
    used = {entry["Type"] for name in ("dev", "prod") for entry in templates[name]["Resources"].values()}
    assert {*CALLS, *LACKING} <= used
    assert (CALLS.keys() | LACKING.keys()) & MOTOS_TYPES == {QUEUE}
    assert not generate_resource_name(QUEUE, "stack", "Queue").endswith(".fifo")


def test_moto_has_no_saved_queries(stack: DeployedTemplate) -> None:
    """What is left out cannot be made by a call of ours either."""
    assert set(LACKING) == {"AWS::Logs::QueryDefinition"}
    with pytest.raises(NotImplementedError):
        boto3.client("logs").put_query_definition(name="query", queryString="fields @message")
