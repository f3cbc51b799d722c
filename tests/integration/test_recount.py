"""A damaged ledger is found and mended: real counts on DynamoDB Local, and the real registrar decides them."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from infra.cli.reconcile.mender import Mender
from infra.cli.reconcile.recount import Recounter
from tests.integration.bench import Bench, batch, refusal, times
from tests.support.builders import EVENT, cancel, change, promote, register
from workers.aws.items import event_key, registration_key
from workers.aws.messages import encode, group_for, group_of
from workers.aws.send import send
from workers.domain.commands import Command, Recount
from workers.domain.records import registration_id
from workers.domain.recount import Count

pytestmark = pytest.mark.integration


@pytest.fixture
def recounter(bench: Bench) -> Recounter:
    """On the tables of the bench, by its clock."""
    return Recounter(bench.pipeline.dynamodb, bench.pipeline.clock, bench.tables.worker)


@pytest.fixture
def mender(bench: Bench, recounter: Recounter) -> Mender:
    """While it waits, the registrar works, and the promoter."""
    bench.pipeline.time.on_sleep.append(bench.pipeline.run)
    return Mender(recounter, bench.pipeline.sqs, bench.pipeline.queue, bench.pipeline.clock)


def a_line(bench: Bench, event_id: str = EVENT) -> None:
    """One has the seat, two wait; one who waited has left."""
    bench.add_queueing_event(1, event_id)
    bench.deliver_all(*[register(user, event=event_id) for user in ("ann", "bob", "cid", "dee")])
    bench.deliver_all(cancel("cid", event=event_id))


def damage(bench: Bench, expression: str, **values: Any) -> None:
    """A hand on the ledger."""
    more: Any = {"ExpressionAttributeValues": {f":{name}": value for name, value in values.items()}} if values else {}
    bench.db.update_item(TableName=bench.tables.ledger, Key=event_key(EVENT), UpdateExpression=expression, **more)


def delete_ledger(bench: Bench) -> None:
    """Another one."""
    bench.db.delete_item(TableName=bench.tables.ledger, Key=event_key(EVENT))


def counted(recounter: Recounter) -> Recount:
    """The command that a look comes to."""
    finding = recounter.look([EVENT]).findings[EVENT]
    assert finding.count is not None
    return Recount("recount", EVENT, finding.version, finding.count, 1_767_225_600_000_000)


def message(command: Command) -> tuple[str, str]:
    """As it is delivered."""
    return group_for(command), encode(command)


def test_sound_events(bench: Bench, recounter: Recounter) -> None:
    """Events that are as the registrar left them are sound, and to look at them writes nothing."""
    a_line(bench)
    a_line(bench, "other")
    bench.add_event(3, "nobody came")
    before = bench.stored()
    look = recounter.look()
    assert {event_id: finding.sound for event_id, finding in look.findings.items()} == {EVENT: True, "other": True}
    assert (look.registrations, look.strays) == (8, ())
    assert recounter.look(["nobody came"]).findings["nobody came"].sound
    assert recounter.look(["nowhere"]).findings == {}
    assert bench.stored() == before


DAMAGES: list[tuple[str, dict[str, Any], str]] = [
    ("SET confirmed = :n", {"n": {"N": "0"}}, "the ledger says 0 confirmed, 1 are"),
    ("SET confirmed = :n", {"n": {"N": "3"}}, "the ledger says 3 confirmed, 1 are"),
    ("REMOVE line, lineOffset", {}, "not in the ledger's line, but waiting: tickets 1, 3"),
    ("SET line = :b", {"b": {"B": b"\0\x0f"}}, "in the ledger's line, but held by nobody who waits: tickets 2, 4"),
    ("SET nextTicket = :n", {"n": {"N": "2"}}, "the ledger gives ticket 2 next, but 3 waits already"),
    ("SET nextTicket = :n", {"n": {"N": "-3"}}, "the ledger gives ticket -3 next, but 3 waits already"),
    ("SET lastRegisteredAt = :n", {"n": {"N": "1"}}, "the last decision that the ledger knows is"),
    ("SET lastRegisteredAt = :n", {"n": {"N": "9" * 30}}, "the ledger cannot be read: ValueError('lastRegisteredAt 9"),
    ("REMOVE confirmed", {}, "the ledger cannot be read: KeyError('confirmed')"),
    ("SET line = :b", {"b": {"B": b"\1no"}}, "the ledger cannot be read: ValueError('the line cannot be read')"),
    ("REMOVE revisions, hasWaitlist", {}, "the ledger cannot be read: KeyError('revisions')"),
]


@pytest.mark.parametrize(("expression", "values", "sentence"), DAMAGES)
def test_damage_is_found_and_mended(
    bench: Bench, recounter: Recounter, mender: Mender, expression: str, values: dict[str, Any], sentence: str
) -> None:
    """Whatever hand was on the ledger: a sentence says what is wrong; mended, it is as it was, one version on."""
    a_line(bench)
    bench.deliver_all(change(4, capacity=1))
    before = bench.pipeline.ledger(EVENT)
    damage(bench, expression, **values)
    found = recounter.look([EVENT]).findings
    assert found[EVENT].differences[0].startswith(sentence)
    after = mender.mend(found)
    assert after[EVENT].sound
    ledger = bench.pipeline.ledger(EVENT)
    assert ledger.version == before.version + 1
    assert (ledger.settings, ledger.confirmed, ledger.line) == (before.settings, before.confirmed, before.line)
    assert ledger.revisions == ({} if "revisions" in expression else before.revisions)
    bench.check()
    assert bench.pipeline.parked() == []


def test_a_deleted_ledger_is_made_again(bench: Bench, recounter: Recounter, mender: Mender) -> None:
    """Its settings come from the event item; before anybody who registers gets a seat that is taken."""
    a_line(bench)
    delete_ledger(bench)
    found = recounter.look().findings
    assert found[EVENT].differences == ("there is no ledger, but registrations were decided",)
    assert mender.mend(found)[EVENT].sound
    bench.check()
    assert bench.pipeline.ledger(EVENT).version == 1
    bench.deliver_all(register("eve"))
    assert bench.who("waitlisted") == ["bob", "dee", "eve"]
    bench.check()


def test_a_stuck_group_is_set_free(bench: Bench, recounter: Recounter, mender: Mender) -> None:
    """A dozen commands wait for a head of the line that is nobody. The Recount is not behind them; then they go on."""
    a_line(bench)
    bench.deliver_all(cancel("ann"))
    damage(bench, "SET lineOffset = :n, line = :b", n={"N": "9"}, b={"B": b"\0\1"})
    for number in range(12):
        send(bench.pipeline.sqs, bench.pipeline.queue, register(f"late{number}"))
    bench.pipeline.run()
    assert bench.who("confirmed") == []
    after = mender.mend(recounter.look([EVENT]).findings)[EVENT]
    assert (after.differences, after.flaws, after.free_seats) == ((), (), 1)
    assert bench.deliver(*[register(f"late{number}") for number in range(10)]) == []
    assert bench.who("confirmed") == ["bob"]
    bench.check()


def test_a_recount_comes_before_what_cannot_go_on(bench: Bench, recounter: Recounter) -> None:
    """In one batch with the commands of its event it is decided first, and they on what it has mended."""
    a_line(bench)
    command = None
    for expression in ("REMOVE confirmed", "SET nextTicket = :n"):
        damage(bench, expression, **({"n": {"N": "1"}} if ":n" in expression else {}))
        command = counted(recounter)
        users = [register(f"{expression[:3]}{number}") for number in range(2)]
        assert bench.deliver(users[0], message(command), users[1]) == []
        bench.check()
    assert bench.who("waitlisted") == ["bob", "dee", "REM0", "REM1", "SET0", "SET1"]


def test_on_a_ledger_that_cannot_be_read_only_the_recount_is_decided(bench: Bench, recounter: Recounter) -> None:
    """What is left of a ledger has no counts: a stale Recount does not let anybody in on it."""
    a_line(bench)
    damage(bench, "REMOVE confirmed")
    stale = counted(recounter)
    damage(bench, "SET version = :n", n={"N": "90"})
    assert bench.deliver(message(stale), register("eve"), cancel("ann")) == ["m1", "m2"]
    assert bench.written() == []


def test_recounts_keep_their_order(bench: Bench, recounter: Recounter) -> None:
    """Of two recounts in one batch the first is decided first; if the second then fails, it alone comes again."""
    a_line(bench)
    damage(bench, "REMOVE confirmed")
    recounts = [replace(counted(recounter), command_id=name) for name in ("first", "second")]
    reads = iter((None, refusal("NobodyMayRead"), refusal("NobodyMayRead")))
    bench.before("BatchGetItem", times(3, lambda _: next(reads)))
    assert bench.deliver(*map(message, recounts)) == ["m1"]
    assert bench.pipeline.ledger(EVENT).confirmed == 1


def test_a_ledger_that_has_moved_refuses_the_count(bench: Bench, recounter: Recounter) -> None:
    """Somebody got a seat after the count: writing it would sell that seat again."""
    bench.add_queueing_event(3)
    bench.deliver_all(register("ann"))
    damage(bench, "SET confirmed = :n", n={"N": "2"})
    command = counted(recounter)
    bench.deliver_all(register("bob"))
    before = bench.stored()
    assert bench.deliver(message(command)) == []
    assert bench.stored() == before


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


def test_a_ledger_that_moves_while_a_count_is_on_the_way(bench: Bench, recounter: Recounter, mender: Mender) -> None:
    """The registrar refuses the first count, the next one is true."""
    a_line(bench)
    damage(bench, "SET confirmed = :n", n={"N": "2"})
    found = recounter.look([EVENT]).findings
    bench.deliver_all(cancel("dee"))
    assert mender.mend(found)[EVENT].sound
    bench.check()


def test_an_event_that_is_never_at_rest(bench: Bench, recounter: Recounter) -> None:
    """Its ledger is another one after each look: nothing is said of it, and nothing could be mended."""
    a_line(bench)
    damage(bench, "SET confirmed = :n", n={"N": "0"})
    users = iter(range(99))
    bench.pipeline.time.on_sleep.append(lambda: bench.deliver_all(register(f"u{next(users)}")))
    finding = recounter.look().findings[EVENT]
    assert (finding.busy, finding.sound, finding.due, finding.differences) == (True, False, False, ())


def test_an_event_that_comes_to_rest(bench: Bench, recounter: Recounter) -> None:
    """It is looked at again, alone, and then judged; the others keep their first judgement."""
    a_line(bench)
    a_line(bench, "other")
    moves = [register("eve")]
    bench.pipeline.time.on_sleep.append(lambda: bench.deliver_all(*[moves.pop() for _ in list(moves)]))
    assert [finding.sound for finding in recounter.look().findings.values()] == [True, True]
    ledgers = [params["RequestItems"][bench.tables.ledger]["Keys"] for params in batch_gets(bench, bench.tables.ledger)]
    assert ledgers[-1] == [event_key(EVENT)]


def test_a_free_seat_that_nobody_was_told_of(bench: Bench, recounter: Recounter) -> None:
    """No promoter works, and SQS knows the Promote of this version already: the repair's own one gets through."""
    a_line(bench)
    bench.deliver_all(cancel("ann"))
    send(bench.pipeline.sqs, bench.pipeline.queue, promote(bench.pipeline.ledger(EVENT).version))
    for lost in bench.pipeline.receive():
        bench.pipeline.sqs.delete_message(QueueUrl=bench.pipeline.queue, ReceiptHandle=lost["receiptHandle"])
    found = recounter.look().findings
    assert (found[EVENT].differences, found[EVENT].free_seats, found[EVENT].sound) == ((), 1, False)
    bench.pipeline.time.on_sleep.append(bench.pipeline.deliver)
    mender = Mender(recounter, bench.pipeline.sqs, bench.pipeline.queue, bench.pipeline.clock)
    assert mender.mend(found)[EVENT].sound
    assert bench.who("confirmed") == ["bob"]
    bench.check()


