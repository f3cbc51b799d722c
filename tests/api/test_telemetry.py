"""Logs and metrics of the API: what it accepted, refused, or answered as pending."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.pipeline import Pipeline
from tests.support.telemetry import log_lines, metrics
from workers.domain.records import registration_id
from workers.telemetry import logger


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """The log lines of the test."""
    with log_lines() as kept:
        yield kept


@pytest.fixture
def slow(pipeline: Pipeline) -> Pipeline:
    """An event and a person, and nobody behind the queue."""
    pipeline.add_event("e", 1)
    pipeline.add_user("ann")
    pipeline.time.on_sleep.clear()
    return pipeline


def test_accepted(pipeline: Pipeline, lines: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    """A queued command is logged with the ids that the registrar will log, and without the person; a change of seats
    with its revision. A 201, 204 or 200 does not count as pending."""
    pipeline.add_event("e", 1)
    pipeline.register("e", pipeline.add_user("ann"))
    pipeline.cancel("e", "ann")
    pipeline.request("PATCH", "/events/e", {"capacity": 2})
    accepted = [line for line in lines if line["message"] == "accepted"]
    decided = [line for line in lines if line["message"] == "decided"]
    assert [line["command"] for line in accepted] == ["Register", "Cancel", "Configure"]
    for field in ("command_id", "event_id", "registration_id", "generation", "revision"):
        assert [line.get(field) for line in accepted] == [line.get(field) for line in decided]
    assert accepted[-1]["revision"] == 2
    assert "ann" not in str(accepted)
    assert "PendingAnswers" not in metrics(capsys.readouterr().out)


def test_pending_answers(slow: Pipeline, lines: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    """Each 202 counts, of a registration, a cancellation and a change of seats."""
    answers = [slow.register("e", "ann"), slow.cancel("e", "ann"), slow.request("PATCH", "/events/e", {"capacity": 2})]
    assert [answer.status for answer in answers] == [202] * 3
    assert metrics(capsys.readouterr().out) == {"PendingAnswers": [1, 1, 1]}
    told = [line for line in lines if line["message"] == "answered pending"]
    assert [line.get("registration_id") for line in told] == [registration_id("e", "ann")] * 2 + [None]
    assert {line["event_id"] for line in told} == {"e"}


def test_refused(pipeline: Pipeline, lines: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    """A refusal by the API counts like one by the registrar, and is logged."""
    pipeline.add_event("e", 1)
    pipeline.register("e", pipeline.add_user("ann"))
    capsys.readouterr()
    pipeline.register("e", pipeline.add_user("bob"))
    assert metrics(capsys.readouterr().out) == {"Rejected/event-full": [1]}
    (line,) = [line for line in lines if line["message"] == "refused"]
    assert (line["registration_id"], line["reason"]) == (registration_id("e", "bob"), "event-full")


def test_every_line_of_a_request_says_what_it_is_about(pipeline: Pipeline) -> None:
    """Request, event, command and registration stay with the logger until the next request, and no longer."""
    pipeline.add_event("e", 1)
    pipeline.register("e", pipeline.add_user("ann"))
    keys = logger.get_current_keys()
    assert (keys["request_id"], keys["event_id"]) == ("request-1", "e")
    assert keys["registration_id"] == registration_id("e", "ann")
    assert keys["command_id"]
    pipeline.request("GET", "/users/ann")
    keys = logger.get_current_keys()
    assert [keys[name] for name in ("event_id", "command_id", "registration_id")] == [None] * 3
