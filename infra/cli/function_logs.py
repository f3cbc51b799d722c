"""The logs of a deployment's functions: their log groups, and the lines that match a pattern."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.functions import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_lambda.type_defs import FunctionConfigurationResponseTypeDef
    from mypy_boto3_logs import CloudWatchLogsClient

    from infra.cli.deployment import Deployment

REGISTRATIONS = FUNCTIONS["registrations"].handler
REGISTRAR = FUNCTIONS["registrar"].handler
"""The handlers of the two functions whose log lines name a registration."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log. `at` is its timestamp in CloudWatch, in milliseconds since 1970."""

    at: int
    text: str

    @property
    def fields(self) -> dict[str, Any]:
        """The line's fields if it is a JSON object, as those of the functions are; empty for a line of Lambda's own."""
        try:
            parsed = json.loads(self.text)
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}


def configurations(deployment: Deployment) -> list[FunctionConfigurationResponseTypeDef]:
    """Return the configuration of every function of the stack."""
    names = deployment.physical_ids("AWS::Lambda::Function")
    return [deployment.clients.functions.get_function_configuration(FunctionName=name) for name in names]


def log_groups(deployment: Deployment) -> dict[str, str]:
    """Return the name of every function's log group, by the function's handler (`workers.entry.registrar`)."""
    return {
        found["Handler"]: found.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{found['FunctionName']}"
        for found in configurations(deployment)
    }


def lines(logs: CloudWatchLogsClient, group: str, pattern: str, since: float) -> Iterator[list[Line]]:
    """Yield the matching lines of a group since `since` (seconds since 1970) in pages, oldest first.

    The emulator understands only two patterns as AWS does: a phrase in quotation marks, and the empty pattern, which
    matches every line. So callers must check the fields themselves. A page may be empty: CloudWatch returns one after
    it has searched for a while. The emulator returns at most the first 10,000 matching lines.
    """
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, startTime=int(since * 1000), filterPattern=pattern
    )
    for page in pages:
        yield [Line(event.get("timestamp", 0), event.get("message", "").strip()) for event in page["events"]]
