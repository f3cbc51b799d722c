"""`turnstile dlq` at the terminal: what it shows, what it refuses, its exit codes, what it leaves behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from moto import mock_aws

from infra.cli import journal as journal_module
from infra.cli.deployment import Deployment
from infra.cli.journal import Journal
from infra.cli.main import main
from tests.support.builders import EVENT, cancel, promote, register
from tests.support.fake_sqs import FakeSqs
from tests.support.tables import create_tables
from workers.aws.items import event_key, registration_from_item, registration_key, registration_to_item
from workers.aws.messages import encode, group_of
from workers.aws.send import Letter, park
from workers.domain.commands import Command
from workers.domain.records import Registration, Status, registration_id

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DEAD, MAIN = "dead.fifo", "main.fifo"
_NUMBERS = count(1)


class Stack:
    """A deployment whose queues are in memory and whose tables are moto's."""

    def __init__(self, home: Path, db: DynamoDBClient) -> None:
        self.sqs = FakeSqs()
        self.sqs.now = 1_800_000_000
        self.db = db
        self.tables = create_tables(self.db, f"{next(_NUMBERS)}-")
        self.journal = home / "dead-letters-local.jsonl"
        outputs = SimpleNamespace(
            dead_letter_queue_url=DEAD,
            queue_url=MAIN,
            events_table=self.tables.events,
            registrations_table=self.tables.registrations,
            ledger_table=self.tables.ledger,
        )
        clients = SimpleNamespace(sqs=self.sqs, dynamodb=self.db)
        self.deployment = SimpleNamespace(stage="local", outputs=outputs, clients=clients)

    def event(self, event: str = EVENT, capacity: int = 1) -> None:
        """An event with a waiting list."""
        seats: Any = {"capacity": {"N": str(capacity)}, "hasWaitlist": {"BOOL": True}}
        self.db.put_item(TableName=self.tables.events, Item=event_key(event) | seats)

    def die(self, *commands: Command | str, group: str = EVENT, reason: str = "failed: Trouble") -> list[str]:
        """Commands, or rubbish, are parked; answers their ids. Then some time passes."""
        ids = []
        for number, command in enumerate(commands):
            body = command if isinstance(command, str) else encode(command)
            where = group if isinstance(command, str) else group_of(command.event_id)
            letter = Letter(f"main-{number}-{body}", "", where, 3, body)
            ids.append(park(cast("Any", self.sqs), DEAD, letter, reason, "now"))
        self.sqs.sleep(10)
        return ids

    def pending(self, user: str, generation: int = 1) -> None:
        """The API has promised this person an answer."""
        record = Registration(EVENT, user, Status.PENDING, generation, 1, 1_767_225_600_000_000)
        self.db.put_item(TableName=self.tables.registrations, Item=registration_to_item(record))

    def record(self, user: str) -> Registration:
        """The stored registration."""
        key: Any = registration_key(registration_id(EVENT, user))
        return registration_from_item(self.db.get_item(TableName=self.tables.registrations, Key=key)["Item"])

    @property
    def visible(self) -> bool:
        """Whether everything that is in the dead-letter queue can be received."""
        return all(message.visible_at <= self.sqs.now for message in self.sqs.queue(DEAD).messages)


