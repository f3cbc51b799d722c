"""A damaged ledger is found and repaired: real recounts on DynamoDB Local, which the real registrar decides."""

from __future__ import annotations

from typing import Any

import pytest

from infra.cli.reconcile.recount import Recounter
from infra.cli.reconcile.repairer import LedgerRepairer
from tests.integration.bench import Bench
from tests.integration.state import damage_ledger, waiting_event
from tests.support.builders import EVENT, change, register
from workers.aws.items import event_key, registration_key
from workers.domain.records import registration_id

pytestmark = pytest.mark.integration


def delete_ledger(bench: Bench) -> None:
    """Delete the ledger behind the registrar's back."""
    bench.db.delete_item(TableName=bench.tables.ledger, Key=event_key(EVENT))


def test_sound_events(bench: Bench, recounter: Recounter) -> None:
    """Events that are as the registrar left them are sound, and to look at them writes nothing."""
    waiting_event(bench)
    waiting_event(bench, "other")
    bench.add_event(3, "nobody came")
    before = bench.stored()
    look = recounter.recount()
    assert {event_id: finding.sound for event_id, finding in look.findings.items()} == {EVENT: True, "other": True}
    assert (look.registrations, look.strays) == (8, ())
    assert recounter.recount(["nobody came"]).findings["nobody came"].sound
    assert recounter.recount(["nowhere"]).findings == {}
    assert bench.stored() == before


DAMAGES: list[tuple[str, dict[str, Any], str]] = [
    ("SET confirmed = :n", {"n": {"N": "0"}}, "the ledger says 0 confirmed, 1 are"),
    ("REMOVE line, lineOffset", {}, "waiting, but not on the ledger's waiting list: tickets 1, 3"),
    (
        "SET line = :b",
        {"b": {"B": b"\0\x0f"}},
        "on the ledger's waiting list, but held by nobody who waits: tickets 2, 4",
    ),
    ("SET nextTicket = :n", {"n": {"N": "-3"}}, "the ledger gives ticket -3 next, but 3 waits already"),
    ("SET lastRegisteredAt = :n", {"n": {"N": "1"}}, "the ledger's last decision is"),
    ("REMOVE confirmed", {}, "the ledger cannot be read: confirmed is missing"),
    (
        "SET line = :b",
        {"b": {"B": b"\1no"}},
        "the ledger cannot be read: the waiting list cannot be decompressed",
    ),
    ("REMOVE revisions, hasWaitlist", {}, "the ledger cannot be read: revisions is missing"),
]


@pytest.mark.parametrize(("expression", "values", "sentence"), DAMAGES)
def test_damage_is_found_and_repaired(
    bench: Bench, recounter: Recounter, repairer: LedgerRepairer, expression: str, values: dict[str, Any], sentence: str
) -> None:
    """A sentence says what is wrong; the repaired ledger is as it was, one version later."""
    waiting_event(bench)
    bench.deliver_all(change(4, capacity=1))
    before = bench.pipeline.ledger(EVENT)
    damage_ledger(bench, expression, **values)
    found = recounter.recount([EVENT]).findings
    assert found[EVENT].differences[0].startswith(sentence)
    after = repairer.repair(found)
    assert after[EVENT].sound
    ledger = bench.pipeline.ledger(EVENT)
    assert ledger.version == before.version + 1
    assert (ledger.settings, ledger.confirmed, ledger.waitlist) == (before.settings, before.confirmed, before.waitlist)
    assert ledger.revisions == ({} if "revisions" in expression else before.revisions)
    bench.check()
    assert bench.pipeline.parked() == []


def test_a_deleted_ledger_is_made_again(bench: Bench, recounter: Recounter, repairer: LedgerRepairer) -> None:
    """A deleted ledger is made again, with the event item's settings, before anybody who registers gets a seat that is
    taken."""
    waiting_event(bench)
    delete_ledger(bench)
    found = recounter.recount().findings
    assert found[EVENT].differences == ("there is no ledger, but registrations were decided",)
    assert repairer.repair(found)[EVENT].sound
    bench.check()
    assert bench.pipeline.ledger(EVENT).version == 1
    bench.deliver_all(register("eve"))
    assert bench.who("waitlisted") == ["bob", "dee", "eve"]
    bench.check()


def test_an_undecodable_registration(bench: Bench, recounter: Recounter, repairer: LedgerRepairer) -> None:
    """It is named, and nothing is sent."""
    waiting_event(bench)
    damage_ledger(bench, "SET confirmed = :n", n={"N": "0"})
    key: Any = registration_key(registration_id(EVENT, "bob"))
    bench.db.update_item(TableName=bench.tables.registrations, Key=key, UpdateExpression="REMOVE generation")
    look = recounter.recount()
    finding = look.findings[EVENT]
    assert finding.flaws == (f"registration {registration_id(EVENT, 'bob')} cannot be read: generation is missing",)
    assert (finding.differences, finding.repairable) == ((), False)
    assert repairer.repair(look.findings) == {}
    assert bench.pipeline.ledger(EVENT).confirmed == 0


