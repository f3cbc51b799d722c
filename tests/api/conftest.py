"""One mocked AWS for each module of tests, and in it a fresh set of tables and queues for each test.

moto is right for one thread at a time only; what needs more is proven in `tests/integration` and `tests/e2e`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from tests.api.forgetting import register_everywhere
from tests.support.pipeline import Pipeline

REGION = "eu-central-1"

_numbers = count(1)


@pytest.fixture(scope="module")
def aws_clients() -> Iterator[tuple[Any, Any]]:
    """Clients of a mocked DynamoDB and a mocked SQS that try once only, so that injected faults cost no time."""
    once = Config(retries={"total_max_attempts": 1})
    with mock_aws():
        yield boto3.client("dynamodb", REGION, config=once), boto3.client("sqs", REGION, config=once)


@pytest.fixture(scope="module")
def shared(aws_clients: tuple[Any, Any]) -> Pipeline:
    """One for all tests of a module, for those that change nothing: most refusals."""
    return new_pipeline(aws_clients)


@pytest.fixture
def pipeline(aws_clients: tuple[Any, Any]) -> Pipeline:
    """One for a single test."""
    return new_pipeline(aws_clients)


def new_pipeline(clients: tuple[Any, Any]) -> Pipeline:
    """Empty tables and queues, with all handlers around them."""
    return Pipeline(*clients, prefix=f"t{next(_numbers)}-")


@pytest.fixture(autouse=True)
def _closed(socket_disabled: None) -> None:
    """What goes past the mocks goes nowhere."""


Act = Callable[[dict[str, Any]], Any]


class Taps:
    """Lets a test act at the moment at which an AWS call is made."""

    def __init__(self, clients: dict[str, Any]) -> None:
        self._clients = clients
        self._undo: list[Callable[[], None]] = []

    def before(self, call: str, act: Act, times: int = 1) -> None:
        """Runs `act(request)` before the next `times` calls of `dynamodb.PutItem` or the like.

        What it returns, if anything, is the answer to the call: see `refusal`.
        """
        left = [times]

        def tap(params: dict[str, Any], **_: Any) -> Any:
            if not left[0]:
                return None
            left[0] -= 1
            return act(params)

        events = self._clients[call.partition(".")[0]].meta.events
        events.register_first(f"before-call.{call}", tap)
        self._undo.append(lambda: events.unregister(f"before-call.{call}", tap))

    def fail(self, call: str, code: str, status: int = 400, times: int = 1) -> None:
        """Refuses the next `times` calls."""
        self.before(call, lambda _: refusal(code, status), times)

    def remove(self) -> None:
        """Back to normal."""
        for undo in self._undo:
            undo()
        self._undo.clear()


def refusal(code: str, status: int = 400) -> Any:
    """An error as the SDK reads it off the wire. Its text must not reach a client."""
    metadata = {"HTTPStatusCode": status}
    error = {"Code": code, "Message": "text that only AWS knows"}
    return SimpleNamespace(status_code=status), {"Error": error, "ResponseMetadata": metadata}


@pytest.fixture
def taps(aws_clients: tuple[Any, Any]) -> Iterator[Taps]:
    """Acts and faults at AWS calls, gone after the test."""
    taps = Taps({"dynamodb": aws_clients[0], "sqs": aws_clients[1]})
    yield taps
    taps.remove()


@pytest.fixture
def ready(pipeline: Pipeline) -> Pipeline:
    """ann has something at each event that she can be forgotten at."""
    register_everywhere(pipeline)
    return pipeline