@pytest.fixture(scope="module")
def db() -> Iterator[DynamoDBClient]:
    """One mocked DynamoDB for all; each test has tables of its own in it."""
    with mock_aws():
        yield boto3.client("dynamodb", "us-east-1")


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, db: DynamoDBClient) -> Stack:
    """It is what `--stage local` finds."""
    monkeypatch.setenv("TURNSTILE_HOME", str(tmp_path))
    made = Stack(tmp_path, db)
    monkeypatch.setattr(Deployment, "resolve", lambda _stage: made.deployment)
    return made


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """What `list --json` says."""
    assert main(["dlq", "list", "--json", *arguments]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def users(found: dict[str, Any]) -> list[str]:
    """The users of what is listed."""
    return [letter["userId"] for letter in found["letters"]]


def test_list_shows_a_line_per_letter(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Id, age, event, command, user, how often it was received, and why it died; and it takes nothing away."""
    [first, _] = stack.die(register("ann"), promote(3))
    assert main(["dlq", "list"]) == 0
    head, line, other, *rest = capsys.readouterr().out.splitlines()
    assert head.split() == ["ID", "AGE", "EVENT", "COMMAND", "USER", "RECEIVED", "REASON"]
    assert line.split() == [first, "10s", EVENT, "Register", "ann", "3", "failed:", "Trouble"]
    assert other.split()[3:5] == ["Promote", "-"]
    assert rest[-1] == "2 shown of 2"
    assert stack.visible
    assert len(stack.sqs.queue(DEAD).messages) == 2


def test_an_empty_queue_is_a_sentence(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Not an empty table."""
    assert main(["dlq", "list"]) == 0
    assert capsys.readouterr().out == "There are no dead letters.\n"


def test_list_shows_the_first_ten_of_every_event(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Although the letters of three events lie mixed, so that each answer is shared; the rest is counted."""
    for number in range(14):
        stack.die(*(register(f"{event}{number}", event=event) for event in ("a", "b", "c")))
    found = listed(capsys)
    assert users(found) == [f"{event}{number}" for event in "abc" for number in range(10)]
    assert (found["seen"], found["hidden"]) == (30, 12)
    assert stack.visible
    assert main(["dlq", "list"]) == 0
    assert "30 shown of 42 (12 stay hidden" in capsys.readouterr().out


def test_list_can_be_narrowed(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """By event, by reason, by age."""
    stack.die(register("old"))
    stack.sqs.sleep(7200)
    stack.die(register("ann"))
    stack.die(register("bob", event="an odd event"), reason="unreadable-record: KeyError")
    assert users(listed(capsys, "--event", EVENT)) == ["old", "ann"]
    assert users(listed(capsys, "--event", "an odd event")) == ["bob"]
    assert users(listed(capsys, "--reason", "KeyError")) == ["bob"]
    assert users(listed(capsys, "--since", "1h")) == ["ann", "bob"]
    assert users(listed(capsys, "--since", "2000-01-01")) == ["old", "ann", "bob"]
    assert main(["dlq", "list", "--since", "yesterday"]) == 2
    assert stack.visible


def test_what_was_looked_at_is_put_back_when_the_user_leaves(stack: Stack) -> None:
    """Ctrl-C while it looks: nothing stays invisible."""
    stack.die(register("ann"))

    def leave(call: str) -> None:
        if call == "receive":
            raise KeyboardInterrupt

    def look(call: str) -> None:
        if call == "receive":
            stack.sqs.before = leave

    stack.sqs.after = look
    assert main(["dlq", "list"]) == 1
    assert stack.visible


def test_text_from_outside_cannot_change_the_terminal(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences in an id are shown as what they are: rubbish."""
    stack.die(register("\x1b[2Jann"))
    main(["dlq", "list"])
    assert "\x1b" not in capsys.readouterr().out


def test_show_tells_everything(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """The message, the reason, the registration and the ledger, and what replaying would do after those before it."""
    stack.event(capacity=1)
    stack.pending("bob")
    first, second = stack.die(register("ann"), register("bob"))
    assert main(["dlq", "show", first]) == 0
    assert "would come to: confirmed (seat-given)" in capsys.readouterr().out
    assert main(["dlq", "show", second[:8]]) == 0
    out = capsys.readouterr().out
    for part in ("Trouble", '"userId": "bob"', f"before it     {first}", "pending, generation 1", "0 of 1 seats taken"):
        assert part in out
    assert "would come to: waitlisted (joined-waitlist)" in out
    assert main(["dlq", "show", second, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["registration"]["status"], told["ledger"]["capacity"], told["before"]) == ("pending", 1, [first])
    assert stack.visible


def test_a_cancel_is_foreseen_behind_its_register(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Alone it would be superseded; in its place in the group it cancels."""
    stack.event()
    _, second = stack.die(register("ann"), cancel("ann"))
    main(["dlq", "show", second])
    assert "would come to: cancelled (gave-up-seat)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "would"),
    [
        ("rubbish", "be parked again: it cannot be read (the body is not JSON)"),
        (register("ann", event="nowhere"), "be parked again: there is no event nowhere"),
        (cancel("ann"), "come to: superseded (stale-generation)"),
    ],
)
def test_what_would_come_to_nothing_is_foreseen(
    stack: Stack, capsys: pytest.CaptureFixture[str], command: Command | str, would: str
) -> None:
    """Whoever replays it can know before."""
    stack.event()
    [letter] = stack.die(command)
    assert main(["dlq", "show", letter]) == 0
    assert f"would {would}" in capsys.readouterr().out


def test_a_record_that_cannot_be_read_is_foreseen(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """With what is wrong with it."""
    stack.event()
    stack.pending("ann")
    damaged = registration_to_item(stack.record("ann")) | {"status": {"S": "lost"}}
    stack.db.put_item(TableName=stack.tables.registrations, Item=damaged)
    [letter] = stack.die(register("ann"))
    assert main(["dlq", "show", letter]) == 0
    assert "be parked again: its registration cannot be read (ValueError" in capsys.readouterr().out
    assert main(["dlq", "discard", letter, "--why", "a test"]) == 0
    assert "cannot be read and stays as it is" in capsys.readouterr().out


def test_a_command_that_raises_is_foreseen(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """With the exception; and one behind it is foreseen as if it were parked again."""
    stack.event()
    waits = Registration(EVENT, "ann", Status.WAITLISTED, 1, 1, 1_767_225_600_000_000, ticket=7)
    stack.db.put_item(TableName=stack.tables.registrations, Item=registration_to_item(waits))
    poison, behind = stack.die(cancel("ann"), register("bob"))
    assert main(["dlq", "show", poison]) == 0
    assert "be parked again: deciding it raises " in capsys.readouterr().out
    assert main(["dlq", "show", behind]) == 0
    assert "would come to: confirmed (seat-given)" in capsys.readouterr().out


def test_show_names_the_query_for_what_sqs_moved(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody wrote down why: the log knows."""
    stack.event()
    request = {"MessageBody": encode(register("ann")), "MessageGroupId": EVENT, "MessageDeduplicationId": "d"}
    letter = stack.sqs.send_message(QueueUrl=DEAD, **request)["MessageId"]
    main(["dlq", "show", letter])
    out = capsys.readouterr().out
    assert "moved by SQS" in out
    assert 'filter command_id = "register-ann-1" and event_id = "e1"' in out


def test_an_id_has_to_be_found(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Too short, unknown, and ambiguous are three different sentences."""
    first, _ = stack.die(register("ann"), register("bob"))
    assert main(["dlq", "show", first[:5]]) == 2
    assert "at least 6 characters" in capsys.readouterr().err
    assert main(["dlq", "show", "ffffffff"]) == 1
    assert "there is no dead letter ffffffff among the 2" in capsys.readouterr().err
    assert main(["dlq", "show", first[:6]]) == 1
    assert "several dead letters begin with" in capsys.readouterr().err


def test_replay_wants_to_know_what(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything is said on purpose only."""
    for arguments in ([], ["--all", "--event", "e1"], ["--event", "e1", "--id", "abcdef"]):
        assert main(["dlq", "replay", *arguments]) == 2
        assert "--all for everything" in capsys.readouterr().err
    for rate in ("0", "-1", "nan", "inf"):
        assert main(["dlq", "replay", "--all", f"--rate={rate}"]) == 2
    assert stack.sqs.calls == []


def test_replay_sends_and_sums_up(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0 when nothing of it remains."""
    stack.die(register("ann"), register("bob"), register("cid", event="other"))
    assert main(["dlq", "replay", "--event", EVENT]) == 0
    assert "2 letters sent back to the queue; 1 in the dead-letter queue now." in capsys.readouterr().out
    assert main(["dlq", "replay", "--all", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["sent"], told["left"], told["done"], told["stops"]) == (1, 0, True, {})


def test_replay_fails_when_something_remains(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and where it stopped, and why."""
    _, second = stack.die(register("ann"), register("bob"))
    stack.sqs.refuse = lambda call, what: call == "send" and "bob" in what
    assert main(["dlq", "replay", "--all"]) == 1
    assert f"Event e1 stopped at {second}: SQS did not take it: InternalError" in capsys.readouterr().out


def test_an_id_deep_in_its_group_needs_those_before_it(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """It says which, and sends nothing; with them it goes."""
    first, second, third = stack.die(register("ann"), register("bob"), register("cid"))
    assert main(["dlq", "replay", "--id", first, "--id", third]) == 1
    assert f"{third} comes after {second}" in capsys.readouterr().err
    assert stack.sqs.queue(MAIN).history == []
    assert stack.visible
    assert main(["dlq", "replay", "--id", second, "--id", first]) == 0
    assert stack.sqs.queue(MAIN).bodies() == [encode(register("ann")), encode(register("bob"))]


def test_a_dry_run_sends_nothing(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """It lists what would go."""
    stack.die(register("ann"), register("bob", event="other"))
    assert main(["dlq", "replay", "--event", "other", "--dry-run", "--json"]) == 0
    assert users(json.loads(capsys.readouterr().out)) == ["bob"]
    assert main(["dlq", "replay", "--all", "--dry-run"]) == 0
    assert "ann" in capsys.readouterr().out
    assert stack.sqs.queue(MAIN).history == []
    assert stack.visible


def test_discard_gives_the_person_an_answer(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """The pending registration is rejected with the reason; the letter is gone, and whole in the journal."""
    stack.pending("ann")
    [letter] = stack.die(register("ann"))
    assert main(["dlq", "discard", letter, "--why", " a test "]) == 0
    assert "was pending and is rejected now" in capsys.readouterr().out
    record = stack.record("ann")
    assert (record.status, record.code, record.note, record.version) == (Status.REJECTED, "discarded", "a test", 2)
    assert stack.sqs.queue(DEAD).messages == []
    entry = json.loads(stack.journal.read_text().splitlines()[-1])
    assert (entry["discarded"], entry["why"], entry["body"]) == (letter, "a test", encode(register("ann")))


def test_discard_leaves_what_is_decided(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """A later attempt of the same person is none of its business; nor is rubbish, nor a person without a record."""
    stack.pending("ann", generation=2)
    letters = stack.die(register("ann", 1), "rubbish", register("bob"))
    for letter, says in zip(
        letters, ["stays as it is: pending", "no registration waits", "does not exist"], strict=True
    ):
        assert main(["dlq", "discard", letter, "--why", "a test"]) == 0
        assert says in capsys.readouterr().out
    assert stack.record("ann").status is Status.PENDING
    assert stack.sqs.queue(DEAD).messages == []


def test_discard_wants_a_reason(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody will ask."""
    assert main(["dlq", "discard", "abcdef", "--why", "  "]) == 2
    assert "--why is empty" in capsys.readouterr().err


def test_a_discard_that_was_killed_is_completed(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Whether it died before the record, before the deletion, or after it: the same command again."""
    stack.pending("ann")
    [letter] = stack.die(register("ann"))
    stack.sqs.refuse = lambda call, _what: call == "delete"
    assert main(["dlq", "discard", letter, "--why", "a test"]) == 1
    assert "the same command again completes it" in capsys.readouterr().err
    stack.sqs.refuse = lambda _call, _what: False
    assert main(["dlq", "discard", letter, "--why", "a test"]) == 0
    assert stack.record("ann").version == 2
    assert main(["dlq", "discard", letter, "--why", "a test"]) == 0
    assert "was discarded before and is gone" in capsys.readouterr().out


def test_two_at_once_are_refused(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would hide letters from each other."""
    monkeypatch.setattr(journal_module, "_LOCK_WAIT", 0.05)
    with Journal(stack.journal):
        assert main(["dlq", "list"]) == 1


def test_a_killed_replay_is_settled_by_whatever_comes_next(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """What it had sent is deleted and not shown any more; what it only held is visible again at once."""
    first, second = stack.die(register("ann"), register("bob"))
    received = stack.sqs.receive_message(QueueUrl=DEAD, MaxNumberOfMessages=10, VisibilityTimeout=20, WaitTimeSeconds=1)
    with Journal(stack.journal) as journal:
        journal.note_taken({message["MessageId"]: message["ReceiptHandle"] for message in received["Messages"]})
        journal.note_sent({first: "m1"})
    found = listed(capsys)
    assert [letter["id"] for letter in found["letters"]] == [second]
    assert len(stack.sqs.queue(DEAD).messages) == 1


def test_trouble_with_aws_is_one_sentence(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback."""

    def fail(_call: str) -> None:
        raise stack.db.exceptions.ResourceNotFoundException({"Error": {"Code": "AccessDenied"}}, "ReceiveMessage")

    stack.sqs.before = fail
    assert main(["dlq", "list"]) == 1
    assert "AWS did not do what it was asked for" in capsys.readouterr().err
