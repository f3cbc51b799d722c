"""The request id in a 500 leads to the line in the log that says what happened."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import httpx
import pytest

from infra.cli.deployment import Clients, Deployment, Outputs
from infra.cli.function_logs import REGISTRATIONS, lines, log_groups
from tests.e2e.damage import damaged
from tests.support.client import at, eventually, unique
from workers.domain.records import registration_id

pytestmark = pytest.mark.e2e


def test_the_request_id_of_a_500_finds_its_log_line(stack: Outputs, api: httpx.Client, aws: Clients) -> None:
    """Of two requests that fail alike, the id in each one's body finds one line in the function's log: its own."""
    event_id, users = unique("event"), [unique("user"), unique("user")]
    answers = []
    for user_id in users:
        with damaged(
            aws.dynamodb, stack.registrations_table, registration_id(event_id, user_id), {"status": {"S": "?"}}
        ):
            answers.append(api.get(at(event_id, user_id)))
    assert [answer.json()["code"] for answer in answers] == ["internal-error"] * 2
    ids = [re.findall(r"under request id (\S+)\.$", answer.json()["detail"])[0] for answer in answers]
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
