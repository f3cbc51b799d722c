"""The report of a decision: outcomes and promotions in the log, counts and times as metrics."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.builders import NOW, Book, cancel, change, promote, register, seats
from tests.support.telemetry import log_lines, metrics
from workers.aws.send import ReceivedMessage
from workers.domain.commands import Command, Recount
from workers.domain.records import Totals, registration_id
from workers.metrics import Metric
from workers.registrar.report import CommittedDecision, report
from workers.telemetry import measure

MINUTE = 60_000_000


def reported(book: Book, *commands: Command, now: int = NOW, replay_of: str | None = None) -> list[dict[str, Any]]:
    """Decide the commands and report the decision; return the log lines."""
    decision = book.deliver(*commands, now=now)
    messages = [ReceivedMessage(f"m{n}", f"r{n}", book.event, 2, "", replay_of) for n in range(len(commands))]
    with log_lines() as lines:
        report([CommittedDecision(decision, messages)], now)
    return lines


def test_an_outcome_is_logged_with_its_reason_and_both_ledgers() -> None:
    """One line says who asked for what, what came of it and why, how long it took, and the ledger on both sides."""
    book = Book(seats(1, waitlist=True))
    book.fill("ann")
    (line,) = reported(book, register("bob"), now=NOW + 1_500)
    assert line == {
        "message": "decided",
        "level": "INFO",
        "command": "Register",
        "command_id": "register-bob-1",
        "event_id": "e1",
        "registration_id": registration_id("e1", "bob"),
        "generation": 1,
        "outcome": "waitlisted",
        "reason": "joined-waitlist",
        "latency_ms": 1.5,
        "receives": 2,
        "ledger_before": {"version": 1, "capacity": 1, "confirmed": 1, "waiting": 0, "status": "active"},
        "ledger_after": {"version": 2, "capacity": 1, "confirmed": 1, "waiting": 1, "status": "active"},
    }


def test_a_replay_names_its_dead_letter(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that came out of the dead-letter queue is logged with the id it had there. Its days are no latency."""
    (line,) = reported(Book(seats(1)), register("ann"), replay_of="dead-1")
    assert line["replay_of"] == "dead-1"
    assert "DecisionLatency" not in metrics(capsys.readouterr().out)


def test_a_promotion_is_logged_with_the_time_that_the_seat_was_free(capsys: pytest.CaptureFixture[str]) -> None:
    """From the commit that left a seat free beside a waiter to the commit that gave it away."""
    book = Book(seats(1, waitlist=True))
    book.fill("ann", "bob")
    reported(book, cancel("ann"), now=NOW + MINUTE)
    lines = reported(book, promote(2), now=NOW + 3 * MINUTE)
    assert [line["message"] for line in lines] == ["decided", "promoted"]
    assert (lines[1]["registration_id"], lines[1]["waited_ms"]) == (registration_id("e1", "bob"), 120_000)
    assert metrics(capsys.readouterr().out)["TimeToPromotion"] == [120_000]


def test_a_seat_stays_free_until_the_last_waiter_for_it_is_promoted(capsys: pytest.CaptureFixture[str]) -> None:
    """If promotions take several steps, each counts from the moment at which the seats became free."""
    book = Book(seats(0, waitlist=True))
    book.fill("a", "b", "c")
    book.deliver(change(1, capacity=3), now=NOW + MINUTE)
    for step in (2, 3, 4):
        decision = book.deliver(promote(step), max_promotions=1, now=NOW + step * MINUTE)
        report([CommittedDecision(decision, [])], NOW + step * MINUTE)
    assert metrics(capsys.readouterr().out)["TimeToPromotion"] == [60_000, 120_000, 180_000]
    assert book.ledger.free_since is None


def test_each_free_seat_has_its_own_time(capsys: pytest.CaptureFixture[str]) -> None:
    """One leaves in every batch in which the seat of the one before is given away: each seat was free for a minute."""
    book = Book(seats(3, waitlist=True))
    book.fill("a", "b", "c", "d", "e", "f")
    reported(book, cancel("a"), now=NOW + MINUTE)
    reported(book, promote(2), cancel("b"), now=NOW + 2 * MINUTE)
    reported(book, promote(3), cancel("c"), now=NOW + 3 * MINUTE)
    reported(book, promote(4), now=NOW + 4 * MINUTE)
    assert metrics(capsys.readouterr().out)["TimeToPromotion"] == [60_000] * 3


def test_what_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """Each outcome counts under its name, a rejection under its reason; what changed nothing has no latency.

    No line has a user's id in it: the registration's id stands for it.
    """
    book = Book(seats(1, waitlist=1))
    commands: list[Command] = [*map(register, ("ann", "bob", "cid", "dee", "ann")), cancel("ann"), promote(), promote()]
    lines = reported(book, *commands, change(1, has_waitlist=False), register("eve"), now=NOW + 2_000)
    assert [line["message"] for line in lines] == ["decided"] * 10 + ["promoted"]
    users = {"ann", "bob", "cid", "dee", "eve"}
    assert not [line for line in lines if "user_id" in line or users & set(map(str, line.values()))]
    assert metrics(capsys.readouterr().out) == {
        "Confirmed": [1],
        "Waitlisted": [1],
        "Superseded": [1],
        "Cancelled": [1],
        "Promoted": [1],
        "DecisionLatency": [2.0] * 7,
        "TimeToPromotion": [0],
        "Rejected/waitlist-full": [2],
        "Rejected/event-full": [1],
    }


def test_a_recount_is_logged_and_not_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """Its line keeps the ledger as it was and as it is; it is nobody's request, whether it is written or stale."""
    book = Book(seats(2))
    book.fill("ann")
    book.ledger = replace(book.ledger, confirmed=2)
    command = Recount("recount-1", book.event, 1, Totals(1, last_registered_at=NOW), NOW)
    line, stale = reported(book, command, replace(command, command_id="recount-2"), now=NOW + 2_000)
    assert (line["command"], line["outcome"], line["reason"]) == ("Recount", "recounted", "ledger-rewritten")
    assert (line["ledger_before"]["confirmed"], line["ledger_after"]["confirmed"]) == (2, 1)
    assert "registration_id" not in line
    assert (stale["outcome"], stale["reason"]) == ("superseded", "stale-count")
    assert metrics(capsys.readouterr().out) == {}


def test_more_values_than_one_line_takes(capsys: pytest.CaptureFixture[str]) -> None:
    """CloudWatch takes a hundred values of a metric per line; what is more goes into another line, and none is lost."""
    measure({Metric.DECISION_LATENCY: [float(n) for n in range(250)], Metric.CONFIRMED: 250})
    found = metrics(capsys.readouterr().out)
    assert sorted(found["DecisionLatency"]) == [float(n) for n in range(250)]
    assert found["Confirmed"] == [250]


def test_nothing_to_measure_is_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A metric without a value, or no metric at all, writes nothing."""
    measure({})
    measure({Metric.DECISION_LATENCY: []})
    assert capsys.readouterr().out == ""
