"""Faults of AWS on demand: what a botocore client answers instead of making a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.awsrequest import AWSResponse

Fault = Callable[[dict[str, Any]], Any]
"""Gets the request. Raises, or answers what `refusal` or `answer` made, or None to let the call through."""


class Died(BaseException):
    """The worker's process is gone: nothing catches this."""


def answer(parsed: dict[str, Any], status: int = 200) -> tuple[AWSResponse, dict[str, Any]]:
    """What a call is to have answered, without having been made."""
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": {}, "RetryAttempts": 0}
    return AWSResponse("", status, {}, None), {"ResponseMetadata": metadata, **parsed}  # type: ignore[arg-type]


def refusal(code: str, status: int = 400, **more: Any) -> tuple[AWSResponse, dict[str, Any]]:
    """An error of AWS."""
    return answer({"Error": {"Code": code, "Message": "on demand"}, **more}, status)


def times(count: int, fault: Fault) -> Fault:
    """The fault, but only so many times."""
    left = [count]

    def some(request: dict[str, Any]) -> Any:
        left[0] -= 1
        return fault(request) if left[0] >= 0 else None

    return some


def dies(_: dict[str, Any]) -> None:
    """The process ends here."""
    raise Died
