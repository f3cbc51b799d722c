"""Fixtures that the tests of the command line share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from infra.cli.deployment import Deployment
from infra.cli.dlq import session, subcommands
from infra.cli.main import main
from tests.cli.command import CommandResult, Turnstile
from tests.cli.dead_letter_stack import DeadLetterStack
from tests.cli.replay_queues import ReplayQueues

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

_NUMBERS = count(1)


@pytest.fixture
def turnstile(capsys: pytest.CaptureFixture[str]) -> Turnstile:
    """Run `turnstile` with some arguments."""

    def run(*arguments: str) -> CommandResult:
        capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as ended:
            code = int(ended.code or 0)
        return CommandResult(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def db() -> Iterator[DynamoDBClient]:
    """One mocked DynamoDB for a module; each test has its own tables."""
    with mock_aws():
        yield boto3.client("dynamodb", "us-east-1")


@pytest.fixture(scope="module")
def sqs() -> Iterator[SQSClient]:
    """One mocked SQS for a module; each test has its own queues."""
    with mock_aws():
        yield boto3.client("sqs")


@pytest.fixture
def prefix() -> str:
    """Return what the names of a test's tables and queues begin with."""
    return f"test-{next(_NUMBERS)}-"


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, db: DynamoDBClient, prefix: str) -> DeadLetterStack:
    """The stack that `turnstile dlq` finds."""
    monkeypatch.setenv("TURNSTILE_HOME", str(tmp_path))
    made = DeadLetterStack(tmp_path, db, prefix)
    for module in (subcommands, session):
        monkeypatch.setattr(module, "SYSTEM_CLOCK", made.sqs.clock)
    monkeypatch.setattr(Deployment, "resolve", lambda _stage: made.deployment)
    return made


@pytest.fixture
def handlers_kept() -> Iterator[None]:
    """Restore the signal handlers: an interrupted command ignores all further signals."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def queues(tmp_path: Path) -> ReplayQueues:
    """Empty queues, and no journal yet."""
    made = ReplayQueues(tmp_path / "journal.jsonl")
    made.sqs.sleep(60)
    return made
