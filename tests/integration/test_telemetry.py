"""The registrar's log and metrics: batches, retries, separate commits, parked messages, replays."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.integration.bench import Bench
from tests.integration.state import CONFLICT, damage_ledger, with_poison
from tests.support.builders import EVENT, NOW, cancel, register
from tests.support.deliveries import batch
from tests.support.faults import refusal, times
from tests.support.telemetry import log_lines, metrics
from workers.domain.records import registration_id

pytestmark = pytest.mark.integration


def test_a_batch_is_measured_as_delivered(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """Ten messages are a batch of ten, however many events and steps they make."""
    events = [bench.add_event(9, f"e{n}") for n in range(5)]
    bench.deliver(*[register(user, event=event) for event in events for user in ("ann", "bob")])
    found = metrics(capsys.readouterr().out)
    assert (found["BatchSize"], found["Confirmed"]) == ([10], [10])
    assert "Retried" not in found


def test_a_stuck_event_is_measured_at_each_delivery(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """While a ledger is undecodable, each delivery measures how long its oldest command has waited, without naming
    anybody. Two deliveries are a quarter of an hour apart at most."""
    bench.add_event(9)
    bench.deliver_all(register("ann"))
    damage_ledger(bench, "SET confirmed = :text", text={"S": "?"})
    capsys.readouterr()
    pauses, waited = [], 0
    for receives in range(1, 31):
        bench.deliver(replace(register("bob"), accepted_at=bench.pipeline.time.now), register("cid"), receives=receives)
        (line,) = [line for line in capsys.readouterr().out.splitlines() if "FailedCommandAge" in line]
        assert metrics(line) == {"BatchSize": [2], "Retried": [2], "FailedCommandAge": [waited]}
        assert set(json.loads(line)) == {"_aws", "service", "BatchSize", "Retried", "FailedCommandAge"}
        pauses.append(bench.hidden[0])
        waited += bench.hidden[0]
        bench.pipeline.time.now += bench.hidden[0] * 1_000_000
    assert (max(pauses[:20]), max(pauses)) == (30, 900)


def test_the_age_of_a_replay_begins_with_the_replay(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """A replay that is given back has waited since the replay, and so has a message that is no command."""
    week = 7 * 24 * 3600 * 1_000_000
    bench.pipeline.time.now += week
    bench.before("BatchGetItem", lambda _: refusal("ThrottlingException"))
    event = batch(register("ann"), (EVENT, "rubbish"))
    event["Records"][0]["messageAttributes"] = {"replayOf": {"stringValue": "dead-1", "dataType": "String"}}
    for record in event["Records"]:
        record["attributes"]["SentTimestamp"] = str((NOW + week) // 1000 - 5_000)
    bench.registrar.handle(event)
    assert metrics(capsys.readouterr().out)["FailedCommandAge"] == [5]


def test_a_commit_that_falls_back_is_counted(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """A transaction of two events that is refused is counted once; each event then commits alone."""
    events = [bench.add_event(9, event) for event in ("a", "b")]
    bench.before("TransactWriteItems", times(1, lambda _: CONFLICT))
    bench.deliver(*[register("ann", event=event) for event in events])
    found = metrics(capsys.readouterr().out)
    assert (found["CommitsFallenBack"], found["Confirmed"]) == ([1], [1, 1])


def test_the_line_about_a_parked_message(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """It has the command, the registration, the reason, and the id in the dead-letter queue."""
    with_poison(bench)
    with log_lines() as lines:
        bench.deliver(cancel("bob"), receives=3)
    (line,) = [line for line in lines if line["message"].startswith("a message was parked")]
    (parked,) = bench.dead_letters()
    assert line == {
        "message": "a message was parked in the dead-letter queue",
        "level": "ERROR",
        "message_id": "m0",
        "dead_letter_id": parked["MessageId"],
        "group": EVENT,
        "receives": 3,
        "reason": "failed: ValueError while deciding Cancel",
        "command": "Cancel",
        "command_id": "cancel-bob-1",
        "event_id": EVENT,
        "registration_id": registration_id(EVENT, "bob"),
        "generation": 1,
    }
    assert metrics(capsys.readouterr().out)["DeadLettered"] == [1]


def test_a_replay_is_logged_and_parked_as_one(bench: Bench) -> None:
    """A message that names the dead letter it replays is logged with it, and keeps it when it is parked again.

    The line about an undecodable message has its id, group and reason, but nothing of its body.
    """
    bench.add_event(9)
    event = batch(register("ann"), (EVENT, "secret"))
    for record in event["Records"]:
        record["messageAttributes"] = {"replayOf": {"stringValue": "dead-1", "dataType": "String"}}
    with log_lines() as lines:
        bench.registrar.handle(event)
    assert [line["replay_of"] for line in lines if line["message"] == "decided"] == ["dead-1"]
    (line,) = [line for line in lines if line["message"].startswith("a message was parked")]
    assert (line["message_id"], line["group"], line["reason"]) == ("m1", EVENT, "unreadable: the body is not JSON")
    assert "secret" not in str(lines)
    (parked,) = bench.dead_letters()
    assert parked["MessageAttributes"]["replayOf"]["StringValue"] == "dead-1"


def test_failures_are_logged_event_by_event(bench: Bench) -> None:
    """The log of one event says why its commands wait: each line names one event and one of its commands."""
    events = [bench.add_event(9, event) for event in ("a", "b")]
    bench.before("TransactWriteItems", lambda _: CONFLICT)
    with log_lines() as lines:
        bench.deliver(*[register("ann", event=event) for event in events])
    found = [(line["message"], line["event_id"], line["command_id"]) for line in lines]
    assert found == [
        ("a common commit was refused; this event goes alone", "a", "register-ann-1"),
        ("a common commit was refused; this event goes alone", "b", "register-ann-1"),
        ("the event's commands will be tried again", "a", "register-ann-1"),
        ("the event's commands will be tried again", "b", "register-ann-1"),
    ]
    assert {line["level"] for line in lines} == {"WARNING"}
