"""Fixtures of the tests of `turnstile verify`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from infra.cli import http_client
from infra.cli.verify import cleanup, end_to_end
from tests.cli.verify.verified_deployment import VerifiedDeployment

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient


@pytest.fixture
def verified(db: DynamoDBClient, sqs: SQSClient, prefix: str, monkeypatch: pytest.MonkeyPatch) -> VerifiedDeployment:
    """The deployment to verify. It runs, and time passes, only while a check waits for it."""
    verified = VerifiedDeployment(db, sqs, prefix)
    monkeypatch.setattr(http_client, "call", verified.call)
    for module in (end_to_end, cleanup):
        time = SimpleNamespace(sleep=verified.time.sleep, monotonic=lambda: verified.time.now / 1e6)
        monkeypatch.setattr(module, "time", time)
    monkeypatch.setattr(end_to_end, "DECISION_WAIT", 2.0)
    return verified
