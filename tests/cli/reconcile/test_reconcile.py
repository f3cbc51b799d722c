"""`turnstile reconcile` on moto, with the real registrar behind the queue: what it says, and its exit codes."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.cli.main import main
from tests.cli.reconcile.world import EVENT, World, printed
from workers.aws.items import event_key

HINT = "Nothing was changed; use --repair to have the registrar repair it."


def test_a_sound_event(world: World, said: Any) -> None:
    """A sound event is one line and exit code 0, with --repair too; all events are one line together."""
    expected = "event 'pycon' is sound: 1 of 1 seats taken, 2 waiting, ledger version 3"
    assert said(EVENT) == (0, [expected])
    assert said(EVENT, "--repair") == (0, [expected])
    assert said("--all") == (0, ["1 events, 3 registrations: all sound"])


def test_an_event_where_nobody_was(world: World, said: Any) -> None:
    """An event where nobody was has no ledger yet, and is sound."""
    world.add_event("new", 5)
    assert said("new") == (0, ["event 'new' is sound: it has no ledger yet"])


def test_a_difference_is_shown_and_left(world: World, said: Any) -> None:
    """Without --repair nothing is changed; what would mend it is said, and the exit code is 1."""
    world.damage(confirmed=0, nextTicket=1)
    before = world.ledger(EVENT)
    for arguments in ([EVENT], ["--all"]):
        code, lines = said(*arguments)
        assert (code, lines[:4]) == (
            1,
            [
                "event 'pycon': 0 of 1 seats taken, 2 waiting, ledger version 3",
                "  the ledger says 0 confirmed, 1 are",
                "  the ledger gives ticket 1 next, but 2 waits already",
                *(["1 events, 3 registrations: 1 of them not sound"] if arguments == ["--all"] else [HINT]),
            ],
        )
        assert lines[-1] == HINT
    assert world.ledger(EVENT) == before


@pytest.mark.parametrize("which", [EVENT, "--all"])
def test_a_difference_is_mended(world: World, said: Any, which: str) -> None:
    """--repair mends, looks again, says so, and the exit code is 0; the next look finds nothing."""
    world.damage(confirmed=0)
    code, lines = said(which, "--repair")
    assert (code, lines[:3]) == (
        0,
        [
            "event 'pycon': 0 of 1 seats taken, 2 waiting, ledger version 3",
            "  the ledger says 0 confirmed, 1 are",
            "  repaired: 1 of 1 seats taken, 2 waiting, ledger version 4",
        ],
    )
    assert said(EVENT)[0] == 0


def test_for_scripts(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """--json is one object: what was found, what was counted, what came of it."""
    sound = printed(capsys, 0, "--all")
    assert sound == {"stage": "local", "findings": [], "events": 1, "registrations": 3, "strays": [], "erased": []}
    world.damage(confirmed=5)
    wrong = printed(capsys, 1, EVENT)["findings"][0]
    seats = {"capacity": 1, "waiting": 2, "nextTicket": 3}
    assert wrong == {
        "eventId": EVENT,
        "sound": False,
        "busy": False,
        "ledger": {"version": 3, "confirmed": 5, **seats},
        "counted": {"version": 3, "confirmed": 1, **seats},
        "differences": ["the ledger says 5 confirmed, 1 are"],
        "flaws": [],
        "freeSeats": 0,
        "repair": None,
        "ledgerAfter": None,
    }
    mended = printed(capsys, 0, EVENT, "--repair")["findings"][0]
    assert mended["repair"] == "mended"
    assert mended["ledgerAfter"] == {"version": 4, "confirmed": 1, **seats}


def test_a_deleted_ledger_is_mended(world: World, said: Any) -> None:
    """A deleted ledger is made again from the registrations alone."""
    world.dynamodb.delete_item(TableName=world.tables.ledger, Key=event_key(EVENT))
    code, lines = said(EVENT, "--repair")
    assert code == 0
    assert lines == [
        "event 'pycon': no readable ledger",
        "  there is no ledger, but registrations were decided",
        "  repaired: 1 of 1 seats taken, 2 waiting, ledger version 1",
    ]


def test_a_free_seat_is_shown_and_given(world: World, said: Any) -> None:
    """The capacity was raised past the queue, so nobody was told: bob gets the seat that he waits for."""
    world.add_seats(2)
    code, lines = said(EVENT)
    assert (code, lines[1:]) == (1, ["  seats that are free while people are waiting: 1, with 2 waiting", HINT])
    assert said(EVENT, "--repair")[0] == 0
    assert world.stored(EVENT, "bob").status == "confirmed"


def test_what_a_recount_cannot_mend(world: World, said: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A registration that cannot be read is named, the ledger stays as it is although it is wrong too, and the exit
    code is 1."""
    world.damage(confirmed=0)
    key = world.spoil("bob")
    code, lines = said(EVENT, "--repair")
    assert code == 1
    assert lines[1:] == [
        f"  registration {key} cannot be read: KeyError('generation')",
        "  not repaired: a recount cannot repair this",
    ]
    assert printed(capsys, 1, EVENT, "--repair")["findings"][0]["repair"] == "not mended"
    assert world.ledger(EVENT).confirmed == 0


