"""`turnstile reconcile` and users who were erased while a request of theirs was queued."""

from __future__ import annotations

import pytest

from tests.cli.reconcile.reconcile_stack import EVENT, ReconcileStack, Run
from workers.aws.items import registration_key
from workers.domain.records import registration_id

KEY = registration_id("late", "dee")
FOUND = f"registration {KEY} at event 'late' is confirmed, of an erased user"
ALL_SOUND = ["2 events, 5 registrations: all events sound"]


@pytest.fixture(autouse=True)
def erased(stack: ReconcileStack) -> None:
    """Erase dee while their Register is queued. It is decided afterwards, so they have a seat, and eve waits."""
    work = stack.time.on_sleep.pop()
    stack.add_event("late", 1, hasWaitlist=True)
    assert stack.register("late", stack.add_user("dee"), Prefer="respond-async").status == 202
    # Without the pending record: the index that shows it may lag.
    stack.dynamodb.delete_item(TableName=stack.tables.registrations, Key=registration_key(KEY))
    response = stack.forget("dee")
    assert (response.status, response.body["cancellations"]) == (202, 0)
    stack.run()
    assert stack.stored("late", "dee").status == "confirmed"
    stack.time.on_sleep.append(work)
    assert stack.register("late", stack.add_user("eve")).body["waitlistPosition"] == 1


@pytest.mark.parametrize("which", ["late", "--all"])
def test_the_seat_of_an_erased_user(stack: ReconcileStack, run: Run, which: str) -> None:
    """It is shown, with exit code 1; --repair cancels the registration, and the waiting list moves up."""
    ended = run(which)
    hint = "Nothing was changed; use --repair to have the registrar cancel it."
    assert (ended.code, FOUND in ended.lines, ended.lines[-1]) == (1, True, hint)
    assert stack.ledger("late").confirmed == 1
    if which == "--all":
        assert ended.lines[-2] == "2 events, 5 registrations: all events sound, 1 registration of erased users"
    ended = run(which, "--repair")
    assert (ended.code, f"{FOUND}: cancelled" in ended.lines) == (0, True)
    assert [stack.stored("late", user).status for user in ("dee", "eve")] == ["cancelled", "confirmed"]
    assert run("--all").lines == ALL_SOUND


def test_a_check_of_another_event(stack: ReconcileStack, run: Run) -> None:
    """A check of one event ignores an erased user's seat at another one."""
    assert (run(EVENT).code, run(EVENT, "--repair").code) == (0, 0)
    assert stack.stored("late", "dee").status == "confirmed"


def test_an_erased_user_at_a_damaged_event(stack: ReconcileStack, run: Run) -> None:
    """One repair first repairs the ledger, then cancels the erased user's registration."""
    stack.damage("late", confirmed=0)
    ended = run("late", "--repair")
    assert ended.code == 0
    assert ended.lines == [
        "event 'late': 0 of 1 seats taken, 1 waiting, ledger version 2",
        "  the ledger says 0 confirmed, 1 are",
        "  repaired: 1 of 1 seats taken, 1 waiting, ledger version 3",
        f"{FOUND}: cancelled",
    ]
    assert run("--all").code == 0


def test_as_json(run: Run) -> None:
    """--json has the registrations of erased users, and the result; the users appear only by registration id."""
    expected = {"registrationId": KEY, "eventId": "late", "status": "confirmed"}
    for arguments, code, erased in (
        (["--all"], 1, [expected | {"repair": None}]),
        (["--all", "--repair"], 0, [expected | {"repair": "cancelled"}]),
        (["--all"], 0, []),
    ):
        ended = run(*arguments, "--json")
        assert (ended.code, ended.json["erased"]) == (code, erased)


def test_a_cancellation_that_is_not_decided(stack: ReconcileStack, run: Run) -> None:
    """If a cancellation is not decided, the wait ends with exit code 1; once the queue moves, all is sound."""
    work = stack.time.on_sleep.pop()
    assert run("late", "--repair", "--json").json["erased"][0]["repair"] == "not decided"
    ended = run("late", "--repair")
    assert (ended.code, ended.lines[-1]) == (1, f"{FOUND}: not decided")
    stack.time.on_sleep.append(work)
    assert run("--all").lines == ALL_SOUND
