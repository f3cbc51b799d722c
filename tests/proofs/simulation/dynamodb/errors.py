"""The errors of the in-memory DynamoDB: botocore's classes and shapes."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError


class RequestRefused(Exception):
    """DynamoDB refuses the request. `more` are further members of the response. Becomes a ClientError."""

    def __init__(self, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.more = more


class Invalid(RequestRefused):
    """A ValidationException: the request is wrong, whatever is stored."""

    def __init__(self, message: str) -> None:
        super().__init__("ValidationException", message)


class Exceptions:
    """`client.exceptions`: a class for each error that is raised here and has one in DynamoDB's service model. A
    ValidationException has none: it comes as a plain ClientError."""

    class ConditionalCheckFailedException(ClientError):
        """A single write's condition does not hold."""

    class IdempotentParameterMismatchException(ClientError):
        """The token was used for another request."""

    class TransactionCanceledException(ClientError):
        """No item of the transaction was written; CancellationReasons say why."""

    class TransactionConflictException(ClientError):
        """A transaction has the item."""

    ClientError = ClientError  # last: the classes above are made from botocore's own


def error(operation: str, code: str, message: str, status: int = 400, **more: Any) -> ClientError:
    """Return the exception that a boto3 client raises; `more` are further members of its response."""
    kind: type[ClientError] = getattr(Exceptions, code, ClientError)
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": 0},
        **({"message": message} if kind is not ClientError else {}),
        **more,
    }
    return kind(response, operation)
