"""The auditor sees a ledger that does not count what the registrations say, and takes nothing else for one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.bench import Bench
from tests.support.builders import EVENT, cancel, promote, register
from tests.support.telemetry import log_lines, metrics
from workers.auditor import Auditor

pytestmark = pytest.mark.integration


@pytest.fixture
def auditor(bench: Bench) -> Auditor:
    """On the tables of the bench, by its clock."""
    return Auditor(bench.pipeline.dynamodb, bench.tables.ledger, bench.tables.registrations, bench.pipeline.clock)


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """What is logged."""
    with log_lines() as kept:
        yield kept


def drift(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines that speak of drift."""
    return [line for line in lines if line["message"] == "ledger drift"]


def busy_event(bench: Bench) -> None:
    """One of every status: a seat taken, one waiting, one cancelled; and a second event without anybody."""
    bench.add_queueing_event(1)
    bench.add_event(0, "full")
    bench.deliver_all(register("ann"), register("bob"), register("cid"), cancel("ann"), promote(), cancel("ann"))
    bench.deliver_all(register("ann", event="full"))


def spoil(bench: Bench, name: str, change: int) -> None:
    """A hand on the table: a number of the ledger is no longer what it was."""
    bench.db.update_item(
        TableName=bench.tables.ledger,
        Key={"eventId": {"S": EVENT}},
        UpdateExpression="ADD #name :change",
        ExpressionAttributeNames={"#name": name},
        ExpressionAttributeValues={":change": {"N": str(change)}},
    )


def test_sound_ledgers(bench: Bench, auditor: Auditor, lines: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Ledgers that agree with their registrations are counted, and nothing is said against them."""
    busy_event(bench)
    capsys.readouterr()
    before = bench.stored()
    auditor.handle()
    assert metrics(capsys.readouterr().out) == {"LedgersAudited": [2], "LedgerDrift": [0]}
    assert drift(lines) == []
    assert bench.stored() == before


@pytest.mark.parametrize("change", [1, -1])
def test_a_count_that_is_off(
    bench: Bench, auditor: Auditor, lines: Any, capsys: pytest.CaptureFixture[str], change: int
) -> None:
    """One seat too many or too few is drift: the line says what the ledger has and what was counted."""
    busy_event(bench)
    spoil(bench, "confirmed", change)
    capsys.readouterr()
    auditor.handle()
    assert metrics(capsys.readouterr().out) == {"LedgersAudited": [2], "LedgerDrift": [1]}
    (line,) = drift(lines)
    assert (line["level"], line["event_id"]) == ("ERROR", EVENT)
    assert line["ledger"] == {"confirmed": 1 + change, "waiting": 1}
    assert line["counted"] == {"confirmed": 1, "waiting": 1}


def test_a_waiter_whom_the_line_does_not_know(bench: Bench, auditor: Auditor, lines: Any) -> None:
    """A registration that waits without being in the ledger's line would never be promoted: drift."""
    busy_event(bench)
    bench.db.update_item(
        TableName=bench.tables.ledger, Key={"eventId": {"S": EVENT}}, UpdateExpression="REMOVE line, lineOffset"
    )
    auditor.handle()
    assert [(line["ledger"]["waiting"], line["counted"]["waiting"]) for line in drift(lines)] == [(0, 1)]


def test_a_ledger_that_cannot_be_read(bench: Bench, auditor: Auditor, lines: Any) -> None:
    """It is reported like any other difference, and the others are looked at all the same."""
    busy_event(bench)
    spoil(bench, "confirmed", 1)
    bench.db.put_item(TableName=bench.tables.ledger, Item={"eventId": {"S": "torn"}, "version": {"S": "?"}})
    auditor.handle()
    assert {line["event_id"] for line in drift(lines)} == {"torn", EVENT}
    assert [(line["ledgers"], line["drift"]) for line in lines if line["message"] == "audited"] == [(3, 2)]


def test_an_index_that_lags_is_no_drift(bench: Bench, auditor: Auditor, lines: Any) -> None:
    """The index shows a registration a little later than the ledger: the next look agrees."""
    busy_event(bench)
    hide_from_index(bench, looks=2)
    auditor.handle()
    assert drift(lines) == []


def test_a_ledger_in_motion_is_no_drift(bench: Bench, auditor: Auditor, lines: Any) -> None:
    """Who is registering while the auditor counts makes no alarm, however often it happens."""
    busy_event(bench)
    users = iter(range(100))

    def another(_: dict[str, Any]) -> None:
        bench.deliver(register(f"u{next(users)}"))

    bench.before("Query", another)
    auditor.handle()
    assert drift(lines) == []
    assert "a ledger moves too fast to be audited" in [line["message"] for line in lines]


def hide_from_index(bench: Bench, looks: int) -> None:
    """The next counts of the index miss one registration."""
    left = [looks]

    def less(parsed: dict[str, Any]) -> None:
        if left[0] and parsed["Count"]:
            left[0] -= 1
            parsed["Count"] -= 1

    bench.after("Query", less)
