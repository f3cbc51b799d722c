"""The auditor sees a ledger that does not count what the registrations say, and nothing else is drift."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.bench import Bench
from tests.integration.state import damage_ledger
from tests.support.builders import EVENT, cancel, promote, register
from tests.support.telemetry import log_lines, metrics
from workers.auditor import AuditIncomplete, Auditor

pytestmark = pytest.mark.integration

AUDITED, DRIFT, TOO_FAST = "audited", "ledger drift", "a ledger moves too fast to be audited"


class Audit:
    """An auditor on the tables of the bench, and the lines that it has logged."""

    def __init__(self, bench: Bench, lines: list[dict[str, Any]]) -> None:
        clock = bench.pipeline.clock
        self.auditor = Auditor(bench.pipeline.dynamodb, bench.tables.ledger, bench.tables.registrations, clock)
        self._lines = lines

    def lines(self, message: str) -> list[dict[str, Any]]:
        """The lines with this message."""
        return [line for line in self._lines if line["message"] == message]

    def drift(self) -> list[dict[str, Any]]:
        """Audit all ledgers; return the lines about drift."""
        self.auditor.handle()
        return self.lines(DRIFT)


@pytest.fixture
def audit(bench: Bench) -> Iterator[Audit]:
    """An auditor of an event with a seat taken, a waiter and a cancellation, and of another one without seats."""
    bench.add_queueing_event(1)
    bench.add_event(0, "full")
    bench.deliver_all(register("ann"), register("bob"), register("cid"), cancel("ann"), promote(), cancel("ann"))
    bench.deliver_all(register("ann", event="full"))
    with log_lines() as lines:
        yield Audit(bench, lines)


def miscount(bench: Bench, change: int) -> None:
    """Let the ledger count so many more seats as taken."""
    damage_ledger(bench, "ADD confirmed :change", change={"N": str(change)})


def test_sound_ledgers(bench: Bench, audit: Audit, capsys: pytest.CaptureFixture[str]) -> None:
    """They are counted in the metrics, and nothing is written."""
    capsys.readouterr()
    before = bench.stored()
    assert audit.drift() == []
    assert metrics(capsys.readouterr().out) == {"LedgersAudited": [2], "LedgerDrift": [0]}
    assert bench.stored() == before


@pytest.mark.parametrize(
    ("expression", "values", "found"),
    [
        ("ADD confirmed :n", {"n": {"N": "1"}}, {"confirmed": 2, "waiting": 1}),
        ("ADD confirmed :n", {"n": {"N": "-1"}}, {"confirmed": 0, "waiting": 1}),
        ("REMOVE line, lineOffset", {}, {"confirmed": 1, "waiting": 0}),
    ],
)
def test_a_difference(
    bench: Bench, audit: Audit, capsys: pytest.CaptureFixture[str], expression: str, values: Any, found: Any
) -> None:
    """A seat too many or too few, or a waiter whom the ledger does not know: the line has both counts."""
    damage_ledger(bench, expression, **values)
    capsys.readouterr()
    (line,) = audit.drift()
    assert (line["level"], line["event_id"]) == ("ERROR", EVENT)
    assert (line["ledger"], line["counted"]) == (found, {"confirmed": 1, "waiting": 1})
    assert metrics(capsys.readouterr().out) == {"LedgersAudited": [2], "LedgerDrift": [1]}


def test_an_undecodable_ledger(bench: Bench, audit: Audit) -> None:
    """It is reported like any other difference, and the other ledgers are audited all the same."""
    miscount(bench, 1)
    bench.db.put_item(TableName=bench.tables.ledger, Item={"eventId": {"S": "torn"}, "version": {"S": "?"}})
    assert {line["event_id"] for line in audit.drift()} == {"torn", EVENT}
    assert [(line["ledgers"], line["drift"]) for line in audit.lines(AUDITED)] == [(3, 2)]


@pytest.mark.parametrize("reads", [1, 2, 5])
def test_an_index_that_lags(bench: Bench, audit: Audit, reads: int) -> None:
    """The index shows a registration later than the ledger: while the ledger changes, that is no drift."""
    lag = [None] * reads

    def register_somebody(_: dict[str, Any]) -> None:
        if lag:
            bench.deliver(register(f"u{len(lag)}-{len(bench.records())}"))

    def count_less(parsed: dict[str, Any]) -> None:
        if lag and parsed["Count"]:
            lag.pop()
            parsed["Count"] -= 1

    bench.before("GetItem", register_somebody)
    bench.after("Query", count_less)
    assert (audit.drift(), lag) == ([], [])


@pytest.mark.parametrize("moment", ["GetItem", "Query"])
def test_a_busy_ledger(bench: Bench, audit: Audit, moment: str) -> None:
    """People who register during an audit cause no alarm, however often; a line says so."""

    def register_somebody(_: dict[str, Any]) -> None:
        bench.deliver(register(f"u{len(bench.records())}"))

    bench.before(moment, register_somebody)
    bench.after("Query", lambda parsed: parsed.update(Count=0))
    assert audit.drift() == []
    assert EVENT in [line["event_id"] for line in audit.lines(TOO_FAST)]


def test_a_difference_that_does_not_last(bench: Bench, audit: Audit) -> None:
    """A difference is checked again after a pause."""
    miscount(bench, 1)
    bench.pipeline.time.on_sleep.append(lambda: miscount(bench, -1))
    assert audit.drift() == []


def test_a_ledger_that_is_deleted_meanwhile(bench: Bench, audit: Audit) -> None:
    """A ledger that somebody deletes between the scan and the read is not audited."""

    def delete(_: dict[str, Any]) -> None:
        bench.db.delete_item(TableName=bench.tables.ledger, Key={"eventId": {"S": EVENT}})

    bench.before("GetItem", delete)
    assert audit.drift() == []


def test_every_page_counts(bench: Bench, audit: Audit) -> None:
    """All pages of ledgers and registrations are read, and each ledger strongly consistent."""
    bench.deliver_all(*[register(user) for user in ("dee", "eve", "fay")])
    bench.calls.clear()
    for operation in ("Scan", "Query"):
        bench.dynamodb_events.register(
            f"before-parameter-build.dynamodb.{operation}", lambda params, **_: params.update(Limit=1)
        )
    assert audit.drift() == []
    assert [line["ledgers"] for line in audit.lines(AUDITED)] == [2]
    assert all(params["ConsistentRead"] for name, params in bench.calls if name == "GetItem")
    assert bench.operations().count("Scan") > 1


def test_no_time_left(bench: Bench, audit: Audit, capsys: pytest.CaptureFixture[str]) -> None:
    """The metrics have what was found before time ran out; then the audit fails, so that an alarm tells of it."""
    for event in ("another", "third"):
        bench.add_event(1, event)
        bench.deliver(register("ann", event=event))

    def slow(_: dict[str, Any]) -> None:
        bench.pipeline.time.now += 200_000_000

    bench.before("GetItem", slow)
    capsys.readouterr()
    with pytest.raises(AuditIncomplete, match="2 ledgers were audited"):
        audit.drift()
    assert metrics(capsys.readouterr().out)["LedgersAudited"] == [2]
    assert [line["complete"] for line in audit.lines(AUDITED)] == [False]
