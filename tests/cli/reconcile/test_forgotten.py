"""`turnstile reconcile` and people who were forgotten while a request of theirs was queued."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.reconcile.world import EVENT, World, printed
from workers.aws.items import event_key, registration_key
from workers.domain.records import registration_id


def forget_while_queued(world: World, user: str = "dee") -> str:
    """Somebody's Register is in the queue while they are forgotten, and is decided afterwards: they have a seat.

    eve waits behind them. Answers the registration's id.
    """
    run = world.time.on_sleep.pop()
    world.add_event("late", 1, hasWaitlist=True)
    assert world.register("late", world.add_user(user), Prefer="respond-async").status == 202
    # The promise is what the index shows of it; it may lag.
    world.dynamodb.delete_item(
        TableName=world.tables.registrations, Key=registration_key(registration_id("late", user))
    )
    forgotten = world.forget(user)
    assert (forgotten.status, forgotten.body["cancellations"]) == (202, 0)
    world.run()
    assert world.stored("late", user).status == "confirmed"
    world.time.on_sleep.append(run)
    assert world.register("late", world.add_user("eve")).body["waitlistPosition"] == 1
    return registration_id("late", user)


@pytest.mark.parametrize("which", ["late", "--all"])
def test_who_was_forgotten_while_queued(world: World, said: Any, which: str) -> None:
    """A Register that was queued before its user was forgotten, and decided after, seats them: it is shown, and the
    exit code is 1; --repair cancels it, and who waits moves up."""
    key = forget_while_queued(world)
    found = f"registration {key} at event 'late' is confirmed, of an erased user"
    code, lines = said(which)
    assert (code, found in lines) == (1, True)
    assert lines[-1] == "Nothing was changed; use --repair to have the registrar cancel it."
    assert world.ledger("late").confirmed == 1
    code, lines = said(which, "--repair")
    assert (code, f"{found}: cancelled" in lines) == (0, True)
    assert [world.stored("late", user).status for user in ("dee", "eve")] == ["cancelled", "confirmed"]
    assert said("--all") == (0, ["2 events, 5 registrations: all sound"])


def test_who_was_forgotten_elsewhere(world: World, said: Any) -> None:
    """A look at one event says nothing of an erased user's seat at another one."""
    forget_while_queued(world)
    assert said(EVENT)[0] == 0
    assert said(EVENT, "--repair")[0] == 0
    assert world.stored("late", "dee").status == "confirmed"


def test_who_was_forgotten_at_a_damaged_event(world: World, said: Any) -> None:
    """The ledger is mended first, then the forgotten user's seat is given back: one repair does both."""
    key = forget_while_queued(world)
    world.dynamodb.update_item(
        TableName=world.tables.ledger,
        Key=event_key("late"),
        UpdateExpression="SET confirmed = :none",
        ExpressionAttributeValues={":none": {"N": "0"}},
    )
    code, lines = said("late", "--repair")
    assert code == 0
    assert lines == [
        "event 'late': 0 of 1 seats taken, 1 waiting, ledger version 2",
        "  the ledger says 0 confirmed, 1 are",
        "  repaired: 1 of 1 seats taken, 1 waiting, ledger version 3",
        f"registration {key} at event 'late' is confirmed, of an erased user: cancelled",
    ]
    assert said("--all")[0] == 0


def test_forgotten_for_scripts(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """--json has what forgotten users still have, and what came of it; of who they are only the registration's id."""
    key = forget_while_queued(world)
    expected = {"registrationId": key, "eventId": "late", "status": "confirmed"}
    assert printed(capsys, 1, "--all")["erased"] == [expected | {"repair": None}]
    assert printed(capsys, 0, "--all", "--repair")["erased"] == [expected | {"repair": "cancelled"}]
    assert printed(capsys, 0, "--all")["erased"] == []


def test_a_cancellation_that_is_not_decided(world: World, said: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """When a cancellation is not decided the wait ends and the exit code is 1; once the queue moves, all is sound."""
    key = forget_while_queued(world)
    run = world.time.on_sleep.pop()
    assert printed(capsys, 1, "late", "--repair")["erased"][0]["repair"] == "not decided"
    code, lines = said("late", "--repair")
    assert (code, lines[-1]) == (
        1,
        f"registration {key} at event 'late' is confirmed, of an erased user: not decided",
    )
    world.time.on_sleep.append(run)
    assert said("--all") == (0, ["2 events, 5 registrations: all sound"])
