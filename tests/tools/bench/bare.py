"""The bare pipeline: the least that a queue-driven registration can be, in the same emulator, to measure Turnstile by.

An HTTP API, a function that enqueues and polls, a FIFO queue, a function that puts, a table. No seats, no checks, no
validation: it is what the emulator and the queue themselves cost. It is deployed with boto3, has its own names, and is
gone when the context ends.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from infra.cli.deployment import ACCOUNT, REGION, Clients

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

_NAME = "bare-pipeline"
_HANDLERS = Path(__file__).with_name("bare_handlers.py")
_ROUTE = "POST /events/{eventId}/registrations"
_BATCH = 10


@contextmanager
def bare_pipeline(clients: Clients, iam: IAMClient, endpoint_url: str) -> Iterator[str]:
    """Deploys it into the emulator at `endpoint_url`, with its root keys; gives the base URL of its API."""
    with ExitStack() as undo:
        role = _role(iam, undo)
        queue_url, queue_arn = _queue(clients, undo)
        _table(clients, undo)
        settings = {"TABLE": _NAME, "QUEUE_URL": queue_url}
        api_function = _function(clients, undo, "enqueue", role, settings)
        worker = _function(clients, undo, "put", role, settings)
        mapping = clients.functions.create_event_source_mapping(
            EventSourceArn=queue_arn, FunctionName=worker, BatchSize=_BATCH
        )
        undo.callback(clients.functions.delete_event_source_mapping, UUID=mapping["UUID"])
        yield f"{endpoint_url}/_aws/execute-api/{_api(clients, undo, api_function)}/%24default"


def _role(iam: IAMClient, undo: ExitStack) -> str:
    """A role that may do what the two functions do, for both: the emulator enforces it."""
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    actions = ["dynamodb:GetItem", "dynamodb:PutItem", "logs:*", "sqs:*"]
    grant = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    arn = iam.create_role(RoleName=_NAME, AssumeRolePolicyDocument=_policy(trust))["Role"]["Arn"]
    undo.callback(iam.delete_role, RoleName=_NAME)
    iam.put_role_policy(RoleName=_NAME, PolicyName=_NAME, PolicyDocument=_policy(grant))
    undo.callback(iam.delete_role_policy, RoleName=_NAME, PolicyName=_NAME)
    return arn


def _policy(statement: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _queue(clients: Clients, undo: ExitStack) -> tuple[str, str]:
    """A FIFO queue like Turnstile's: its URL and its ARN."""
    url = clients.sqs.create_queue(
        QueueName=f"{_NAME}.fifo",
        Attributes={
            "FifoQueue": "true",
            "DeduplicationScope": "messageGroup",
            "FifoThroughputLimit": "perMessageGroupId",
        },
    )["QueueUrl"]
    undo.callback(clients.sqs.delete_queue, QueueUrl=url)
    return url, clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def _table(clients: Clients, undo: ExitStack) -> None:
    clients.dynamodb.create_table(
        TableName=_NAME,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    undo.callback(clients.dynamodb.delete_table, TableName=_NAME)


def _function(clients: Clients, undo: ExitStack, handler: str, role: str, settings: dict[str, str]) -> str:
    """One of the two functions; its ARN."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(_HANDLERS, _HANDLERS.name)
    name = f"{_NAME}-{handler}"
    made = clients.functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler=f"{_HANDLERS.stem}.{handler}",
        Role=role,
        Code={"ZipFile": packed.getvalue()},
        Timeout=15,
        MemorySize=1024,
        Environment={"Variables": settings},
    )
    undo.callback(clients.functions.delete_function, FunctionName=name)
    clients.functions.get_waiter("function_active_v2").wait(FunctionName=name)
    return made["FunctionArn"]


def _api(clients: Clients, undo: ExitStack, function_arn: str) -> str:
    """An HTTP API with the one route; its id."""
    api_id = clients.apis.create_api(Name=_NAME, ProtocolType="HTTP")["ApiId"]
    undo.callback(clients.apis.delete_api, ApiId=api_id)
    integration = clients.apis.create_integration(
        ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationUri=function_arn, PayloadFormatVersion="2.0"
    )
    clients.apis.create_route(ApiId=api_id, RouteKey=_ROUTE, Target=f"integrations/{integration['IntegrationId']}")
    clients.apis.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    clients.functions.add_permission(
        FunctionName=function_arn,
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api_id}/*/*",
    )
    return api_id
