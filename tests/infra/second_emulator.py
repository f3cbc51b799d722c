"""Deploys a template to moto, an emulator that shares nothing with the one that `turnstile up` starts.

moto's CloudFormation creates the resources, in this process. The types in `CALLS`, which it lacks, are created by the
call to AWS's API that CloudFormation makes, so botocore checks each property against the service's model.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import boto3
from moto import mock_aws
from moto.cloudformation import parsing

ACCOUNT, REGION = "123456789012", "us-east-1"
ASSETS = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
"""The bucket of the CDK's bootstrap."""
MOTOS_TYPES = frozenset(parsing.get_model_map())
"""The types that moto's CloudFormation creates."""

Properties = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """The call that creates a resource of a type.

    `physical_id` is the key of the resource's id in the response or the parameters. `parameters` derives those from the
    resource's generated name and its properties, `attributes` the values for `Fn::GetAtt` from both.
    """

    service: str
    operation: str
    physical_id: str
    parameters: Callable[[str, Properties], Properties] = field(default=lambda _, properties: properties)
    attributes: Callable[[Properties], Mapping[str, str]] = field(default=lambda _: {})

    def has_cfn_attr(self, _: str) -> bool:
        """Accept every attribute; reading a missing one is a KeyError."""
        return True

    def create_from_cloudformation_json(
        self, name: str, entry: Properties, account: str, region: str, **_: Any
    ) -> Resource:
        """Create a resource for moto's CloudFormation."""
        del account
        client = boto3.client(self.service, region_name=region)  # type: ignore[call-overload]  # any service
        parameters = self.parameters(name, entry["Properties"])
        answer = getattr(client, self.operation)(**parameters)
        body = {key: value for value in answer.values() if isinstance(value, dict) for key, value in value.items()}
        found = parameters | body | answer
        return Resource(found[self.physical_id], self.attributes(found), entry["Type"])


@dataclass(slots=True)
class Resource:
    """A created resource in the form that moto's CloudFormation needs."""

    physical_resource_id: str
    attributes: Mapping[str, str]
    type: str
    cf_resource_type: str = ""
    logical_resource_id: str = ""

    def get_cfn_attribute(self, name: str) -> str:
        """Return the value for `Fn::GetAtt`."""
        return self.attributes[name]

    def is_created(self) -> bool:
        """Tell whether it exists."""
        return True


def _named(key: str) -> Callable[[str, Properties], Properties]:
    return lambda name, properties: {key: name} | properties


def _pool(name: str, properties: Properties) -> Properties:
    # The second factors are set by another call (SetUserPoolMfaConfig).
    return {"PoolName": name} | {key: value for key, value in properties.items() if key != "EnabledMfas"}


def _queue(name: str, properties: Properties) -> Properties:
    attributes = {key: value if isinstance(value, str) else json.dumps(value) for key, value in properties.items()}
    return {"QueueName": name + (".fifo" if properties.get("FifoQueue") else ""), "Attributes": attributes}


def _queue_attributes(queue: Properties) -> Mapping[str, str]:
    return {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue['QueueName']}", "QueueName": queue["QueueName"]}


def _queue_policy(_: str, properties: Properties) -> Properties:
    (queue,) = properties["Queues"]
    return {"QueueUrl": queue, "Attributes": {"Policy": json.dumps(properties["PolicyDocument"])}}


def _topic_policy(_: str, properties: Properties) -> Properties:
    (topic,) = properties["Topics"]
    return {"TopicArn": topic, "AttributeName": "Policy", "AttributeValue": json.dumps(properties["PolicyDocument"])}


def _pool_attributes(pool: Properties) -> Mapping[str, str]:
    return {"Arn": pool["Arn"], "ProviderName": f"cognito-idp.{REGION}.amazonaws.com/{pool['Id']}"}


CALLS: Mapping[str, Call] = {
    "AWS::ApiGatewayV2::Api": Call("apigatewayv2", "create_api", "ApiId", attributes=lambda api: api),
    "AWS::ApiGatewayV2::Authorizer": Call("apigatewayv2", "create_authorizer", "AuthorizerId"),
    "AWS::ApiGatewayV2::Integration": Call("apigatewayv2", "create_integration", "IntegrationId"),
    "AWS::ApiGatewayV2::Route": Call("apigatewayv2", "create_route", "RouteId"),
    "AWS::ApiGatewayV2::Stage": Call("apigatewayv2", "create_stage", "StageName"),
    "AWS::CloudWatch::Alarm": Call("cloudwatch", "put_metric_alarm", "AlarmName", _named("AlarmName")),
    "AWS::Cognito::UserPool": Call("cognito-idp", "create_user_pool", "Id", _pool, _pool_attributes),
    "AWS::Cognito::UserPoolClient": Call(
        "cognito-idp", "create_user_pool_client", "ClientId", _named("ClientName"), lambda client: client
    ),
    "AWS::Cognito::UserPoolGroup": Call("cognito-idp", "create_group", "GroupName"),
    "AWS::SNS::TopicPolicy": Call("sns", "set_topic_attributes", "TopicArn", _topic_policy),
    "AWS::SQS::Queue": Call("sqs", "create_queue", "QueueUrl", _queue, _queue_attributes),
    "AWS::SQS::QueuePolicy": Call("sqs", "set_queue_attributes", "QueueUrl", _queue_policy),
}
"""The calls for types that moto's CloudFormation lacks, although moto has their services. It has queues, but names FIFO
queues without `.fifo`, which SQS rejects."""


LACKING: Mapping[str, str] = {
    "AWS::Logs::QueryDefinition": "moto has no saved queries: PutQueryDefinition is not implemented.",
}
"""The types that moto cannot create at all, with the reason. They are left out."""


@contextmanager
def deployed(name: str, template: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Deploy a template as the stack `name` while the block runs, and return physical ids by logical ids.

    If a service rejects a resource, botocore's error is raised.
    """
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": REGION}
    models = {**parsing.get_model_map(), **CALLS}
    with patch.dict("os.environ", keys), patch.object(parsing, "get_model_map", lambda: models), mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=ASSETS)
        for key in _assets(template):
            s3.put_object(Bucket=ASSETS, Key=key, Body=_ZIP)
        boto3.client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")
        resources = {key: item for key, item in template["Resources"].items() if item["Type"] not in LACKING}
        s3.put_object(Bucket=ASSETS, Key="template", Body=json.dumps({**template, "Resources": resources}))
        cloudformation = boto3.client("cloudformation")
        url = f"https://{ASSETS}.s3.amazonaws.com/template"
        cloudformation.create_stack(StackName=name, TemplateURL=url, Capabilities=["CAPABILITY_IAM"])
        (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE", stack
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
        yield {
            entry["LogicalResourceId"]: entry["PhysicalResourceId"]
            for page in pages
            for entry in page["StackResourceSummaries"]
        }


def _assets(template: Mapping[str, Any]) -> set[str]:
    functions = (item for item in template["Resources"].values() if item["Type"] == "AWS::Lambda::Function")
    return {function["Properties"]["Code"]["S3Key"] for function in functions}


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("handler.py", "")
    return file.getvalue()


_ZIP = _zip()
"""In place of the bundles: moto stores a function's code, which is never run."""
