"""`turnstile reconcile` on moto, with the real registrar behind the queue: its output and its exit codes."""

from __future__ import annotations

import pytest

from infra.cli.hints import suggest
from tests.cli.reconcile.reconcile_stack import EVENT, ReconcileStack, Run
from workers.aws.items import event_key

HINT = "Nothing was changed; use --repair to have the registrar repair it."
SOUND = "event 'pycon' is sound: 1 of 1 seats taken, 2 waiting, ledger version 3"
WRONG = [
    "event 'pycon': 0 of 1 seats taken, 2 waiting, ledger version 3",
    "  the ledger says 0 confirmed, 1 are",
]


def test_sound_events(stack: ReconcileStack, run: Run) -> None:
    """A sound event is one line and exit code 0, with --repair too; all events together are one line."""
    stack.add_event("new", 5)
    for arguments, line in (
        ([EVENT], SOUND),
        ([EVENT, "--repair"], SOUND),
        (["new"], "event 'new' is sound: it has no ledger yet"),
        (["--all"], "1 event, 3 registrations: all events sound"),
    ):
        ended = run(*arguments)
        assert (ended.code, ended.lines) == (0, [line])


@pytest.mark.parametrize("which", [EVENT, "--all"])
def test_a_difference_is_shown_and_repaired(stack: ReconcileStack, run: Run, which: str) -> None:
    """Without --repair nothing is changed, and the exit code is 1; with it, the registrar repairs the ledger."""
    stack.damage(confirmed=0)
    before, total = stack.ledger(EVENT), ["1 event, 3 registrations: 1 event not sound"] if which != EVENT else []
    ended = run(which)
    assert (ended.code, ended.lines) == (1, [*WRONG, *total, HINT])
    assert stack.ledger(EVENT) == before
    ended = run(which, "--repair")
    repaired = "  repaired: 1 of 1 seats taken, 2 waiting, ledger version 4"
    assert (ended.code, ended.lines) == (0, [*WRONG, repaired, *total])
    assert run(EVENT).code == 0


def test_as_json(stack: ReconcileStack, run: Run) -> None:
    """--json prints one object: the findings, the counts, and the result of a repair."""
    sound = {"stage": "local", "findings": [], "events": 1, "registrations": 3, "strays": [], "erased": []}
    assert run("--all", "--json").json == sound
    stack.damage(confirmed=5)
    seats = {"capacity": 1, "waiting": 2, "nextTicket": 3}
    wrong = {
        "eventId": EVENT,
        "sound": False,
        "busy": False,
        "ledger": {"version": 3, "confirmed": 5, **seats},
        "counted": {"version": 3, "confirmed": 1, **seats},
        "differences": ["the ledger says 5 confirmed, 1 are"],
        "flaws": [],
        "freeSeats": 0,
    }
    ended = run(EVENT, "--json")
    assert (ended.code, ended.json["findings"]) == (1, [wrong | {"repair": None, "ledgerAfter": None}])
    ended = run(EVENT, "--repair", "--json")
    after = {"repair": "mended", "ledgerAfter": {"version": 4, "confirmed": 1, **seats}}
    assert (ended.code, ended.json["findings"]) == (0, [wrong | after])


def test_a_deleted_ledger_is_repaired(stack: ReconcileStack, run: Run) -> None:
    """A deleted ledger is rebuilt from the registrations alone."""
    stack.dynamodb.delete_item(TableName=stack.tables.ledger, Key=event_key(EVENT))
    ended = run(EVENT, "--repair")
    assert ended.code == 0
    assert ended.lines == [
        "event 'pycon': no readable ledger",
        "  there is no ledger, but registrations were decided",
        "  repaired: 1 of 1 seats taken, 2 waiting, ledger version 1",
    ]


def test_a_free_seat_is_shown_and_given(stack: ReconcileStack, run: Run) -> None:
    """After a manual change of the capacity, the free seat is shown; --repair gives it to bob, who waits for it."""
    stack.add_seats(2)
    ended = run(EVENT)
    free = "  seats that are free while people are waiting: 1, with 2 waiting"
    assert (ended.code, ended.lines[1:]) == (1, [free, HINT])
    assert run(EVENT, "--repair").code == 0
    assert stack.stored(EVENT, "bob").status == "confirmed"


def test_damage_that_a_recount_cannot_repair(stack: ReconcileStack, run: Run) -> None:
    """An unreadable registration is named, and the ledger is left alone although it is wrong, too: exit code 1."""
    stack.damage(confirmed=0)
    key = stack.spoil("bob")
    ended = run(EVENT, "--repair")
    unreadable = f"  registration {key} cannot be read: generation is missing"
    assert (ended.code, ended.lines[1:]) == (1, [unreadable, "  not repaired: a recount cannot repair this"])
    assert run(EVENT, "--repair", "--json").json["findings"][0]["repair"] == "not mended"
    assert stack.ledger(EVENT).confirmed == 0


def test_a_registration_that_names_no_event(stack: ReconcileStack, run: Run) -> None:
    """It is shown, with exit code 1, when all events are checked, and not for a single event."""
    stack.dynamodb.put_item(TableName=stack.tables.registrations, Item={"registrationId": {"S": "reg_STRAY"}})
    assert run("nope").err == "turnstile: there is no event 'nope', and no registration for an event with this id\n"
    ended = run("--all")
    stray = ["registration reg_STRAY names no event", "1 event, 4 registrations: all events sound, 1 stray item"]
    assert (ended.code, ended.lines) == (1, stray)
    assert run(EVENT).code == 0


def test_a_registrar_that_does_not_decide(stack: ReconcileStack, run: Run) -> None:
    """If the registrar does not decide, the wait ends, with a hint and exit code 1."""
    stack.damage(confirmed=0)
    stack.time.on_sleep.clear()
    ended = run(EVENT, "--repair")
    assert ended.code == 1
    assert ended.lines[-1].startswith("  not repaired: the registrar has not decided it in time, or ")
    assert ended.lines[-1].endswith(f"; see {suggest('top')} and {suggest('dlq list')}")
    assert run(EVENT, "--repair", "--json").json["findings"][0]["repair"] == "not decided"


def test_a_promotion_that_is_still_queued(stack: ReconcileStack, run: Run) -> None:
    """While the promotion is still queued, the exit code is 1, although the ledger is repaired."""
    stack.add_seats(2)
    decided: list[bool] = []
    stack.time.on_sleep[:] = [lambda: None if any(decided) else decided.append(stack.deliver())]
    ended = run(EVENT, "--repair")
    after = "1 of 2 seats taken, 2 waiting, ledger version 4"
    line = f"  the ledger is repaired: {after}; the promotion is queued behind other commands"
    assert (ended.code, ended.lines[-1]) == (1, line)
    assert run(EVENT, "--repair", "--json").json["findings"][0]["repair"] == "not decided"
    stack.run()
    assert run(EVENT).code == 0


def test_a_busy_event(stack: ReconcileStack, run: Run) -> None:
    """An event whose ledger changes during every count is reported as busy, which is not sound."""
    version = iter(range(10, 99))
    stack.time.on_sleep[:] = [lambda: stack.damage(version=next(version))]
    ended = run(EVENT)
    busy = "its ledger changed during every count, so its state is unknown; try again at a quieter time"
    assert (ended.code, ended.lines) == (1, [f"event 'pycon': {busy}"])
    assert run(EVENT, "--repair", "--json").json["findings"][0]["repair"] == "not mended"
