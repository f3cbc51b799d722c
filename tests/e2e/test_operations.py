"""`turnstile top`, `trace` and `promote`, the real command against the stack."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.cli.deployment import Clients, Outputs
from tests.e2e.back_door import deliver, find_dead_letter, register_command
from tests.support.client import ApiClient, eventually, unique
from tests.support.stacks import printed, promoter_paused, turnstile
from workers.aws.items import event_key
from workers.aws.messages import encode
from workers.domain.records import registration_id

pytestmark = pytest.mark.e2e


def story_of(event_id: str, user_id: str, ends_with: str) -> list[dict[str, Any]]:
    """Return a registration's timeline once it has that last entry: a line reaches the log shortly after the commit."""

    def look() -> list[dict[str, Any]] | None:
        ended = turnstile("trace", event_id, user_id, "--json")
        story: list[dict[str, Any]] = json.loads(ended.stdout)["story"] if ended.returncode == 0 else []
        return story if story and story[-1]["what"] == ends_with else None

    return eventually(look)


def test_trace_and_top(front: ApiClient) -> None:
    """One cancels, the next is promoted: `trace` shows both timelines in order, and `top` counts what happened."""
    event_id, (leaver, waiter, last) = front.event(1, hasWaitlist=True), front.users(3)
    for user_id in (leaver, waiter, last):
        front.seat(event_id, user_id)
    assert front.cancel(event_id, leaver).status_code == 204
    front.has(event_id, waiter, "confirmed")

    left = story_of(event_id, leaver, "cancelled")
    assert [entry["what"] for entry in left] == ["accepted", "decided", "accepted", "cancelled"]
    assert [entry["log"]["reason"] for entry in left[1::2]] == ["seat-given", "gave-up-seat"]
    assert left[0]["commandId"] == left[1]["commandId"] != left[2]["commandId"] == left[3]["commandId"]
    assert all(entry["requestId"] for entry in left)
    moved_up = story_of(event_id, waiter, "promoted")
    assert [entry["what"] for entry in moved_up] == ["accepted", "decided", "promoted"]
    assert moved_up[1]["log"]["ledger_after"] == {
        "version": 2,
        "capacity": 1,
        "confirmed": 1,
        "waiting": 1,
        "status": "active",
    }
    waits = printed("trace", registration_id(event_id, last))
    assert waits["now"] == "waitlisted: 1st on the waiting list, 0 seats free"

    board = printed("top", "--once")
    at_least = {"confirmed": 1, "waitlisted": 2, "cancelled": 1, "promoted": 1}
    assert all(board["decisions"]["counts"][outcome] >= count for outcome, count in at_least.items())
    assert 0 < board["decisions"]["latencyMs"]["p50"] <= board["decisions"]["latencyMs"]["p90"]
    assert (board["queue"]["visible"], board["failedPromotions"], board["problems"]) == (0, 0, [])
    fullest = board["events"][0]
    event = front.read_event(fullest["eventId"])
    assert (event["currentAttendees"], event["waitlistLength"]) == (fullest["confirmed"], fullest["waiting"])


def test_trace_of_a_dead_letter(stack: Outputs, aws: Clients) -> None:
    """For a parked command `trace` says why, and how to look at it, although nothing was decided."""
    event_id = unique("nowhere")
    (message,) = deliver(aws, stack.queue_url, event_id, encode(register_command(event_id, "ann")))
    letter = eventually(lambda: find_dead_letter(aws, stack.dead_letter_queue_url, message))
    aws.sqs.delete_message(QueueUrl=stack.dead_letter_queue_url, ReceiptHandle=letter["ReceiptHandle"])
    (entry,) = story_of(event_id, "ann", "dead-lettered")
    assert entry["details"].startswith("Register: event-not-found: ")
    assert f"turnstile dlq show {letter['MessageId']}" in entry["details"]


@pytest.fixture
def no_promoter(aws: Clients) -> Iterator[None]:
    """The promoter is paused."""
    with promoter_paused(aws):
        yield


@pytest.mark.usefixtures("no_promoter")
def test_promote(stack: Outputs, aws: Clients, front: ApiClient) -> None:
    """A seat whose promotion failed goes to the first waiter after `turnstile promote`, and the record is deleted."""
    event_id, (leaver, waiter) = front.event(1, hasWaitlist=True), front.users(2)
    for user_id in (leaver, waiter):
        front.seat(event_id, user_id)
    assert front.cancel(event_id, leaver).status_code == 204
    aws.sqs.send_message(QueueUrl=stack.failed_promotions_queue_url, MessageBody="{}")
    waits = printed("trace", event_id, waiter)
    assert waits["now"].startswith("waitlisted: 1st on the waiting list, 1 seat free; a promotion is due")
    ledger = aws.dynamodb.get_item(TableName=stack.ledger_table, Key=event_key(event_id), ConsistentRead=True)["Item"]

    done = printed("promote")
    assert {"eventId": event_id, "ledgerVersion": int(ledger["version"]["N"])} in done["promotions"]
    assert (done["recordsDeleted"], done["recordsKept"]) == (1, 0)
    front.has(event_id, waiter, "confirmed")
    assert printed("promote", "--event", event_id)["promotions"] == []


def test_top_leaves_the_terminal_clean(stack: Outputs) -> None:
    """On a terminal `top` uses the alternate screen; Ctrl-C restores screen and cursor, exit code 0."""
    ours, its = pty.openpty()
    command = [str(Path(sys.executable).parent / "turnstile"), "top", "--interval", "0.2"]
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
    with subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=environment) as process:
        os.close(its)
        seen = b""
        while b"fullest events" not in seen:
            seen += os.read(ours, 65536)
        process.send_signal(signal.SIGINT)
        while chunk := _read(ours):
            seen += chunk
        assert process.wait(10) == 0
    os.close(ours)
    assert seen.count(b"\x1b[?1049h") == seen.count(b"\x1b[?1049l") == 1
    assert seen.rfind(b"\x1b[?25h") > seen.rfind(b"\x1b[?25l")
    assert b"Traceback" not in seen


def _read(descriptor: int) -> bytes:
    """Read from a terminal; return nothing when the other side has closed it."""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""