def test_a_registration_that_names_no_event(world: World, said: Any) -> None:
    """A registration that names no event is shown, with exit code 1, by a look at all events and by no other."""
    world.dynamodb.put_item(TableName=world.tables.registrations, Item={"registrationId": {"S": "reg_STRAY"}})
    assert said("--all") == (1, ["registration reg_STRAY names no event", "1 events, 4 registrations: all sound"])
    assert said(EVENT)[0] == 0


def test_a_registrar_that_does_not_decide(world: World, said: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """When the registrar does not decide, the wait ends; it is said where to look, and the exit code is 1."""
    world.damage(confirmed=0)
    world.time.on_sleep.clear()
    code, lines = said(EVENT, "--repair")
    assert code == 1
    assert lines[-1].startswith("  not repaired: the registrar has not decided it in time, or ")
    assert lines[-1].endswith("; see turnstile top and turnstile dlq list")
    assert printed(capsys, 1, EVENT, "--repair")["findings"][0]["repair"] == "not decided"


def test_a_promotion_that_does_not_come(world: World, said: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """While the queue has not come to the promotion, a ledger that is right again is no success yet: the exit code is
    1."""
    world.add_seats(2)
    decided: list[bool] = []
    world.time.on_sleep[:] = [lambda: None if any(decided) else decided.append(world.deliver())]
    code, lines = said(EVENT, "--repair")
    after = "1 of 2 seats taken, 2 waiting, ledger version 4"
    assert (code, lines[-1]) == (
        1,
        f"  the ledger is repaired: {after}; the promotion is queued behind other commands",
    )
    assert printed(capsys, 1, EVENT, "--repair")["findings"][0]["repair"] == "not decided"
    world.run()
    assert said(EVENT)[0] == 0


def test_a_busy_event(world: World, said: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """One whose ledger changes during every look is called busy, which is not sound."""
    version = iter(range(10, 99))
    world.time.on_sleep[:] = [lambda: world.damage(version=next(version))]
    code, lines = said(EVENT)
    expected = (
        "event 'pycon': its ledger changed during every count, so its state is unknown; try again at a quieter time"
    )
    assert (code, lines) == (1, [expected])
    assert printed(capsys, 1, EVENT, "--repair")["findings"][0]["repair"] == "not mended"


@pytest.mark.parametrize("arguments", [[], [EVENT, "--all"], [""], ["--repair"]])
def test_wrong_usage(world: World, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Neither an event nor --all, or both: exit code 2, and how it should be."""
    capsys.readouterr()
    assert main(["reconcile", *arguments]) == 2
    assert capsys.readouterr().err == "turnstile: choose what to check: one EVENT_ID, or --all for every event\n"


def test_an_unknown_event(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """An event that nobody knows is an error that names it."""
    capsys.readouterr()
    assert main(["reconcile", "nope"]) == 1
    expected = "turnstile: there is no event 'nope', and no registration for an event with this id\n"
    assert capsys.readouterr().err == expected


def test_aws_refuses(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What AWS refuses is one sentence with its reason, and exit code 1."""
    denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "BatchGetItem")

    def refuse(**_: Any) -> Any:
        raise denied

    monkeypatch.setattr(world.dynamodb, "batch_get_item", refuse)
    capsys.readouterr()
    assert main(["reconcile", EVENT]) == 1
    err = capsys.readouterr().err
    assert err.startswith("turnstile: an AWS request failed: An error occurred (AccessDenied")
