"""Recounting an event that is busy, or of which a scan sees only half a transaction."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from infra.cli.reconcile.recount import Recounter
from infra.cli.reconcile.repairer import LedgerRepairer
from tests.integration.bench import Bench
from tests.integration.state import damage_ledger, waiting_event
from tests.support.builders import EVENT, cancel, change, promote, register
from workers.aws.items import event_key, registration_key
from workers.aws.send import send
from workers.domain.records import registration_id

pytestmark = pytest.mark.integration


def test_an_event_that_is_always_busy(bench: Bench, recounter: Recounter) -> None:
    """If the ledger changes between all reads, the event is busy: nothing is reported or repaired."""
    waiting_event(bench)
    damage_ledger(bench, "SET confirmed = :n", n={"N": "0"})
    users = iter(range(99))
    bench.pipeline.time.on_sleep.append(lambda: bench.deliver_all(register(f"u{next(users)}")))
    finding = recounter.recount().findings[EVENT]
    assert (finding.busy, finding.sound, finding.repairable, finding.differences) == (True, False, False, ())


def test_an_event_that_is_busy_for_a_moment(bench: Bench, recounter: Recounter) -> None:
    """It is read again, alone; the findings for the others stay."""
    waiting_event(bench)
    waiting_event(bench, "other")
    moves = [register("eve")]
    bench.pipeline.time.on_sleep.append(lambda: bench.deliver_all(*[moves.pop() for _ in list(moves)]))
    assert [finding.sound for finding in recounter.recount().findings.values()] == [True, True]
    ledgers = [params["RequestItems"][bench.tables.ledger]["Keys"] for params in batch_gets(bench, bench.tables.ledger)]
    assert ledgers[-1] == [event_key(EVENT)]


def test_a_free_seat_without_a_promote(bench: Bench, recounter: Recounter) -> None:
    """No promoter works, and SQS knows the Promote of this version already: the repair's own one gets through."""
    waiting_event(bench)
    bench.deliver_all(cancel("ann"))
    send(bench.pipeline.sqs, bench.pipeline.queue, promote(bench.pipeline.ledger(EVENT).version))
    for lost in bench.pipeline.receive():
        bench.pipeline.sqs.delete_message(QueueUrl=bench.pipeline.queue, ReceiptHandle=lost["receiptHandle"])
    found = recounter.recount().findings
    assert (found[EVENT].differences, found[EVENT].free_seats, found[EVENT].sound) == ((), 1, False)
    bench.pipeline.time.on_sleep.append(bench.pipeline.deliver)
    repairer = LedgerRepairer(recounter, bench.pipeline.sqs, bench.pipeline.queue, bench.pipeline.clock)
    assert repairer.repair(found)[EVENT].sound
    assert bench.who("confirmed") == ["bob"]
    bench.check()


def test_half_a_transaction_is_no_finding(bench: Bench, recounter: Recounter) -> None:
    """A scan may see a ledger a moment before the registrations of its transaction: a recount pauses between both."""
    waiting_event(bench)
    bench.deliver_all(change(1, capacity=2), promote())
    bob: Any = {
        "TableName": bench.tables.registrations,
        "Item": bench.db.get_item(
            TableName=bench.tables.registrations, Key=registration_key(registration_id(EVENT, "bob"))
        )["Item"],
    }
    waiting = bob["Item"] | {"status": {"S": "waitlisted"}, "ticket": {"N": "1"}}
    bench.db.put_item(TableName=bench.tables.registrations, Item=waiting)
    bench.pipeline.time.on_sleep.append(lambda: bench.db.put_item(**bob))
    assert recounter.recount().findings[EVENT].sound


def test_a_promotion_on_its_way_is_no_finding(bench: Bench, recounter: Recounter) -> None:
    """A free seat is given away a moment later, so only what lasts for a pause is reported."""
    waiting_event(bench)
    bench.deliver_all(cancel("ann"))
    pauses = count(1)
    bench.pipeline.time.on_sleep.append(lambda: bench.pipeline.run() if next(pauses) > 1 else None)
    assert recounter.recount().findings[EVENT].sound
    assert bench.who("confirmed") == ["bob"]


def test_every_page_counts(bench: Bench, recounter: Recounter) -> None:
    """Tables of any size are read, page by page, strongly consistent, and no index is asked."""
    for number in range(4):
        waiting_event(bench, f"e{number}")
    bench.calls.clear()
    bench.dynamodb_events.register("before-parameter-build.dynamodb.Scan", by_threes)
    assert all(finding.sound for finding in recounter.recount().findings.values())
    scans = [params for name, params in bench.calls if name == "Scan"]
    assert len(scans) >= 8
    assert all(params["ConsistentRead"] for params in scans)
    assert {name for name, _ in bench.calls} == {"Scan", "BatchGetItem"}
    assert len(batch_gets(bench, bench.tables.events)) == 1


def batch_gets(bench: Bench, table: str) -> list[dict[str, Any]]:
    """The BatchGetItem requests so far that asked this table."""
    return [params for name, params in bench.calls if name == "BatchGetItem" and table in params["RequestItems"]]


def by_threes(params: dict[str, Any], **_: Any) -> None:
    """A page has three items."""
    params["Limit"] = 3
