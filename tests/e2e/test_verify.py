"""What says where a deployment is and whether it is sound, against the stack: `turnstile status` and `verify`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.cli.deployment import Clients, Deployment, Outputs
from infra.cli.main import main
from infra.cli.user_pool import TokenSet, UserPoolClient
from infra.cli.verify import health
from tests.e2e.messages import deliver, register_command
from tests.support.builders import event_item
from tests.support.client import eventually, unique
from tests.support.stacks import local_deployment, printed, queue_depth, turnstile
from workers.aws.items import event_key, registration_key
from workers.aws.messages import encode
from workers.aws.user_keys import binding_key, user_key
from workers.domain.records import registration_id

pytestmark = pytest.mark.e2e

NO_DEAD_LETTERS = pytest.mark.own_stack("it must have no dead letters")

Verify = Callable[..., tuple[int, dict[str, Any]]]


def _verdicts(said: dict[str, Any], verdict: str) -> list[tuple[str, str]]:
    """Name and detail of the checks with this verdict."""
    return [(check["name"], check["detail"]) for check in said["checks"] if check["verdict"] == verdict]


def test_verify(stack: Outputs) -> None:
    """`turnstile verify` finds a stack that works working, whatever other tests have left for its operator."""
    said = json.loads(turnstile("verify", "--json").stdout)
    assert (_verdicts(said, "failed"), _verdicts(said, "skipped"), said["remains"]) == ([], [], [])
    assert len(_verdicts(said, "ok")) > 15


@pytest.fixture
def verify(guarded_stack: Outputs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verify:
    """Runs `turnstile verify` on the stack with authorization as if it were another stage: code, and what it prints."""

    def run(stage: str, *arguments: str) -> tuple[int, dict[str, Any]]:
        deployment = local_deployment(guarded_stack)
        deployment.stage = stage
        monkeypatch.setattr(Deployment, "resolve", lambda _stage: deployment)
        code = main(["verify", "--stage", stage, "--json", *arguments])
        said: dict[str, Any] = json.loads(capsys.readouterr().out)
        return code, said

    return run


def _people(aws: Clients, outputs: Outputs) -> set[str]:
    """The names in the user pool that verify gives."""
    users = aws.cognito.list_users(UserPoolId=outputs.user_pool_id or "")["Users"]
    return {user["Username"] for user in users if user["Username"].startswith("verify-")}


def _items(aws: Clients, outputs: Outputs) -> list[Any]:
    """What verify has left in the tables."""
    tables = (outputs.users_table, outputs.events_table, outputs.registrations_table, outputs.ledger_table)
    items = [item for table in tables for item in aws.dynamodb.scan(TableName=table)["Items"]]
    return [item for item in items if "verify-" in json.dumps(item, default=str)]


@NO_DEAD_LETTERS
def test_on_dev_people_are_made_and_removed(verify: Verify, guarded_stack: Outputs, guarded_aws: Clients) -> None:
    """On a stage that allows it, verify registers people of its own, and leaves nobody and nothing behind."""
    code, said = verify("dev")
    assert (_verdicts(said, "failed"), _verdicts(said, "skipped"), said["remains"]) == ([], [], [])
    assert (code, said["ok"]) == (0, True), _verdicts(said, "warning")
    assert (_people(guarded_aws, guarded_stack), _items(guarded_aws, guarded_stack)) == (set(), [])


@NO_DEAD_LETTERS
def test_in_production_nobody_is_made(verify: Verify, guarded_stack: Outputs, guarded_aws: Clients) -> None:
    """Without tokens the registration is skipped, and it says so and how to hand them over; the rest is checked."""
    code, said = verify("prod")
    [(name, detail)] = _verdicts(said, "skipped")
    assert (code, name) == (0, "one registration from end to end")
    assert "nobody was registered" in detail
    assert "--tokens FILE" in next(check["todo"] for check in said["checks"] if check["name"] == name)
    assert not [check for check in said["checks"] if "first" in check["name"]]
    assert _people(guarded_aws, guarded_stack) == set()


@pytest.fixture
def people(guarded_stack: Outputs, guarded_aws: Clients) -> Iterator[dict[str, TokenSet]]:
    """An organizer and two people with accounts of their own."""
    pool = UserPoolClient(guarded_aws, guarded_stack)
    groups: dict[str, list[str]] = {"organizer": ["organizers"], "first": [], "second": []}
    names = {role: unique(role) for role in groups}
    yield {role: pool.sign_in(name, groups[role]) for role, name in names.items()}
    for name in names.values():
        pool.remove(name)


@NO_DEAD_LETTERS
def test_in_production_tokens_are_taken(
    verify: Verify, people: dict[str, TokenSet], guarded_stack: Outputs, guarded_aws: Clients, tmp_path: Path
) -> None:
    """With tokens it registers: as the user that a token has, who stays, and as one who is made and deleted."""
    user, (first, second) = unique("user"), (people["first"], people["second"])
    binding = {**binding_key(first.subject), "boundTo": {"S": user}}
    kept = [{**user_key(user), "name": {"S": "N"}, "subject": {"S": first.subject}}, binding]
    for item in kept:
        guarded_aws.dynamodb.put_item(TableName=guarded_stack.users_table, Item=item)
    path = tmp_path / "tokens.json"
    path.write_text(json.dumps({role: tokens.access for role, tokens in people.items()}))
    code, said = verify("prod", "--tokens", str(path))
    assert (_verdicts(said, "failed"), _verdicts(said, "skipped"), said["remains"]) == ([], [], [])
    assert (code, said["ok"]) == (0, True), _verdicts(said, "warning")
    assert _items(guarded_aws, guarded_stack) == []
    get = guarded_aws.dynamodb.get_item
    for item in kept:
        key = {"userId": item["userId"]}
        assert get(TableName=guarded_stack.users_table, Key=key)["Item"] == item
    assert "Item" not in get(TableName=guarded_stack.users_table, Key=binding_key(second.subject))


@contextmanager
def _dead_letters(aws: Clients, url: str, count: int) -> Iterator[int]:
    """So many more messages in a dead-letter queue while the block runs; gives how many there are."""
    group, left = unique("letters"), set[str]()
    for number in range(count):
        one = unique(str(number))
        sent = aws.sqs.send_message(QueueUrl=url, MessageBody="{}", MessageGroupId=group, MessageDeduplicationId=one)
        left.add(sent["MessageId"])

    def taken() -> bool:
        answer = aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=2)
        for letter in answer.get("Messages", []):
            if letter["MessageId"] in left:
                aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=letter["ReceiptHandle"])
                left.remove(letter["MessageId"])
        return not left

    try:
        yield queue_depth(aws, url)
    finally:
        eventually(taken, within=60)


@contextmanager
def _stuck_event(aws: Clients, outputs: Outputs) -> Iterator[str]:
    """An event with a damaged ledger and a command in the queue, while the block runs; gives its id."""
    event_id, user_id = unique("event"), unique("user")
    key = event_key(event_id)
    aws.dynamodb.put_item(TableName=outputs.events_table, Item=event_item(event_id, 1))
    aws.dynamodb.put_item(TableName=outputs.ledger_table, Item={**key, "version": {"N": "1"}})
    deliver(aws, outputs.queue_url, event_id, encode(register_command(event_id, user_id)))
    try:
        yield event_id
    finally:
        aws.dynamodb.delete_item(TableName=outputs.ledger_table, Key=key)  # its event makes a new one
        eventually(lambda: queue_depth(aws, outputs.queue_url) == 0, within=60)
        registration = registration_key(registration_id(event_id, user_id))
        for table, item in (
            (outputs.ledger_table, key),
            (outputs.registrations_table, registration),
            (outputs.events_table, key),
        ):
            aws.dynamodb.delete_item(TableName=table, Key=item)


def test_what_waits_for_the_operator_is_a_warning(
    verify: Verify, guarded_stack: Outputs, guarded_aws: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 29 dead letters, a damaged ledger and an event that stands still it ends with 1, and names them."""
    monkeypatch.setattr(health, "PAUSE", 0.0)  # this event will not move however long one waits
    with (
        _dead_letters(guarded_aws, guarded_stack.dead_letter_queue_url, 29) as letters,
        _stuck_event(guarded_aws, guarded_stack) as event_id,
    ):
        code, said = verify("dev")
    assert (code, said["ok"], said["remains"]) == (1, False, [])
    warnings = dict(_verdicts(said, "warning"))
    assert warnings["dead letters"].startswith(f"{letters} messages are in the dead-letter queue")
    assert letters >= 29
    assert event_id in warnings["ledgers"]
    assert f"{event_id} (its command was returned to the queue" in warnings["stuck events"]
    # The registration itself went through: what stands still is another event.
    assert {name for name, _ in _verdicts(said, "failed")} <= {"logs"}


def test_status(stack: Outputs) -> None:
    """`turnstile status --json` prints one object, with an API address that needs no quoting in a shell."""
    status = printed("status")
    assert status == stack.as_json()
    assert not set(status["apiUrl"]) & set("$*?[]{}()<>|&;!'\"\\` ")