def test_half_a_transaction_is_no_finding(bench: Bench, recounter: Recounter) -> None:
    """A scan may see the ledger of a transaction a moment before its registrations: between the two, a look pauses."""
    a_line(bench)
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
    assert recounter.look().findings[EVENT].sound


def test_a_promotion_on_its_way_is_no_finding(bench: Bench, recounter: Recounter) -> None:
    """A seat that becomes free has its promotion a moment later: what seems wrong has to last for a pause."""
    a_line(bench)
    bench.deliver_all(cancel("ann"))
    pauses = count(1)
    bench.pipeline.time.on_sleep.append(lambda: bench.pipeline.run() if next(pauses) > 1 else None)
    assert recounter.look().findings[EVENT].sound
    assert bench.who("confirmed") == ["bob"]


def test_registrations_that_no_ledger_can_mend(bench: Bench, recounter: Recounter, mender: Mender) -> None:
    """One that cannot be read: it is named, and nothing is sent."""
    a_line(bench)
    damage(bench, "SET confirmed = :n", n={"N": "0"})
    key: Any = registration_key(registration_id(EVENT, "bob"))
    bench.db.update_item(TableName=bench.tables.registrations, Key=key, UpdateExpression="REMOVE generation")
    look = recounter.look()
    finding = look.findings[EVENT]
    assert finding.flaws == (f"registration {registration_id(EVENT, 'bob')} cannot be read: KeyError('generation')",)
    assert (finding.differences, finding.due) == ((), False)
    assert mender.mend(look.findings) == {}
    assert bench.pipeline.ledger(EVENT).confirmed == 0


