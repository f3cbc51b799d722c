"""A stage's functions under AWS's runtime client, with the settings, tables and queues of its template.

The bundles are those for this machine, whose Python may differ from Lambda's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from moto import mock_aws

from infra.build.bundles import bundle
from infra.functions import FUNCTIONS
from tests.infra.reading import Resources
from tests.support.aws_endpoint import Endpoint
from tests.support.deliveries import record
from tests.support.http_events import bearer_of, claims_of, http_event, passed_on
from tests.support.pii_canaries import watch
from tests.support.runtime_api import Function, install_client

_OF_TABLE = ("AttributeDefinitions", "BillingMode", "KeySchema")
_OF_INDEX = ("IndexName", "KeySchema", "Projection")


class Deployed:
    """The functions by the names of their constructs, such as `ApiUsers`, and their tables and queues."""

    def __init__(self, resources: Resources, directory: Path) -> None:
        self.dynamodb, self.sqs = boto3.client("dynamodb"), boto3.client("sqs")
        self.endpoint = Endpoint(DynamoDB=self.dynamodb, AmazonSQS=self.sqs)
        for name, table in resources.of_type("AWS::DynamoDB::Table").items():
            request: Any = {"TableName": name, **{key: table[key] for key in _OF_TABLE}}
            if indexes := table.get("GlobalSecondaryIndexes"):
                request["GlobalSecondaryIndexes"] = [{key: index[key] for key in _OF_INDEX} for index in indexes]
            self.dynamodb.create_table(**request)
        self.queues = {name: self._queue(name, queue) for name, queue in resources.of_type("AWS::SQS::Queue").items()}
        self._resources = resources
        self._directory = directory
        self.functions: dict[str, Function] = {}

    @property
    def names(self) -> set[str]:
        """Return the names of all functions."""
        return {name.removesuffix("Function") for name in self._resources.of_type("AWS::Lambda::Function")}

    def function(self, name: str) -> Function:
        """Return a function by the name of its construct."""
        if name not in self.functions:
            properties = self._resources.one(f"{name}Function")
            settings = {key: self.queues.get(value, value) for key, value in self.settings(name).items()}
            (spec,) = [spec for spec in FUNCTIONS.values() if spec.construct == name]
            self.functions[name] = Function(
                bundle(spec.bundle or spec.package, "host"),
                properties["Handler"],
                settings | {"AWS_ENDPOINT_URL": self.endpoint.url},
                self._directory / f"{name}.log",
                properties["Timeout"],
            )
        return self.functions[name]

    def settings(self, name: str) -> dict[str, str]:
        """Return the environment variables of a function, with references as text."""
        found: dict[str, str] = self._resources.one(f"{name}Function")["Environment"]["Variables"]
        return found

    def request(self, method: str, path: str, body: object = None, groups: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return the event that API Gateway sends for a request of a signed-in user."""
        claims = claims_of("subject-1", *groups) | {"client_id": self.settings("ApiUsers")["AUTH_AUDIENCE"]}
        headers = {"authorization": bearer_of(claims), "content-type": "application/json", "prefer": "respond-async"}
        event = http_event(method, path, None if body is None else json.dumps(body), headers)
        event["requestContext"]["authorizer"] = {"jwt": {"claims": passed_on(claims)}}
        return event

    def batch(self) -> dict[str, Any]:
        """Receive the messages of the queue of commands, as the event for the registrar."""
        url = self.queues["QueuesCommands"]
        messages = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"])["Messages"]
        for message in messages:
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        groups = [message["Attributes"]["MessageGroupId"] for message in messages]
        found = zip(messages, groups, strict=True)
        return {"Records": [record(message["MessageId"], message["Body"], group, 1) for message, group in found]}

    def log(self, name: str) -> list[str]:
        """Return the lines that a function has logged so far."""
        return self.function(name).log.read_text(encoding="utf-8").splitlines()

    def _queue(self, name: str, properties: dict[str, Any]) -> str:
        fifo = properties.get("FifoQueue", False)
        attributes: Any = {"FifoQueue": "true"} if fifo else {}
        return self.sqs.create_queue(QueueName=name + ".fifo" * fifo, Attributes=attributes)["QueueUrl"]


@contextmanager
def deployed(resources: Resources, directory: Path) -> Iterator[Deployed]:
    """Run the functions of a template while the block runs. Their logs, in the directory, must not name people."""
    install_client(directory)
    with mock_aws():
        stage = Deployed(resources, directory)
        with stage.endpoint.open():
            try:
                yield stage
            finally:
                for function in stage.functions.values():
                    function.close()
        for name, function in stage.functions.items():
            watch(f"the log of {name}", function.log.read_text(encoding="utf-8"))
