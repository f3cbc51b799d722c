"""The registration that `turnstile verify` makes, with the real API and workers: what it says, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.cli import http_client
from infra.cli.verify.end_to_end import EndToEndRun, new_name
from infra.cli.verify.identities import Identities, NoTokens, subject_of
from infra.cli.verify.result import CheckResult, perform
from tests.cli.verify.world import VerifiedDeployment, given
from tests.support.deployment import OUTPUTS
from tests.support.pii_canaries import person
from workers.aws.user_keys import binding_key, user_key
from workers.domain.records import registration_id


def _walk(journey: EndToEndRun) -> tuple[list[CheckResult], list[str]]:
    """The results up to the first failure, and what remains."""
    results = []
    for check in journey.checks():
        results.append(perform(check))
        if not results[-1].ok:
            break
    return results, journey.clean_up()


def _slow(world: VerifiedDeployment, steps: int) -> None:
    """From now on nothing is decided before so many sleeps."""
    world.time.on_sleep[:] = []

    def wake() -> None:
        nonlocal steps
        steps -= 1
        if steps <= 0:
            world.run()

    world.time.on_sleep.append(wake)


@pytest.mark.parametrize("callers", [NoTokens, given], ids=["open", "tokens"])
@pytest.mark.parametrize("sleeps", [0, 40], ids=["at once", "queued"])
def test_it_passes_and_leaves_nothing(
    world: VerifiedDeployment, callers: Callable[[], Identities], sleeps: int
) -> None:
    """All steps pass, decided at once or queued, and of what they made nothing stays, in tables or queues."""
    _slow(world, sleeps)
    results, remains = _walk(world.journey(callers()))
    assert [(result.name, result.detail) for result in results if not result.ok] == []
    assert (len(results), remains, world.left(), world.parked()) == (7, [], [], [])


def test_no_signal_comes_between_a_request_and_its_answer(
    world: VerifiedDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request that changes something runs while signals are put off: the clean-up must know what was accepted."""
    held, seen, call = [0], list[tuple[str, int]](), http_client.call

    @contextmanager
    def hold() -> Iterator[None]:
        held[0] += 1
        yield
        held[0] -= 1

    def watched(method: str, *arguments: Any, **named: Any) -> http_client.HttpResponse:
        seen.append((method, held[0]))
        return call(method, *arguments, **named)

    monkeypatch.setattr(http_client, "call", watched)
    results, _ = _walk(EndToEndRun(world.deployment, NoTokens(), new_name(), hold))
    assert all(result.ok for result in results)
    assert all((depth > 0) == (method != "GET") for method, depth in seen)
    assert {method for method, _ in seen} == {"GET", "POST", "DELETE"}


def _as(world: VerifiedDeployment, access_token: str, user_id: str) -> None:
    """Creates the user of this token."""
    assert world.call("POST", "http://api/users", person(user_id), token=access_token).status == 201


def test_a_token_registers_as_the_user_that_it_has(world: VerifiedDeployment) -> None:
    """Nobody is two users: whoever has one registers as that one, who stays, with the login; only the other is made."""
    mine = "ada-of-turin"
    callers = given()
    _as(world, callers.token("first"), mine)
    before = world.left()
    world.asked.clear()
    results, remains = _walk(world.journey(callers))
    assert [(result.name, result.detail) for result in results if not result.ok] == []
    assert results[0].detail.endswith("except for existing users of the tokens: first")
    assert ("POST", "/users") in world.asked
    assert world.asked.count(("POST", "/users")) == 1
    assert (remains, world.left()) == ([], before)


def test_a_login_that_has_another_user_by_now_is_left_alone(world: VerifiedDeployment) -> None:
    """A binding is deleted only while it is that of the user who was made."""
    callers = given()
    journey = world.journey(callers)
    assert perform(journey.checks()[0]).ok
    bound = {**binding_key(subject_of(callers.token("first"))), "boundTo": {"S": "somebody"}}
    world.dynamodb.put_item(TableName=world.tables.users, Item=bound)
    assert journey.clean_up() == []
    assert world.left() == [bound]


def test_a_user_that_is_somebody_elses_by_now_is_left_alone(world: VerifiedDeployment) -> None:
    """A user is deleted only if it still has the name that verify gave it."""
    journey = world.journey(NoTokens())
    assert perform(journey.checks()[0]).ok
    theirs = {**user_key(f"{journey.event}-first"), "name": {"S": "Ada"}}
    world.dynamodb.put_item(TableName=world.tables.users, Item=theirs)
    assert journey.clean_up() == []
    assert world.left() == [theirs]


