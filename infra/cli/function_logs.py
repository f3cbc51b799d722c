"""What the functions of a deployment have logged: which log group is whose, and the lines that match a pattern."""

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


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log. `at` is when CloudWatch says that it was written, in milliseconds since 1970."""

    at: int
    text: str

    @property
    def fields(self) -> dict[str, Any]:
        """Its fields if it is a JSON object, as all of ours are; nothing for a line that Lambda itself wrote."""
        try:
            parsed = json.loads(self.text)
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}


def configurations(deployment: Deployment) -> list[FunctionConfigurationResponseTypeDef]:
    """The configuration of every function of the stack."""
    names = deployment.physical_ids("AWS::Lambda::Function")
    return [deployment.clients.functions.get_function_configuration(FunctionName=name) for name in names]


def log_groups(deployment: Deployment) -> dict[str, str]:
    """The name of every function's log group, by the function's handler (`workers.entry.registrar`)."""
    return {
        found["Handler"]: found.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{found['FunctionName']}"
        for found in configurations(deployment)
    }


def lines(logs: CloudWatchLogsClient, group: str, pattern: str, since: float) -> Iterator[list[Line]]:
    """The lines of a group that match and were written since `since` (seconds since 1970), page by page, oldest first.

    The only patterns that the emulator understands as AWS does are one word in quotation marks, and nothing, for every
    line. So the caller has to look at the fields itself. A page may be empty: CloudWatch hands one out whenever it has
    searched for a while. The emulator hands out the first 10,000 lines that match, and does not say if there are more.
    """
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, startTime=int(since * 1000), filterPattern=pattern
    )
    for page in pages:
        yield [Line(event.get("timestamp", 0), event.get("message", "").strip()) for event in page["events"]]
