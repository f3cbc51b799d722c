"""The bare pipeline: it registers, it answers when the worker has written and not before, it leaves nothing behind."""

from __future__ import annotations

import json
import time

import boto3
import pytest
from moto import mock_aws

from infra.cli.deployment import Clients
from tests.tools.bench import bare_handlers
from tests.tools.bench.bare import bare_pipeline


class _Apis:
    """API Gateway, which moto has only with packages that nothing else here needs: the targets by route, by API."""

    def __init__(self) -> None:
        self.routes: dict[str, dict[str, str]] = {}

    def create_api(self, **_: str) -> dict[str, str]:
        self.routes["one"] = {}
        return {"ApiId": "one"}

    def create_integration(self, *, IntegrationUri: str, **_: str) -> dict[str, str]:  # noqa: N803 - AWS's name
        return {"IntegrationId": IntegrationUri}

    def create_route(self, *, ApiId: str, RouteKey: str, Target: str) -> None:  # noqa: N803 - AWS's names
        self.routes[ApiId][RouteKey] = Target

    def create_stage(self, **_: object) -> None:
        pass

    def delete_api(self, *, ApiId: str) -> None:  # noqa: N803 - AWS's name
        del self.routes[ApiId]


EVENT = {"pathParameters": {"eventId": "pycon"}, "body": json.dumps({"userId": "ada"})}


@mock_aws
def test_it_is_deployed_whole_and_leaves_nothing_behind() -> None:
    """Inside the context there are its two functions, its queue, its table and its API; afterwards there is nothing."""
    session = boto3.Session(region_name="us-east-1")
    clients, iam, apis = Clients(session, None), session.client("iam"), _Apis()
    clients.__dict__["apis"] = apis  # what would be made when first asked for

    def there() -> dict[str, int]:
        return {
            "functions": len(clients.functions.list_functions()["Functions"]),
            "mappings": len(clients.functions.list_event_source_mappings()["EventSourceMappings"]),
            "queues": len(clients.sqs.list_queues().get("QueueUrls", [])),
            "tables": len(clients.dynamodb.list_tables()["TableNames"]),
            "apis": len(apis.routes),
            "roles": len(iam.list_roles()["Roles"]),
        }

    with bare_pipeline(clients, iam, "http://127.0.0.1:1") as url:
        assert there() == {"functions": 2, "mappings": 1, "queues": 1, "tables": 1, "apis": 1, "roles": 1}
        assert url == "http://127.0.0.1:1/_aws/execute-api/one/%24default"
        (target,) = apis.routes["one"].values()
        assert target.endswith(":function:bare-pipeline-enqueue")
    assert set(there().values()) == {0}


@mock_aws
def test_it_answers_once_the_worker_has_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer comes after the worker has had the message and put the registration, and not without that."""
    dynamodb, sqs = bare_handlers.dynamodb, bare_handlers.sqs
    dynamodb.create_table(
        TableName="t",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    queue_url = sqs.create_queue(QueueName="q.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    monkeypatch.setenv("TABLE", "t")
    monkeypatch.setenv("QUEUE_URL", queue_url)
    polls = 0

    def work(seconds: float) -> None:
        nonlocal polls
        polls += 1
        assert seconds == 0.01
        if polls == 3:
            messages = sqs.receive_message(QueueUrl=queue_url)["Messages"]
            bare_handlers.put({"Records": [{"body": message["Body"]} for message in messages]}, None)

    monkeypatch.setattr(time, "sleep", work)
    assert bare_handlers.enqueue(EVENT, None)["statusCode"] == 201
    assert polls == 3
