"""The rulings at the end of the demo: each rule is seen when it is broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.proofs.soak.history import REGISTER, Exchange
from tests.tools.demo.made_up import ADA, BOB, evidence, moved
from tests.tools.demo.rule_report import Evidence, rulings
from workers.domain.records import Registration, Status
from workers.domain.waitlist import Waitlist


def broken(seen: Evidence) -> list[int]:
    """The numbers of the rules that are broken."""
    return [int(ruling.rule.split(" ")[0]) for ruling in rulings(seen) if not ruling.kept]


def test_a_sound_day() -> None:
    """Where nothing is wrong, each of the ten rules is kept."""
    assert [ruling.rule.split(" ")[0] for ruling in rulings(evidence())] == [str(number) for number in range(1, 11)]
    assert broken(evidence()) == []


def _look(seen: Evidence, index: int, **changes: object) -> Evidence:
    looks = list(seen.looks)
    looks[index] = replace(looks[index], **changes)  # type: ignore[arg-type]
    return replace(seen, looks=looks)


def _one_too_many(seen: Evidence) -> Evidence:
    """For a moment two have the one seat."""
    ledger = seen.looks[1].ledger
    assert ledger is not None
    return _look(seen, 1, ledger=replace(ledger, confirmed=2))


def _miscounted(seen: Evidence) -> Evidence:
    """The ledger counts one seat more than the registrations say."""
    ledgers = {seen.event: replace(seen.ledger, confirmed=0)}
    return replace(seen, final=replace(seen.final, ledgers=ledgers))


def _overtaken(seen: Evidence) -> Evidence:
    """Somebody who came later has a seat, and bob waits."""
    bob = Registration(seen.event, BOB, Status.WAITLISTED, 1, 2, 200, ticket=2)
    late = Registration(seen.event, "late", Status.CONFIRMED, 1, 1, 300)
    ledger = replace(seen.ledger, waitlist=Waitlist().join(2), last_registered_at=300)
    return replace(seen, final=replace(seen.final, registrations=(bob, late), ledgers={seen.event: ledger}))


def _promoted_again(seen: Evidence) -> Evidence:
    """bob is seen in the line again after he was promoted, and then with a seat again."""
    return replace(seen, looks=[*seen.looks, seen.looks[1], seen.looks[2]])


def _back_to_life(seen: Evidence) -> Evidence:
    """A registration that was cancelled has a seat again, and nobody has registered."""
    return replace(seen, looks=[*seen.looks, moved(seen.looks[2], ADA, Status.CONFIRMED)])


def _gone(seen: Evidence) -> Evidence:
    """A registration is not in the table any more."""
    return replace(seen, looks=[*seen.looks, replace(seen.looks[2], registrations={})])


def _there_twice(seen: Evidence) -> Evidence:
    """bob has two registrations, both with a seat."""
    return replace(seen, final=replace(seen.final, registrations=(*seen.final.registrations, seen.records[1])))


def _overlong(seen: Evidence) -> Evidence:
    """For a moment two wait in a line for one."""
    ledger = seen.looks[1].ledger
    assert ledger is not None
    return _look(seen, 1, ledger=replace(ledger, waitlist=Waitlist().join(2).join(3)))


def _seat_left_free(seen: Evidence) -> Evidence:
    """In the end somebody waits beside a free seat."""
    ledger = replace(seen.ledger, confirmed=0, waitlist=Waitlist().join(2))
    return replace(seen, recount=replace(seen.recount, expected=ledger))


def _lost(seen: Evidence) -> Evidence:
    """Somebody was told that her request is accepted, and nothing came of it."""
    promise = Exchange(99, REGISTER, seen.event, "lost", 20.0, 21.0, 202, "pending")
    return replace(seen, history=[*seen.history, promise])


def _left_over(seen: Evidence) -> Evidence:
    """A message is left in the queue."""
    return _look(seen, 2, queue=1)


def _dead_letter(seen: Evidence) -> Evidence:
    """A dead letter is left."""
    return _look(seen, 2, dead_letters=1)


@pytest.mark.parametrize(
    ("number", "damage"),
    [
        (1, _one_too_many),
        (2, _miscounted),
        (3, _overtaken),
        (4, _promoted_again),
        (5, _back_to_life),
        (5, _gone),
        (6, _there_twice),
        (7, _overlong),
        (8, _seat_left_free),
        (9, _lost),
        (10, _left_over),
        (10, _dead_letter),
    ],
)
def test_a_broken_rule(number: int, damage: Callable[[Evidence], Evidence]) -> None:
    """What breaks a rule is found under that rule."""
    assert number in broken(damage(evidence()))
