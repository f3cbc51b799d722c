"""A fake deployment for commands that observe one: its functions' logs are lists of lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from infra.cli.deployment import Clients, Deployment, Outputs
from infra.cli.function_logs import REGISTRAR, REGISTRATIONS
from workers.aws.items import timestamp

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

OUTPUTS = Outputs(
    api_url="http://api",
    endpoint_url="http://emulator",
    region="us-east-1",
    queue_url="http://emulator/1/commands.fifo",
    dead_letter_queue_url="http://emulator/1/dead-letters.fifo",
    failed_promotions_queue_url="http://emulator/1/failed-promotions",
    alarm_topic_arn="alarms",
    users_table="users",
    events_table="events",
    registrations_table="registrations",
    ledger_table="ledger",
)
GUARDED = replace(OUTPUTS, user_pool_id="us-east-1_pool", user_pool_client_id="client")
"""The outputs of a stack with authorization."""

HANDLERS = {"Registrations": REGISTRATIONS, "Registrar": REGISTRAR, "Promoter": "workers.entry.promoter"}
"""The functions by name."""


class FakeLogs:
    """CloudWatch Logs as on AWS: filtered by word and start, page by page, an empty page first."""

    def __init__(self) -> None:
        self.lines: dict[str, list[tuple[int, str]]] = {handler: [] for handler in HANDLERS.values()}
        self.fault: Exception | None = None

    def say(self, handler: str, at: float, **fields: object) -> None:
        """Add a function's line, at a time in seconds since 1970, as Powertools writes it."""
        moment = timestamp(round(at * 1000) * 1000)
        written = f"{moment[:10]} {moment[11:19]},{moment[20:23]}+0000"
        self.lines[handler].append((round(at * 1000), json.dumps({"timestamp": written, **fields})))

    def measure(self, handler: str, at: float, **values: object) -> None:
        """Add a line of metrics."""
        blob = {"_aws": {"CloudWatchMetrics": [{"Namespace": "Turnstile"}]}, "service": "turnstile-local", **values}
        self.lines[handler].append((round(at * 1000), json.dumps(blob)))

    def get_paginator(self, operation: str) -> FakeLogs:
        """Return the paginator of `filter_log_events`."""
        assert operation == "filter_log_events"
        return self

    def paginate(self, logGroupName: str, startTime: int, filterPattern: str) -> Iterator[Any]:  # noqa: N803 - the SDK's names
        """Yield the pages."""
        if self.fault is not None:
            raise self.fault
        word = filterPattern.strip('"')
        lines = self.lines[logGroupName.removeprefix("/logs/")]
        yield {"events": []}
        for at, text in lines:
            if at >= startTime and word in text:
                yield {"events": [{"timestamp": at, "message": text + "\n"}]}


class _Functions:
    def get_function_configuration(self, FunctionName: str) -> dict[str, Any]:  # noqa: N803 - the SDK's name
        handler = HANDLERS[FunctionName]
        return {"FunctionName": FunctionName, "Handler": handler, "LoggingConfig": {"LogGroup": f"/logs/{handler}"}}


def outputs_of(pipeline: Pipeline) -> Outputs:
    """Return the outputs of a stack that has the queues and tables of this pipeline."""
    tables = pipeline.tables
    return replace(
        OUTPUTS,
        queue_url=pipeline.queue,
        dead_letter_queue_url=pipeline.dead_letters,
        users_table=tables.users,
        events_table=tables.events,
        registrations_table=tables.registrations,
        ledger_table=tables.ledger,
    )


def deployment_of(logs: FakeLogs | None = None, **clients: object) -> Deployment:
    """Return a deployment with these clients, and functions with these logs."""
    given = SimpleNamespace(logs=logs, functions=_Functions(), **clients)
    deployment = Deployment("local", OUTPUTS, cast("Clients", given))
    resources = [{"ResourceType": "AWS::Lambda::Function", "PhysicalResourceId": name} for name in HANDLERS]
    deployment.__dict__["resources"] = resources  # cached on the first request
    return deployment
