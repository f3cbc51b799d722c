"""Settings, clients, and which faults pass by themselves."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import exceptions as aws
from botocore.exceptions import ClientError

from workers.aws import clients
from workers.aws.clock import SYSTEM_CLOCK


def refused(code: str, status: int = 400) -> ClientError:
    """An answer of AWS that is an error."""
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Op")


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (refused("ThrottlingException"), True),
        (refused("RequestThrottled"), True),
        (refused("OverLimit"), True),
        (refused("ProvisionedThroughputExceededException"), True),
        (refused("TransactionConflictException"), True),
        (refused("TransactionInProgressException"), True),
        (refused("Whatever", 500), True),
        (refused("Whatever", 503), True),
        (refused("ValidationException"), False),
        (refused("AccessDeniedException"), False),
        (refused("ResourceNotFoundException"), False),
        (refused("ConditionalCheckFailedException"), False),
        (ClientError({}, "Op"), False),
        (clients.Overloaded("keys left"), True),
        (aws.EndpointConnectionError(endpoint_url="u"), True),
        (aws.ConnectTimeoutError(endpoint_url="u"), True),
        (aws.ReadTimeoutError(endpoint_url="u"), True),
        (aws.ConnectionClosedError(endpoint_url="u"), True),
        (aws.HTTPClientError(error="e"), True),
        (aws.NoCredentialsError(), False),
        (aws.ParamValidationError(report="r"), False),
        (aws.UnknownEndpointError(service_name="s", region_name="r"), False),
        (ValueError("no"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_what_passes_by_itself(error: Exception, passes: bool) -> None:
    """Throttles, conflicts, 5xx and broken connections pass; what asking again does not change does not."""
    assert clients.is_transient(error) is passes


def test_clients_are_impatient() -> None:
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
