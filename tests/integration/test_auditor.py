"""The auditor sees a ledger that does not count what the registrations say, and takes nothing else for one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.bench import Bench
from tests.integration.words import damage_ledger
from tests.support.builders import EVENT, cancel, promote, register
from tests.support.telemetry import log_lines, metrics
from workers.auditor import AuditIncomplete, Auditor

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


def miscount(bench: Bench, change: int) -> None:
    """The ledger counts so many seats more than were given."""
    damage_ledger(bench, "ADD confirmed :change", change={"N": str(change)})


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
    miscount(bench, change)
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
    damage_ledger(bench, "REMOVE line, lineOffset")
    auditor.handle()
    assert [(line["ledger"]["waiting"], line["counted"]["waiting"]) for line in drift(lines)] == [(0, 1)]


def test_a_ledger_that_cannot_be_read(bench: Bench, auditor: Auditor, lines: Any) -> None:
    """A ledger that cannot be read is reported like any other difference, and the others are looked at all the same."""
    busy_event(bench)
    miscount(bench, 1)
    bench.db.put_item(TableName=bench.tables.ledger, Item={"eventId": {"S": "torn"}, "version": {"S": "?"}})
    auditor.handle()
    assert {line["event_id"] for line in drift(lines)} == {"torn", EVENT}
    assert [(line["ledgers"], line["drift"]) for line in lines if line["message"] == "audited"] == [(3, 2)]


@pytest.mark.parametrize("looks", [1, 2, 5])
def test_an_index_that_lags_is_no_drift(bench: Bench, auditor: Auditor, lines: Any, looks: int) -> None:
    """The index shows a registration a little later than the ledger: while the ledger moves, nobody judges by it."""
    busy_event(bench)
    users = iter(range(100))
    lag = [looks]

    def another(_: dict[str, Any]) -> None:
        if lag[0]:
            bench.deliver(register(f"u{next(users)}"))

    def less(parsed: dict[str, Any]) -> None:
        if lag[0] and parsed["Count"]:
            lag[0] -= 1
            parsed["Count"] -= 1

    bench.before("GetItem", another)
    bench.after("Query", less)
    auditor.handle()
    assert drift(lines) == []
    assert lag == [0]


@pytest.mark.parametrize("moment", ["GetItem", "Query"])
def test_a_ledger_in_motion_is_no_drift(bench: Bench, auditor: Auditor, lines: Any, moment: str) -> None:
    """Who is registering while the auditor looks makes no alarm, however often it happens; a line says so."""
    busy_event(bench)
    users = iter(range(100))

    def another(_: dict[str, Any]) -> None:
        bench.deliver(register(f"u{next(users)}"))

    def none(parsed: dict[str, Any]) -> None:
        parsed["Count"] = 0

    bench.before(moment, another)
    bench.after("Query", none)
    auditor.handle()
    assert drift(lines) == []
    assert EVENT in [line["event_id"] for line in lines if line["message"] == "a ledger moves too fast to be audited"]


def test_a_difference_that_was_there_before_the_pause_only(bench: Bench, auditor: Auditor, lines: Any) -> None:
    """A difference that a pause mends is none."""
    busy_event(bench)
    miscount(bench, 1)
    bench.pipeline.time.on_sleep.append(lambda: miscount(bench, -1))
    auditor.handle()
    assert drift(lines) == []


def test_a_ledger_that_is_gone_in_the_meantime(bench: Bench, auditor: Auditor, lines: Any) -> None:
    """A ledger that somebody deletes between the list and the look is not judged."""
    busy_event(bench)

    def gone(request: dict[str, Any]) -> None:
        bench.db.delete_item(TableName=bench.tables.ledger, Key={"eventId": {"S": EVENT}})

    bench.before("GetItem", gone)
    auditor.handle()
    assert drift(lines) == []


def test_every_page_counts(bench: Bench, auditor: Auditor, lines: Any) -> None:
    """Ledgers and registrations of any number are looked at, page by page, and the ledger itself consistently."""
    events = [bench.add_event(9, f"e{number}") for number in range(4)]
    bench.deliver_all(*[register(user, event=event) for event in events for user in ("ann", "bob", "cid")])
    bench.calls.clear()
    for operation in ("Scan", "Query"):
        bench.dynamodb_events.register(f"before-parameter-build.dynamodb.{operation}", by_twos)
    auditor.handle()
    assert drift(lines) == []
    assert [line["ledgers"] for line in lines if line["message"] == "audited"] == [4]
    assert all(params["ConsistentRead"] for name, params in bench.calls if name == "GetItem")
    assert bench.operations().count("Scan") > 1


def by_twos(params: dict[str, Any], **_: Any) -> None:
    """A page has two items."""
    params["Limit"] = 2


def test_no_time_left(bench: Bench, auditor: Auditor, lines: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """What was found before time ran out is measured; then the audit fails, so that somebody hears of it."""
    busy_event(bench)
    miscount(bench, 1)

    def slow(_: dict[str, Any]) -> None:
        bench.pipeline.time.now += 200_000_000

    bench.before("GetItem", slow)
    bench.add_event(1, "another")
    bench.deliver(register("ann", event="another"))
    bench.add_event(1, "third")
    bench.deliver(register("ann", event="third"))
    capsys.readouterr()
    with pytest.raises(AuditIncomplete, match="2 ledgers were audited"):
        auditor.handle()
    assert metrics(capsys.readouterr().out)["LedgersAudited"] == [2]
    assert [line["complete"] for line in lines if line["message"] == "audited"] == [False]
