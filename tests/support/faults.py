"""Faults of AWS on demand: what a botocore client returns instead of making a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.awsrequest import AWSResponse

Fault = Callable[[dict[str, Any]], Any]
"""Called with the request. Raises, or returns a result of `refusal` or `answer`, or None to make the call."""


class Died(BaseException):
    """The worker's process was killed: nothing catches this."""


def answer(parsed: dict[str, Any], status: int = 200) -> tuple[AWSResponse, dict[str, Any]]:
    """Return a response for a call that is not made."""
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": {}, "RetryAttempts": 0}
    return AWSResponse("", status, {}, None), {"ResponseMetadata": metadata, **parsed}  # type: ignore[arg-type]


def refusal(code: str, status: int = 400, **more: Any) -> tuple[AWSResponse, dict[str, Any]]:
    """Return an error of AWS."""
    return answer({"Error": {"Code": code, "Message": "on demand"}, **more}, status)


def times(count: int, fault: Fault) -> Fault:
    """Return the fault limited to `count` calls."""
    left = [count]

    def some(request: dict[str, Any]) -> Any:
        left[0] -= 1
        return fault(request) if left[0] >= 0 else None

    return some


def dies(_: dict[str, Any]) -> None:
    """Kill the process."""
    raise Died
