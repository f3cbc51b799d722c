"""Fixtures: one mocked AWS per module, with fresh tables and queues for each test (moto cannot run several threads)."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from tests.api.erasure import register_everywhere
from tests.support import faults
from tests.support.pipeline import Answer, Pipeline

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

REGION = "eu-central-1"

_HANGING_SECONDS = 60
_numbers = count(1)


class AwsClients(NamedTuple):
    """Clients of a mocked AWS."""

    dynamodb: DynamoDBClient
    sqs: SQSClient


@pytest.fixture(scope="module")
def aws_clients() -> Iterator[AwsClients]:
    """They try once only, so that injected faults cost no time."""
    once = Config(retries={"total_max_attempts": 1})
    with mock_aws():
        yield AwsClients(boto3.client("dynamodb", REGION, config=once), boto3.client("sqs", REGION, config=once))


@pytest.fixture(scope="module")
def shared(aws_clients: AwsClients) -> Pipeline:
    """One for all tests of a module, for those that change nothing: most refusals."""
    return new_pipeline(aws_clients)


@pytest.fixture
def pipeline(aws_clients: AwsClients) -> Pipeline:
    """One for a single test."""
    return new_pipeline(aws_clients)


def new_pipeline(clients: AwsClients) -> Pipeline:
    """Empty tables and queues, with all handlers around them."""
    return Pipeline(*clients, prefix=f"t{next(_numbers)}-")


class Taps:
    """Lets a test act at the moment at which an AWS call is made."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients
        self._undo: list[Callable[[], None]] = []

    def before(self, call: str, act: faults.Fault, times: int = 1, skip: int = 0) -> None:
        """Runs `act(request)` before so many calls of `dynamodb.PutItem` or the like, after so many others."""
        left = [skip]
        some = faults.times(times, act)

        def tap(params: dict[str, Any], **_: Any) -> Any:
            left[0] -= 1
            return some(params) if left[0] < 0 else None

        self._listen(call.partition(".")[0], f"before-call.{call}", tap)

    def fail(self, call: str, code: str, status: int = 400, times: int = 1) -> None:
        """Refuses the next so many calls."""
        self.before(call, lambda _: faults.refusal(code, status), times)

    def each(self, side: str, act: Callable[[str], object]) -> None:
        """Runs `act(operation)` `before` or `after` every call, of whatever."""

        def hear(model: Any, **_: Any) -> None:
            act(model.name)

        for service in self._clients._fields:
            self._listen(service, f"{side}-call", hear)

    def calls(self) -> list[str]:
        """A list that fills with the names of all calls that are made from now on."""
        made: list[str] = []
        self.each("before", made.append)
        return made

    def remove(self) -> None:
        """Back to normal."""
        for undo in self._undo:
            undo()
        self._undo.clear()

    def _listen(self, service: str, event: str, hear: Callable[..., Any]) -> None:
        events = getattr(self._clients, service).meta.events
        events.register_first(event, hear)
        self._undo.append(lambda: events.unregister(event, hear))


@pytest.fixture
def taps(aws_clients: AwsClients) -> Iterator[Taps]:
    """Acts and faults at AWS calls, gone after the test."""
    taps = Taps(aws_clients)
    yield taps
    taps.remove()


@pytest.fixture
def everywhere(pipeline: Pipeline) -> Pipeline:
    """Ann has a registration at each of EVENTS."""
    register_everywhere(pipeline)
    return pipeline


@pytest.fixture
def undecided(pipeline: Pipeline) -> Pipeline:
    """Ann has asked to be registered at an event with one seat, and nobody decides it before `run`."""
    pipeline.add_event("e", 1)
    pipeline.time.on_sleep.clear()
    assert pipeline.register("e", pipeline.add_user("ann"), Prefer="respond-async").status == 202
    return pipeline


@pytest.fixture
def untouched(shared: Pipeline, taps: Taps) -> Pipeline:
    """A pipeline in which a request that asks AWS for anything is answered with a 500."""

    def touched(operation: str) -> None:
        raise AssertionError(f"AWS was asked: {operation}")

    taps.each("before", touched)
    return shared


@pytest.fixture
def alarm() -> Iterator[None]:
    """Fail a test after a minute: what takes that long can stop the service."""

    def hang(*_: object) -> None:
        raise AssertionError("it takes for ever")

    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(_HANGING_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def assert_refused(answer: Answer, status: int, code: str, pointer: str | None = None) -> None:
    """The problem document of this status and code; one of its places is this one."""
    assert (answer.status, answer.code) == (status, code), answer.body
    assert len(json.dumps(answer.body)) < 10_000
    if pointer is not None:
        assert pointer in [error["pointer"] for error in answer.body["errors"]], answer.body
