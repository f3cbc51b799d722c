"""The registration that `turnstile verify` makes, with the real API and workers: its results, and what it leaves."""

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
from tests.cli.verify.verified_deployment import VerifiedDeployment, given
from tests.support.deployment import OUTPUTS
from tests.support.pii_canaries import person
from workers.aws.user_keys import binding_key, user_key
from workers.domain.records import registration_id

ADA = "ada-of-turin"


def _walk(run: EndToEndRun) -> tuple[list[CheckResult], list[str]]:
    """Return the results up to the first failure, and what remains after the clean-up."""
    results = []
    for check in run.checks():
        results.append(perform(check))
        if not results[-1].ok:
            break
    return results, run.clean_up()


def _delay(verified: VerifiedDeployment, sleeps: int) -> None:
    """Let the pipeline run only from this sleep on."""
    slept = 0

    def wake() -> None:
        nonlocal slept
        slept += 1
        if slept >= sleeps:
            verified.run()

    verified.time.on_sleep[:] = [wake]


@pytest.mark.parametrize("identities", [NoTokens, given], ids=["open", "tokens"])
@pytest.mark.parametrize("sleeps", [0, 40], ids=["at once", "queued"])
def test_it_passes_and_leaves_nothing(
    verified: VerifiedDeployment, identities: Callable[[], Identities], sleeps: int
) -> None:
    """All steps pass, decided at once or queued, and nothing that they created stays in tables or queues."""
    _delay(verified, sleeps)
    results, remains = _walk(verified.end_to_end(identities()))
    assert [(result.name, result.detail) for result in results if not result.ok] == []
    assert (len(results), remains, verified.left(), verified.parked()) == (7, [], [], [])


