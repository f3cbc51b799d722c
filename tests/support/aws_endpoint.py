"""An endpoint for AWS SDKs in other processes: moto's DynamoDB and SQS over HTTP, with failures on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

from botocore import xform_name
from botocore.exceptions import ClientError

from tests.support.http_server import Handler, serving

DENIED = {"__type": "AccessDeniedException", "message": "User is not authorized to perform this action"}
"""The answer to a role that lacks a grant; a permanent error."""

Mood = Literal["denying", "silent"]


class Endpoint:
    """The service behind the URL. `clients` by the first word of an operation's target: `DynamoDB`, `AmazonSQS`.

    It answers as AWS does, except for as long as it is `being` something else.
    """

    def __init__(self, **clients: Any) -> None:
        self.url = ""
        self._mood: Mood | None = None
        self._clients = clients
        self._one_at_a_time = threading.Lock()  # moto's transactions are not atomic under threads
        self._over = threading.Event()

    def call(self, target: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        """Return the status and body of one operation, such as `DynamoDB_20120810.GetItem`; None for no answer."""
        if self._mood == "denying":
            return 400, DENIED
        if self._mood == "silent":
            self._over.wait()
            return None
        service, _, operation = target.partition(".")
        client = self._clients[service.partition("_")[0]]
        try:
            with self._one_at_a_time:
                answer: dict[str, Any] = getattr(client, xform_name(operation))(**request)
        except ClientError as error:
            response: Any = dict(error.response)
            status = response.pop("ResponseMetadata")["HTTPStatusCode"]
            said = response.pop("Error")
            return status, {"__type": said["Code"], "message": said["Message"], **response}
        return 200, {name: value for name, value in answer.items() if name != "ResponseMetadata"}

    @contextmanager
    def being(self, mood: Mood) -> Iterator[None]:
        """Deny every operation, or leave it without an answer, while the block runs."""
        self._mood = mood
        try:
            yield
        finally:
            self._mood = None

    @contextmanager
    def open(self) -> Iterator[None]:
        """Answer at `url` while the block runs."""
        with serving(partial(_Operation, self)) as self.url:
            try:
                yield
            finally:
                self._over.set()


class _Operation(Handler):
    def __init__(self, endpoint: Endpoint, *request: Any) -> None:
        self._endpoint = endpoint
        super().__init__(*request)

    def reply(self) -> None:
        if (answer := self._endpoint.call(self.headers["X-Amz-Target"], json.loads(self.content()))) is not None:
            status, body = answer
            self.answer(json.dumps(body).encode(), status, "application/x-amz-json-1.0")
