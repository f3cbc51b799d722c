"""The logs that are searched for personal data, or shown after a failure, are whole."""

from __future__ import annotations

import time

import pytest

from infra.cli.deployment import Clients
from tests.support.client import unique
from tests.support.stacks import whole_log

pytestmark = pytest.mark.e2e

LINES = 12_000


def test_a_long_log_is_read_to_its_end(aws: Clients) -> None:
    """Of a log with more lines than the emulator answers with at once, each is read, once and in order, also where many
    were written at one moment."""
    group = unique("log")
    now = int(time.time() * 1000)
    written = [(now + number // 7, str(number)) for number in range(LINES)]
    aws.logs.create_log_group(logGroupName=group)
    try:
        aws.logs.create_log_stream(logGroupName=group, logStreamName="stream")
        for start in range(0, LINES, 4000):
            events = [{"timestamp": at, "message": text} for at, text in written[start : start + 4000]]
            aws.logs.put_log_events(logGroupName=group, logStreamName="stream", logEvents=events)  # type: ignore[arg-type]
        assert whole_log(aws.logs, group) == written
    finally:
        aws.logs.delete_log_group(logGroupName=group)