def test_requests_are_not_interrupted(verified: VerifiedDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signals are deferred during each request that changes something: the clean-up must know what was accepted."""
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
    results, _ = _walk(EndToEndRun(verified.deployment, NoTokens(), new_name(), hold))
    assert all(result.ok for result in results)
    assert all((depth > 0) == (method != "GET") for method, depth in seen)
    assert {method for method, _ in seen} == {"GET", "POST", "DELETE"}


def _bind(verified: VerifiedDeployment, access_token: str) -> None:
    """Create Ada's user with this token."""
    assert verified.call("POST", "http://api/users", person(ADA), token=access_token).status == 201


def test_an_existing_user_registers_and_stays(verified: VerifiedDeployment) -> None:
    """An account has one user: if it exists, it registers, and stays with its binding; only the other is created."""
    tokens = given()
    _bind(verified, tokens.token("first"))
    before = verified.left()
    verified.asked.clear()
    results, remains = _walk(verified.end_to_end(tokens))
    assert [(result.name, result.detail) for result in results if not result.ok] == []
    assert results[0].detail.endswith("except for existing users of the tokens: first")
    assert verified.asked.count(("POST", "/users")) == 1
    assert (remains, verified.left()) == ([], before)


@pytest.mark.parametrize("kind", ["binding", "user"])
def test_items_that_belong_to_someone_else_by_now_stay(verified: VerifiedDeployment, kind: str) -> None:
    """A binding is deleted only while it is that of the created user; a user only while it has verify's name."""
    tokens = given() if kind == "binding" else NoTokens()
    run = verified.end_to_end(tokens)
    assert perform(run.checks()[0]).ok
    if kind == "binding":
        theirs = {**binding_key(subject_of(tokens.token("first") or "")), "boundTo": {"S": "somebody"}}
    else:
        theirs = {**user_key(f"{run.event}-first"), "name": {"S": "Ada"}}
    verified.dynamodb.put_item(TableName=verified.tables.users, Item=theirs)
    assert (run.clean_up(), verified.left()) == ([], [theirs])


def test_remaining_users_are_explained(verified: VerifiedDeployment) -> None:
    """While a user and its binding stay, the owner of the token can have no user of their own: both lines say so."""
    verified.time.on_sleep.clear()
    _, remains = _walk(verified.end_to_end(given()))
    blocking = [line for line in remains if f" in {verified.tables.users}: " in line]
    assert len(blocking) == 4
    why = "the token's owner is refused (409 account-has-user) until this user and its binding are deleted"
    assert [line for line in remains if line.endswith(why)] == blocking


def test_a_queued_command_keeps_its_event(verified: VerifiedDeployment) -> None:
    """While a command is queued nothing is deleted: without its event it would become a dead letter."""
    verified.time.on_sleep.clear()
    results, remains = _walk(verified.end_to_end(NoTokens()))
    assert "still pending after" in results[-1].detail
    event, tables = results[1].detail, verified.tables
    why = "a command for it may still be queued; delete it after that is decided"
    assert {line.partition(": ")[2] for line in remains} == {why}
    assert {line.partition(": ")[0] for line in remains} == {
        f"eventId {event} in {tables.events}",
        f"eventId {event} in {tables.ledger}",
        f"registrationId {registration_id(event, f'{event}-first')} in {tables.registrations}",
        f"userId {event}-first in {tables.users}",
        f"userId {event}-second in {tables.users}",
    }


def test_a_missing_promotion_fails_and_keeps_the_event(
    verified: VerifiedDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If nobody is promoted, that step fails, and the event stays for the promotion that may still come."""
    monkeypatch.setattr(verified, "ring", lambda: False)
    results, remains = _walk(verified.end_to_end(NoTokens()))
    assert (results[-1].name, results[-1].ok) == ("the second is promoted", False)
    assert "still waitlisted" in results[-1].detail
    assert remains
    monkeypatch.undo()
    verified.run()
    assert verified.parked() == []


@pytest.mark.parametrize("refused", ["POST /events", "POST /events/{eventId}/registrations"])
def test_a_refused_request_is_not_waited_for(
    verified: VerifiedDeployment, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    """After a 401 there is no command: that step fails with a hint, and everything is deleted."""

    def call(method: str, url: str, *arguments: Any, **options: Any) -> http_client.HttpResponse:
        if f"{method} {url.removeprefix(OUTPUTS.api_url)}" == refused.format(eventId=run.event):
            return http_client.HttpResponse(401, {}, {"message": "Unauthorized"})
        return verified.call(method, url, *arguments, **options)

    monkeypatch.setattr(http_client, "call", call)
    run = verified.end_to_end(given())
    results, remains = _walk(run)
    assert results[-1].detail.startswith(f"{refused} was answered with 401")
    assert results[-1].todo.startswith("use an access token")
    assert (remains, verified.left()) == ([], [])


def test_an_organizer_needs_the_group(verified: VerifiedDeployment) -> None:
    """A token that may not create events fails that step, which names the group."""
    results, remains = _walk(verified.end_to_end(given("a", "b", "guests")))
    assert (results[-1].name, results[-1].ok) == ("create an event with one seat", False)
    assert "group organizers" in results[-1].todo
    assert (remains, verified.left()) == ([], [])


def test_a_failure_names_nobody(verified: VerifiedDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure names the route, because the path contains a user's id."""
    tokens = given()
    _bind(verified, tokens.token("first"))
    monkeypatch.setattr(verified.registrar, "handle", lambda _event: {"batchItemFailures": []})  # it loses everything
    results, remains = _walk(verified.end_to_end(tokens))
    assert not results[-1].ok
    assert ADA not in "".join([*(result.detail for result in results), *remains])


def test_an_item_that_cannot_be_deleted_is_reported(
    verified: VerifiedDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An item that stays is named, with the reason; the others are deleted."""
    delete = verified.dynamodb.delete_item

    def refuse(TableName: str, **arguments: Any) -> Any:  # noqa: N803 - the SDK's name
        if TableName == verified.tables.ledger:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DeleteItem")
        return delete(TableName=TableName, **arguments)

    monkeypatch.setattr(verified.dynamodb, "delete_item", refuse)
    results, [remains] = _walk(verified.end_to_end(NoTokens()))
    assert all(result.ok for result in results)
    assert remains.partition(": ")[0] == f"eventId {results[1].detail} in {verified.tables.ledger}"
    assert "AccessDenied" in remains
    assert len(verified.left()) == 1
