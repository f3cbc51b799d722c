"""A Recount in the queue: it is decided before its event's other commands, unless it is stale."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from infra.cli.reconcile.recount import Recounter
from infra.cli.reconcile.repairer import LedgerRepairer
from tests.integration.bench import Bench
from tests.integration.state import counted, damage_ledger, waiting_event
from tests.support.builders import EVENT, cancel, register
from tests.support.deliveries import batch
from tests.support.faults import refusal, times
from workers.aws.messages import command_group, encode
from workers.aws.send import send
from workers.domain.commands import Command

pytestmark = pytest.mark.integration


def message(command: Command) -> tuple[str, str]:
    """As it is delivered."""
    return command_group(command), encode(command)


def test_a_stuck_group_is_set_free(bench: Bench, recounter: Recounter, repairer: LedgerRepairer) -> None:
    """A dozen commands wait for a first waiter who does not exist. The Recount overtakes them and frees them."""
    waiting_event(bench)
    bench.deliver_all(cancel("ann"))
    damage_ledger(bench, "SET lineOffset = :n, line = :b", n={"N": "9"}, b={"B": b"\0\1"})
    for number in range(12):
        send(bench.pipeline.sqs, bench.pipeline.queue, register(f"late{number}"))
    bench.pipeline.run()
    assert bench.who("confirmed") == []
    after = repairer.repair(recounter.recount([EVENT]).findings)[EVENT]
    assert (after.differences, after.flaws, after.free_seats) == ((), (), 1)
    assert bench.deliver(*[register(f"late{number}") for number in range(10)]) == []
    assert bench.who("confirmed") == ["bob"]
    bench.check()


def test_a_recount_comes_before_what_cannot_go_on(bench: Bench, recounter: Recounter) -> None:
    """In one batch with the commands of its event it is decided first, and they on the repaired ledger."""
    waiting_event(bench)
    damages: dict[str, dict[str, Any]] = {"REMOVE confirmed": {}, "SET nextTicket = :n": {"n": {"N": "1"}}}
    for expression, values in damages.items():
        damage_ledger(bench, expression, **values)
        command = counted(recounter)
        users = [register(f"{expression[:3]}{number}") for number in range(2)]
        assert bench.deliver(users[0], message(command), users[1]) == []
        bench.check()
    assert bench.who("waitlisted") == ["bob", "dee", "REM0", "REM1", "SET0", "SET1"]


def test_on_a_ledger_that_cannot_be_read_only_the_recount_is_decided(bench: Bench, recounter: Recounter) -> None:
    """A salvaged ledger has no counts, so a stale Recount lets nobody in."""
    waiting_event(bench)
    damage_ledger(bench, "REMOVE confirmed")
    stale = counted(recounter)
    damage_ledger(bench, "SET version = :n", n={"N": "90"})
    assert bench.deliver(message(stale), register("eve"), cancel("ann")) == ["m1", "m2"]
    assert bench.written() == []
    damage_ledger(bench, "REMOVE version")
    assert (bench.deliver(message(stale)), bench.written()) == (["m0"], [])


def test_recounts_keep_their_order(bench: Bench, recounter: Recounter) -> None:
    """Of two recounts in one batch the first is decided first; if the second then fails, it alone comes again."""
    waiting_event(bench)
    damage_ledger(bench, "REMOVE confirmed")
    recounts = [replace(counted(recounter), command_id=name) for name in ("first", "second")]
    reads = iter((None, refusal("NobodyMayRead"), refusal("NobodyMayRead")))
    bench.before("BatchGetItem", times(3, lambda _: next(reads)))
    assert bench.deliver(*map(message, recounts)) == ["m1"]
    assert bench.pipeline.ledger(EVENT).confirmed == 1


def test_a_count_that_loses_the_race_is_refused(bench: Bench, recounter: Recounter) -> None:
    """The ledger moves between the registrar's look and its commit: loaded again, the count is stale."""
    bench.add_queueing_event(3)
    bench.deliver_all(register("ann"))
    command = counted(recounter)
    rivals = [register("bob")]

    def overtaken(_: dict[str, Any]) -> None:
        if rivals:
            bench.registrar.handle(batch(rivals.pop()))

    bench.before("TransactWriteItems", overtaken)
    assert bench.deliver(message(command)) == []
    bench.check()
    assert bench.who("confirmed") == ["ann", "bob"]


def test_a_ledger_that_moves_while_a_count_is_on_the_way(
    bench: Bench, recounter: Recounter, repairer: LedgerRepairer
) -> None:
    """The registrar refuses the first count, the next one is true."""
    waiting_event(bench)
    damage_ledger(bench, "SET confirmed = :n", n={"N": "2"})
    found = recounter.recount([EVENT]).findings
    bench.deliver_all(cancel("dee"))
    assert repairer.repair(found)[EVENT].sound
    bench.check()


def test_a_count_is_as_old_as_its_look(bench: Bench, recounter: Recounter, repairer: LedgerRepairer) -> None:
    """An operator who thinks for a quarter of an hour sends what may not be true any more: it is refused."""
    waiting_event(bench)
    damage_ledger(bench, "SET confirmed = :n", n={"N": "0"})
    found = recounter.recount([EVENT]).findings
    bench.pipeline.time.now += 15 * 60 * 1_000_000
    assert repairer.repair(found) == {}
    assert bench.pipeline.ledger(EVENT).confirmed == 0


def test_sending_takes_no_time_off_the_wait(bench: Bench, recounter: Recounter, repairer: LedgerRepairer) -> None:
    """Many events, and a slow queue: each is given its half minute after the last count was sent."""
    for event_id in ("e1", "e2", "e3", "e4"):
        waiting_event(bench, event_id)
        damage_ledger(bench, "SET confirmed = :n", event_id, n={"N": "0"})
    found = recounter.recount().findings

    def slow(_: dict[str, Any]) -> None:
        bench.pipeline.time.now += 10_000_000

    bench.before("SendMessage", slow, "sqs")
    assert [finding.sound for finding in repairer.repair(found).values()] == [True] * 4


def test_a_registrar_that_does_not_decide(bench: Bench, recounter: Recounter) -> None:
    """After half a minute nobody waits any longer, and the event is not among those that were looked at again."""
    waiting_event(bench)
    damage_ledger(bench, "SET confirmed = :n", n={"N": "0"})
    found = recounter.recount().findings
    began = bench.pipeline.time.now
    assert LedgerRepairer(recounter, bench.pipeline.sqs, bench.pipeline.queue, bench.pipeline.clock).repair(found) == {}
    assert 30 <= (bench.pipeline.time.now - began) / 1e6 <= 31
