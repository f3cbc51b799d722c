"""What the tests of the command line share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from infra.cli.commands import dlq
from infra.cli.deployment import Deployment
from infra.cli.dlq import session
from tests.cli.dead_letter_stack import Stack
from tests.cli.replay_world import World

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient


@pytest.fixture(scope="module")
def db() -> Iterator[DynamoDBClient]:
    """One mocked DynamoDB for all; each test has tables of its own in it."""
    with mock_aws():
        yield boto3.client("dynamodb", "us-east-1")


@pytest.fixture(scope="module")
def sqs() -> Iterator[SQSClient]:
    """One mocked SQS for all; each test has queues of its own in it, as it has tables in `db`."""
    with mock_aws():
        yield boto3.client("sqs")


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, db: DynamoDBClient) -> Stack:
    """It is what `--stage local` finds."""
    monkeypatch.setenv("TURNSTILE_HOME", str(tmp_path))
    made = Stack(tmp_path, db)
    for module in (dlq, session):
        monkeypatch.setattr(module, "SYSTEM_CLOCK", made.sqs.clock)
    monkeypatch.setattr(Deployment, "resolve", lambda _stage: made.deployment)
    return made


@pytest.fixture
def handlers_kept() -> Iterator[None]:
    """For a test that sends this process a signal: an interrupted command ignores all further ones, the tests go on."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Empty queues and no journal yet."""
    made = World(tmp_path / "journal.jsonl")
    made.sqs.sleep(60)
    return made