@pytest.mark.parametrize(
    ("expression", "names"), [("REMOVE eventId", "no event"), ("SET eventId = :other", "the event 'other'")]
)
@pytest.mark.parametrize("look_at", [[EVENT], None])
def test_a_registration_that_says_it_is_not_of_its_event(
    bench: Bench, recounter: Recounter, repairer: LedgerRepairer, expression: str, names: str, look_at: list[str] | None
) -> None:
    """A registration whose item names no event, or another one, is named and stops the repair: without it, a seat would
    be sold twice."""
    waiting_event(bench)
    waiting_event(bench, "other")
    key = registration_id(EVENT, "ann")
    where: Any = {"TableName": bench.tables.registrations, "Key": registration_key(key)}
    more: Any = {"ExpressionAttributeValues": {":other": {"S": "other"}}} if ":other" in expression else {}
    bench.db.update_item(**where, UpdateExpression=expression, **more)
    look = recounter.recount(look_at)
    assert look.findings[EVENT].flaws == (f"registration {key} is one of this event's, but names {names}",)
    assert (repairer.repair(look.findings), look.strays) == ({}, ())
    if look_at is None and "other" in names:
        (flaw,) = look.findings["other"].flaws
        assert flaw == f"registration {key} is stored under an id that its event and its user do not make"


@pytest.mark.parametrize(("user", "doubt"), [({}, True), ({"userId": {"S": "zoe"}}, False)])
def test_a_registration_of_nobody_knows_which_event(
    bench: Bench, recounter: Recounter, repairer: LedgerRepairer, user: dict[str, Any], doubt: bool
) -> None:
    """A registration without event stops the repair wherever something does not add up, unless its user says that it is
    not there."""
    waiting_event(bench)
    waiting_event(bench, "other")
    damage_ledger(bench, "SET confirmed = :n", n={"N": "2"})
    stray = {"registrationId": {"S": "reg_STRAY"}, **user}
    bench.db.put_item(TableName=bench.tables.registrations, Item=stray)
    for events in (None, [EVENT]):
        look = recounter.recount(events)
        flaw = "registration reg_STRAY names neither event nor user, and may belong to this event"
        assert look.findings[EVENT].flaws == ((flaw,) if doubt else ())
        assert look.findings[EVENT].repairable is not doubt
        assert look.strays == (("registration reg_STRAY names no event",) if events is None else ())
        assert events is not None or look.findings["other"].sound
    assert (repairer.repair(look.findings) == {}) is doubt


def test_seats_that_the_event_does_not_have(bench: Bench, recounter: Recounter, repairer: LedgerRepairer) -> None:
    """Ledger and event item are written together: seats that only one of them has are named, and none is filled."""
    waiting_event(bench)
    where: Any = {"TableName": bench.tables.ledger, "Key": event_key(EVENT)}
    ledger = bench.db.get_item(**where)["Item"]
    seats: Any = {"capacity": {"N": "5"}, "hasWaitlist": {"BOOL": False}, "waitlistCapacity": {"N": "5"}}
    bench.db.put_item(TableName=bench.tables.ledger, Item=ledger | seats)
    found = recounter.recount([EVENT]).findings
    assert found[EVENT].flaws == (
        "capacity is 5 in the ledger, 1 in the event item",
        "hasWaitlist is False in the ledger, True in the event item",
        "waitlistCapacity is 5 in the ledger, no limit in the event item",
    )
    assert (found[EVENT].free_seats, repairer.repair(found)) == (0, {})
    bench.deliver_all(change(2, capacity=1, has_waitlist=True, waitlist_capacity=None))
    assert recounter.recount([EVENT]).findings[EVENT].sound


def test_a_ledger_whose_event_is_lost(bench: Bench, recounter: Recounter) -> None:
    """A ledger without its event, which nobody sees and nobody can change, is named although it is sound."""
    waiting_event(bench)
    bench.db.delete_item(TableName=bench.tables.events, Key=event_key(EVENT))
    assert recounter.recount([EVENT]).findings[EVENT].flaws == ("there is a ledger, but no event with this id",)


def test_too_little_is_left(bench: Bench, recounter: Recounter) -> None:
    """A ledger without a version, registrations without ledger and event: what is missing is said."""
    waiting_event(bench)
    damage_ledger(bench, "REMOVE version")
    (flaw,) = recounter.recount().findings[EVENT].flaws
    assert flaw.startswith("the ledger cannot be read: version is missing, and too little of it is left")
    delete_ledger(bench)
    bench.db.delete_item(TableName=bench.tables.events, Key=event_key(EVENT))
    (flaw,) = recounter.recount().findings[EVENT].flaws
    assert flaw == "there are 4 registrations, but neither a ledger nor an event with this id"