def test_users_that_stay_say_what_they_block(world: VerifiedDeployment) -> None:
    """While a user and its binding stay, the owner of the token can get no user of their own: both lines say so."""
    world.time.on_sleep.clear()
    _, remains = _walk(world.journey(given()))
    blocking = [line for line in remains if f" in {world.tables.users}: " in line]
    assert len(blocking) == 4
    said = "the token's owner is refused (409 account-has-user) until this user and its binding are deleted"
    assert [line for line in remains if line.endswith(said)] == blocking


def test_what_is_still_queued_keeps_its_event(world: VerifiedDeployment) -> None:
    """While a command of it is queued nothing is deleted, for without its event it would be a dead letter."""
    world.time.on_sleep.clear()
    results, remains = _walk(world.journey(NoTokens()))
    assert "still pending after" in results[-1].detail
    assert {line.partition(": ")[2] for line in remains} == {
        "a command for it may still be queued; delete it after that is decided"
    }
    event = results[1].detail
    expected = {
        f"eventId {event} in {world.tables.events}",
        f"eventId {event} in {world.tables.ledger}",
        f"registrationId {registration_id(event, f'{event}-first')} in {world.tables.registrations}",
        f"userId {event}-first in {world.tables.users}",
        f"userId {event}-second in {world.tables.users}",
    }
    assert {line.partition(": ")[0] for line in remains} == expected


def test_what_is_decided_meanwhile_is_deleted(world: VerifiedDeployment) -> None:
    """An interruption while a command is queued: the clean-up waits for the decision, then deletes everything."""
    world.time.on_sleep.clear()
    journey = world.journey(NoTokens())
    assert [perform(check).ok for check in journey.checks()[:3]] == [True, True, False]
    _slow(world, 3)
    assert (journey.clean_up(), world.left(), world.parked()) == ([], [], [])


def test_a_promotion_that_does_not_come_fails_and_keeps_the_event(
    world: VerifiedDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is promoted: that step fails; and its event stays, for the promotion that may still come."""
    monkeypatch.setattr(world, "ring", lambda: False)
    results, remains = _walk(world.journey(NoTokens()))
    assert (results[-1].name, results[-1].ok) == ("the second is promoted", False)
    assert "still waitlisted" in results[-1].detail
    assert remains
    monkeypatch.undo()
    world.run()
    assert world.parked() == []


@pytest.mark.parametrize("refused", ["POST /events", "POST /events/{eventId}/registrations"])
def test_what_is_refused_is_not_waited_for(
    world: VerifiedDeployment, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    """After a 401 there is no command: that step fails with what to do, and everything is deleted."""

    def call(method: str, url: str, *arguments: Any, **options: Any) -> http_client.HttpResponse:
        if f"{method} {url.removeprefix(OUTPUTS.api_url)}" == refused.format(eventId=journey.event):
            return http_client.HttpResponse(401, {}, {"message": "Unauthorized"})
        return world.call(method, url, *arguments, **options)

    monkeypatch.setattr(http_client, "call", call)
    journey = world.journey(given())
    results, remains = _walk(journey)
    assert results[-1].detail.startswith(f"{refused} was answered with 401")
    assert results[-1].todo.startswith("use an access token")
    assert (remains, world.left()) == ([], [])


def test_an_organizer_without_the_group_is_told_so(world: VerifiedDeployment) -> None:
    """A token that may not create events fails that step, which says which group it takes."""
    results, remains = _walk(world.journey(given("a", "b", "guests")))
    assert (results[-1].name, results[-1].ok) == ("create an event with one seat", False)
    assert "group organizers" in results[-1].todo
    assert (remains, world.left()) == ([], [])


def test_a_failure_names_nobody(world: VerifiedDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails is told by its route: the path has the id of somebody's user."""
    callers = given()
    _as(world, callers.token("first"), "ada-of-turin")
    monkeypatch.setattr(world.registrar, "handle", lambda _event: {"batchItemFailures": []})  # it loses everything
    results, remains = _walk(world.journey(callers))
    assert not results[-1].ok
    said = [*(result.detail for result in results), *remains]
    assert not [line for line in said if "ada-of-turin" in line]


def test_what_cannot_be_deleted_is_reported(world: VerifiedDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """An item that stays in a table is named, with the reason; the others are deleted."""
    delete = world.dynamodb.delete_item

    def refuse(TableName: str, **arguments: Any) -> Any:  # noqa: N803 - the SDK's name
        if TableName == world.tables.ledger:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DeleteItem")
        return delete(TableName=TableName, **arguments)

    monkeypatch.setattr(world.dynamodb, "delete_item", refuse)
    results, remains = _walk(world.journey(NoTokens()))
    assert all(result.ok for result in results)
    assert [line.partition(": ")[0] for line in remains] == [f"eventId {results[1].detail} in {world.tables.ledger}"]
    assert "AccessDenied" in remains[0]
    assert len(world.left()) == 1
