"""A day that was made up, for tests: one seat, one place in the line; ada gives her seat up, and bob gets it."""

from __future__ import annotations

from dataclasses import replace

from infra.cli.reconcile.findings import LedgerFinding
from tests.proofs.soak.builders import exchanges, tables
from tests.tools.demo.crowd import Told
from tests.tools.demo.day import Chapter
from tests.tools.demo.monitor import Look
from tests.tools.demo.report import Report
from tests.tools.demo.rule_report import Evidence, rulings
from tests.tools.demo.sizes import Sizes
from workers.domain.records import Registration, Status

EVENT = "event"
ADA, BOB = "ada", "bob"


def evidence() -> Evidence:
    """What is seen of that day. No rule is broken."""
    limit = "waitlistCapacity=1"
    history = exchanges(
        f"""1-2 {ADA} registers confirmed@100
        3-4 {BOB} registers waitlisted@200
        5-6 eve registers waitlist-full
        7-8 {ADA} cancels 204
        9-10 {BOB} reads confirmed@200""",
        limit,
    )
    before = tables(f"{ADA} confirmed@100, {BOB} waitlisted@200", limit)
    final = tables(f"{ADA} cancelled@100, {BOB} confirmed@200", limit)
    looks = [
        Look(0.5, None, 0, 0),
        Look(4.0, before.ledgers[EVENT], 2, 1, by_id(before.registrations)),
        Look(10.0, final.ledgers[EVENT], 0, 0, by_id(final.registrations)),
    ]
    return Evidence(EVENT, looks, history, final, LedgerFinding(EVENT, 1, final.ledgers[EVENT]))


def by_id(records: tuple[Registration, ...]) -> dict[str, Registration]:
    """As a look has them."""
    return {record.registration_id: record for record in records}


def moved(look: Look, user: str, status: Status) -> Look:
    """The same look, if that person's registration were there with another status."""
    assert look.registrations is not None
    changed = {
        key: replace(record, status=status) if record.user_id == user else record
        for key, record in look.registrations.items()
    }
    return replace(look, registrations=changed)


def report(seen: Evidence) -> Report:
    """The report of such a day."""
    told = [
        Told(ADA, "confirmed", 1, 2, 2), Told(BOB, "waitlisted", 3, 4, 4), Told("eve", "waitlist-full", 5, 6, 6),
    ]  # fmt: skip
    return Report(
        sizes=Sizes(people=3, seats=1, places=1, cancel=1, more_seats=0, again=0),
        chapters=[Chapter("the doors open", 0.5), Chapter("1 gives up its seat", 7.0)],
        looks=seen.looks,
        arrived=[1, 3, 5],
        told=told,
        moved_up=[1.5],
        requests=len(seen.history),
        standing={"seats": 1},
        rulings=rulings(seen),
        seconds=12.0,
    )
