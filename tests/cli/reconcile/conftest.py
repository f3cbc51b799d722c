"""What the tests of `turnstile reconcile` share."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from infra.cli.commands import reconcile
from infra.cli.deployment import Deployment
from infra.cli.main import main
from tests.cli.reconcile.world import World

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient


_NUMBERS = count(1)


@pytest.fixture
def world(db: DynamoDBClient, sqs: SQSClient, monkeypatch: pytest.MonkeyPatch) -> World:
    """The deployment that `turnstile` finds."""
    world = World(db, sqs, f"reconcile-{next(_NUMBERS)}-")
    monkeypatch.setattr(Deployment, "resolve", lambda _stage: world.deployment)
    monkeypatch.setattr(reconcile, "SYSTEM_CLOCK", world.clock)
    return world


@pytest.fixture
def said(world: World, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs `turnstile reconcile` with some arguments: its exit code and its lines."""

    def run(*arguments: str) -> tuple[int, list[str]]:
        capsys.readouterr()
        code = main(["reconcile", *arguments])
        captured = capsys.readouterr()
        # The handlers run in this process too, and their log is JSON.
        return code, [line for line in captured.out.splitlines() if not line.startswith("{")] or [captured.err]

    return run
