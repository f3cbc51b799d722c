"""AWS clients, and which of their errors are transient."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, cast

from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as ConnectionFailed
from botocore.session import Session

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

_CONFIG = Config(
    connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 3}, max_pool_connections=10
)

_TRANSIENT_CODES = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "LimitExceededException",
        "OverLimit",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "ServiceUnavailable",
        "ThrottlingException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)


class Overloaded(Exception):
    """AWS refused a request even after retries. A later attempt may succeed."""


def dynamodb() -> DynamoDBClient:
    """Return a DynamoDB client with short timeouts and three attempts."""
    return cast("DynamoDBClient", _session().create_client("dynamodb", config=_CONFIG))


def sqs() -> SQSClient:
    """Return an SQS client with short timeouts and three attempts."""
    return cast("SQSClient", _session().create_client("sqs", config=_CONFIG))


@cache
def _session() -> Session:
    # boto3's clients are botocore's. What boto3 adds to them (resources, file transfers) is not used here, and loading
    # it would take a tenth of a cold start.
    return Session()


def is_transient(error: Exception) -> bool:
    """Return whether a later attempt may succeed: true for throttles, conflicts, 5xx and broken connections."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or error.response.get("Error", {}).get("Code") in _TRANSIENT_CODES
    return isinstance(error, HTTPClientError | ConnectionFailed | Overloaded)
