"""What each function may write with its role: the emulator's IAM says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.cli.deployment import ROOT_KEYS, Clients, Outputs
from tests.support.client import unique

pytestmark = pytest.mark.e2e

MAY_WRITE = {
    "api.entry.users": {"users", "commands"},
    "api.entry.events": {"events", "commands"},
    "api.entry.registrations": {"registrations", "commands"},
    "workers.entry.registrar": {"registrations", "ledger", "dead letters"},
    "workers.entry.promoter": {"commands"},
    "workers.entry.auditor": set(),
}


def test_roles_are_enforced(stack: Outputs, aws: Clients) -> None:
    """With its function's role each may write what it must and nothing else: the ledger is the registrar's alone."""
    tables = {
        "users": (stack.users_table, "userId"),
        "events": (stack.events_table, "eventId"),
        "registrations": (stack.registrations_table, "registrationId"),
        "ledger": (stack.ledger_table, "eventId"),
    }
    queues = {"commands": stack.queue_url, "dead letters": stack.dead_letter_queue_url}
    functions = aws.functions.list_functions()["Functions"]
    roles = {function["Handler"]: function["Role"] for function in functions if function["Handler"] in MAY_WRITE}
    assert set(roles) == set(MAY_WRITE)
    for handler, role in roles.items():
        session = session_as(role, stack)
        dynamodb: Any = session.client("dynamodb", endpoint_url=stack.endpoint_url)
        sqs: Any = session.client("sqs", endpoint_url=stack.endpoint_url)
        writable = {
            # Neither writes anything: the condition fails, and a FIFO queue takes no message without a group.
            *(
                name
                for name, (table, key) in tables.items()
                if allowed(
                    dynamodb.put_item,
                    TableName=table,
                    Item={key: {"S": unique("nothing")}},
                    ConditionExpression=f"attribute_exists({key})",
                )
            ),
            *(name for name, url in queues.items() if allowed(sqs.send_message, QueueUrl=url, MessageBody="nothing")),
        }
        assert writable == MAY_WRITE[handler], handler


def session_as(role: str, stack: Outputs) -> boto3.Session:
    """A session with a function's role, as the function has it."""
    sts = boto3.client(
        "sts",
        region_name=stack.region,
        endpoint_url=stack.endpoint_url,
        aws_access_key_id=ROOT_KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ROOT_KEYS["AWS_SECRET_ACCESS_KEY"],
    )
    keys = sts.assume_role(RoleArn=role, RoleSessionName="end-to-end-test")["Credentials"]
    return boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], stack.region)


def allowed(call: Callable[..., object], **request: object) -> bool:
    """True if a call, which is made so that it fails, is not refused for want of permission."""
    with pytest.raises(ClientError) as failure:
        call(**request)
    return "AccessDenied" not in failure.value.response["Error"]["Code"]
