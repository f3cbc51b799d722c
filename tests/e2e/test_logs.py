"""Logs: the request id in a 500 leads to its line, and a log is read to its end."""

from __future__ import annotations

import re
import time
from functools import partial
from typing import Any

import httpx
import pytest

from infra.cli.deployment import Clients, Deployment, Outputs
from infra.cli.function_logs import REGISTRATIONS, lines, log_groups
from tests.e2e.back_door import damaged
from tests.support.client import at, eventually, unique
from tests.support.stacks import whole_log
from workers.domain.records import registration_id

pytestmark = pytest.mark.e2e


def test_the_request_id_of_a_500_finds_its_log_line(stack: Outputs, api: httpx.Client, aws: Clients) -> None:
    """Of two requests that fail alike, each one's id finds one line in the function's log: its own."""
    event_id, users = unique("event"), [unique("user"), unique("user")]
    answers = []
    for user_id in users:
        with damaged(
            aws.dynamodb, stack.registrations_table, registration_id(event_id, user_id), {"status": {"S": "?"}}
        ):
            answers.append(api.get(at(event_id, user_id)))
    assert [answer.json()["code"] for answer in answers] == ["internal-error"] * 2
    ids = [re.findall(r"with the request id (\S+)\.$", answer.json()["detail"])[0] for answer in answers]
    assert ids[0] != ids[1]

    group = log_groups(Deployment.resolve())[REGISTRATIONS]

    def look(request_id: str) -> list[dict[str, Any]] | None:
        pages = lines(aws.logs, group, f'"{request_id}"', since=0)
        return [line.fields for page in pages for line in page if line.fields.get("message")] or None

    for request_id in ids:
        (line,) = eventually(partial(look, request_id))
        assert (line["request_id"], line["level"], line["message"]) == (request_id, "ERROR", "unexpected error")
        assert line["event_id"] == event_id
        assert "KeyError" in line["exception"]


def test_a_long_log_is_read_to_its_end(aws: Clients) -> None:
    """A log with more lines than the emulator returns at once is read whole and in order, so that the search for
    personal data misses nothing."""
    group = unique("log")
    now = int(time.time() * 1000)
    written = [(now + number // 7, str(number)) for number in range(12_000)]
    aws.logs.create_log_group(logGroupName=group)
    try:
        aws.logs.create_log_stream(logGroupName=group, logStreamName="stream")
        for start in range(0, 12_000, 4000):
            events = [{"timestamp": at, "message": text} for at, text in written[start : start + 4000]]
            aws.logs.put_log_events(logGroupName=group, logStreamName="stream", logEvents=events)  # type: ignore[arg-type]
        assert whole_log(aws.logs, group) == written
    finally:
        aws.logs.delete_log_group(logGroupName=group)