@pytest.mark.parametrize(
    ("expression", "names"), [("REMOVE eventId", "no event"), ("SET eventId = :other", "the event 'other'")]
)
@pytest.mark.parametrize("look_at", [[EVENT], None])
def test_a_registration_that_says_it_is_not_of_its_event(
    bench: Bench, recounter: Recounter, mender: Mender, expression: str, names: str, look_at: list[str] | None
) -> None:
    """Her seat is hers, whatever her item says: a count that misses it would sell it to somebody else."""
    a_line(bench)
    a_line(bench, "other")
    key = registration_id(EVENT, "ann")
    where: Any = {"TableName": bench.tables.registrations, "Key": registration_key(key)}
    more: Any = {"ExpressionAttributeValues": {":other": {"S": "other"}}} if ":other" in expression else {}
    bench.db.update_item(**where, UpdateExpression=expression, **more)
    look = recounter.look(look_at)
    assert look.findings[EVENT].flaws == (f"registration {key} is one of this event's, but names {names}",)
    assert (mender.mend(look.findings), look.strays) == ({}, ())
    if look_at is None and "other" in names:
        (flaw,) = look.findings["other"].flaws
        assert flaw == f"registration {key} is stored under an id that its event and its user do not make"


@pytest.mark.parametrize(("user", "doubt"), [({}, True), ({"userId": {"S": "zoe"}}, False)])
def test_a_registration_of_nobody_knows_which_event(
    bench: Bench, recounter: Recounter, mender: Mender, user: dict[str, Any], doubt: bool
) -> None:
    """It may be what is missing wherever something does not add up, unless its user says that it is not."""
    a_line(bench)
    a_line(bench, "other")
    damage(bench, "SET confirmed = :n", n={"N": "2"})
    stray = {"registrationId": {"S": "reg_STRAY"}, **user}
    bench.db.put_item(TableName=bench.tables.registrations, Item=stray)
    for events in (None, [EVENT]):
        look = recounter.look(events)
        flaw = "registration reg_STRAY names neither event nor user: it may be one of this event's"
        assert look.findings[EVENT].flaws == ((flaw,) if doubt else ())
        assert look.findings[EVENT].due is not doubt
        assert look.strays == (("registration reg_STRAY names no event",) if events is None else ())
        assert events is not None or look.findings["other"].sound
    assert (mender.mend(look.findings) == {}) is doubt


