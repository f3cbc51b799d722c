"""Clients, and which errors are transient."""

from __future__ import annotations

from typing import Any

from botocore import exceptions as aws
from botocore.exceptions import ClientError

from workers.aws import clients
from workers.aws.clock import SYSTEM_CLOCK


def refused(code: str, status: int = 400) -> ClientError:
    """Return the error that a response of AWS becomes."""
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Op")


TRANSIENT_CODES = (
    "ThrottlingException", "RequestThrottled", "OverLimit", "ProvisionedThroughputExceededException",
    "TransactionConflictException", "TransactionInProgressException",
)  # fmt: skip
PERMANENT_CODES = (
    "ValidationException", "AccessDeniedException", "ResourceNotFoundException", "ConditionalCheckFailedException",
)  # fmt: skip
TRANSIENT: list[Exception] = [
    *[refused(code) for code in TRANSIENT_CODES],
    *[refused("Whatever", status) for status in (500, 503)],
    *[error(endpoint_url="u") for error in (aws.EndpointConnectionError, aws.ConnectTimeoutError)],
    *[error(endpoint_url="u") for error in (aws.ReadTimeoutError, aws.ConnectionClosedError)],
    aws.HTTPClientError(error="e"),
    clients.Overloaded("keys left"),
]
PERMANENT: list[Exception] = [
    *[refused(code) for code in PERMANENT_CODES],
    ClientError({}, "Op"),
    aws.NoCredentialsError(),
    aws.ParamValidationError(report="r"),
    aws.UnknownEndpointError(service_name="s", region_name="r"),
    ValueError("no"),
]


def test_transient_errors() -> None:
    """Throttles, conflicts, 5xx and broken connections are transient; what a repetition does not change is not."""
    assert [error for error in TRANSIENT if not clients.is_transient(error)] == []
    assert [error for error in PERMANENT if clients.is_transient(error)] == []


def test_clients_give_up_soon() -> None:
    """Both clients give up within seconds and try three times: a stuck call cannot eat the function's time."""
    for client in (clients.dynamodb(), clients.sqs()):
        config: Any = client.meta.config
        assert (config.connect_timeout, config.read_timeout) == (2, 3)
        assert config.retries == {"mode": "standard", "total_max_attempts": 3}


def test_the_system_clock_counts_microseconds() -> None:
    """Now is microseconds since 1970, and moves while it sleeps."""
    before = SYSTEM_CLOCK.now()
    SYSTEM_CLOCK.sleep(0.001)
    assert 1_700_000_000_000_000 < before < before + 1000 <= SYSTEM_CLOCK.now() < 4_000_000_000_000_000
