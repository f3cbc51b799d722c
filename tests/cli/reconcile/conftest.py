"""Fixtures of the tests of `turnstile reconcile`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from infra.cli.commands import reconcile
from infra.cli.deployment import Deployment
from tests.cli.command import CommandResult, Turnstile
from tests.cli.reconcile.reconcile_stack import ReconcileStack

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient


@pytest.fixture
def stack(db: DynamoDBClient, sqs: SQSClient, prefix: str, monkeypatch: pytest.MonkeyPatch) -> ReconcileStack:
    """The deployment that `turnstile` finds."""
    stack = ReconcileStack(db, sqs, prefix)
    monkeypatch.setattr(Deployment, "resolve", lambda _stage: stack.deployment)
    monkeypatch.setattr(reconcile, "SYSTEM_CLOCK", stack.clock)
    return stack


@pytest.fixture
def run(stack: ReconcileStack, turnstile: Turnstile) -> Callable[..., CommandResult]:
    """Run `turnstile reconcile` on the stack."""
    del stack  # it is what the command finds
    return lambda *arguments: turnstile("reconcile", *arguments)