def test_seats_that_the_event_does_not_have(bench: Bench, recounter: Recounter, mender: Mender) -> None:
    """Ledger and event item are written together: seats that only one of them has are named, and none is filled."""
    a_line(bench)
    where: Any = {"TableName": bench.tables.ledger, "Key": event_key(EVENT)}
    ledger = bench.db.get_item(**where)["Item"]
    seats: Any = {"capacity": {"N": "5"}, "hasWaitlist": {"BOOL": False}, "waitlistCapacity": {"N": "5"}}
    bench.db.put_item(TableName=bench.tables.ledger, Item=ledger | seats)
    found = recounter.look([EVENT]).findings
    assert found[EVENT].flaws == (
        "capacity is 5 in the ledger, 1 in the event item",
        "hasWaitlist is False in the ledger, True in the event item",
        "waitlistCapacity is 5 in the ledger, no limit in the event item",
    )
    assert (found[EVENT].free_seats, mender.mend(found)) == (0, {})
    bench.deliver_all(change(2, capacity=1, has_waitlist=True, waitlist_capacity=None))
    assert recounter.look([EVENT]).findings[EVENT].sound


def test_a_ledger_whose_event_is_lost(bench: Bench, recounter: Recounter) -> None:
    """Nobody sees it, nobody can change it: that is named, although the ledger is sound."""
    a_line(bench)
    bench.db.delete_item(TableName=bench.tables.events, Key=event_key(EVENT))
    assert recounter.look([EVENT]).findings[EVENT].flaws == ("there is a ledger, but no event of this id",)


