"""AWS clients, and which of their errors pass by themselves."""

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
    """AWS refused for now, after retries: nobody's fault, try again later."""


def dynamodb() -> DynamoDBClient:
    """A DynamoDB client: short timeouts, three attempts."""
    return cast("DynamoDBClient", _session().create_client("dynamodb", config=_CONFIG))


def sqs() -> SQSClient:
    """An SQS client: short timeouts, three attempts."""
    return cast("SQSClient", _session().create_client("sqs", config=_CONFIG))


@cache
def _session() -> Session:
    # boto3's clients are botocore's. What boto3 adds to them (resources, transfers of files) nobody here uses, and
    # loading it takes a tenth of a cold start.
    return Session()


def is_transient(error: Exception) -> bool:
    """True for throttles, conflicts, 5xx and broken connections: what a later attempt may well get through."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or error.response.get("Error", {}).get("Code") in _TRANSIENT_CODES
    return isinstance(error, HTTPClientError | ConnectionFailed | Overloaded)