def test_the_first_ticket_is_1(bench: Bench, recounter: Recounter, mender: Mender) -> None:
    """Who got ticket 0 would wait without one."""
    bench.add_queueing_event(1)
    bench.deliver_all(register("ann"))
    damage(bench, "SET nextTicket = :n", n={"N": "0"})
    found = recounter.look([EVENT]).findings
    assert found[EVENT].differences == ("the ledger gives ticket 0 next, but the first is 1",)
    assert mender.mend(found)[EVENT].sound
    assert bench.pipeline.ledger(EVENT).next_ticket == 1


def test_a_count_is_as_old_as_its_look(bench: Bench, recounter: Recounter, mender: Mender) -> None:
    """An operator who thinks for a quarter of an hour sends what may not be true any more: it is refused."""
    a_line(bench)
    damage(bench, "SET confirmed = :n", n={"N": "0"})
    found = recounter.look([EVENT]).findings
    bench.pipeline.time.now += 15 * 60 * 1_000_000
    assert mender.mend(found) == {}
    assert bench.pipeline.ledger(EVENT).confirmed == 0


def test_sending_takes_no_time_off_the_wait(bench: Bench, recounter: Recounter) -> None:
    """Many events, and a slow queue: each is given its half minute after the last count was sent."""
    users = [f"e{number}" for number in range(4)]
    for event_id in users:
        a_line(bench, event_id)
        bench.db.update_item(
            TableName=bench.tables.ledger,
            Key=event_key(event_id),
            UpdateExpression="SET confirmed = :n",
            ExpressionAttributeValues={":n": {"N": "0"}},
        )
    found = recounter.look().findings
    slow = Slow(bench.pipeline.sqs, bench.pipeline.time)
    bench.pipeline.time.on_sleep.append(bench.pipeline.run)
    after = Mender(recounter, slow, bench.pipeline.queue, bench.pipeline.clock).mend(found)  # type: ignore[arg-type]
    assert [finding.sound for finding in after.values()] == [True] * 4


class Slow:
    """SQS, ten seconds away."""

    def __init__(self, sqs: Any, time: Any) -> None:
        self._sqs = sqs
        self._time = time

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            self._time.now += 10_000_000
            return getattr(self._sqs, name)(**request)

        return call


def test_too_little_is_left(bench: Bench, recounter: Recounter) -> None:
    """A ledger without a version, registrations without ledger and event: what is missing is said."""
    a_line(bench)
    damage(bench, "REMOVE version")
    (flaw,) = recounter.look().findings[EVENT].flaws
    assert flaw.startswith("the ledger cannot be read: KeyError('version'), and too little is left of it")
    delete_ledger(bench)
    bench.db.delete_item(TableName=bench.tables.events, Key=event_key(EVENT))
    (flaw,) = recounter.look().findings[EVENT].flaws
    assert flaw == "there are 4 registrations, but neither a ledger nor an event of this id"


def test_a_registrar_that_does_not_decide(bench: Bench, recounter: Recounter) -> None:
    """After half a minute nobody waits any longer, and the event is not among those that were looked at again."""
    a_line(bench)
    damage(bench, "SET confirmed = :n", n={"N": "0"})
    found = recounter.look().findings
    began = bench.pipeline.time.now
    assert Mender(recounter, bench.pipeline.sqs, bench.pipeline.queue, bench.pipeline.clock).mend(found) == {}
    assert 30 <= (bench.pipeline.time.now - began) / 1e6 <= 31


def test_a_recount_in_its_events_group_is_parked(bench: Bench) -> None:
    """The group is part of the contract: one that somebody puts elsewhere is not obeyed."""
    a_line(bench)
    command = Recount("recount", EVENT, 2, Count(), 0)
    assert bench.deliver((group_of(EVENT), encode(command))) == []
    assert bench.reasons() == ["unreadable: the message is in another event's group"]


def test_every_page_counts(bench: Bench, recounter: Recounter) -> None:
    """Tables of any size are read, page by page, strongly consistent, and no index is asked."""
    for number in range(4):
        a_line(bench, f"e{number}")
    bench.calls.clear()
    bench.dynamodb_events.register("before-parameter-build.dynamodb.Scan", by_threes)
    assert all(finding.sound for finding in recounter.look().findings.values())
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
