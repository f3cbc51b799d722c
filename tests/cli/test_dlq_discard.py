"""`turnstile dlq discard`: the person gets an answer, the message goes, and nothing is half done."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from typing import Any

import pytest

from tests.cli.command import CommandResult, Turnstile
from tests.cli.dead_letter_stack import DEAD, DeadLetterStack
from tests.support.builders import EVENT, NOW, cancel, register
from workers.aws.items import registration_to_item
from workers.aws.messages import decode, encode
from workers.domain.commands import Cancel, Command, Register
from workers.domain.records import Registration, Status


class Discard:
    """Discards messages of a stack."""

    def __init__(self, stack: DeadLetterStack, turnstile: Turnstile) -> None:
        self._stack = stack
        self._turnstile = turnstile

    def __call__(self, message: str, why: str = "a test") -> CommandResult:
        """Run the command."""
        return self._turnstile("dlq", "discard", message, "--why", why)

    @property
    def left(self) -> int:
        """Return the number of messages in the dead-letter queue."""
        return len(self._stack.sqs.queue(DEAD).messages)

    @property
    def noted(self) -> bool:
        """Tell whether the journal records a discard."""
        return self._stack.journal.exists() and "discarded" in self._stack.journal.read_text()


@pytest.fixture
def discard(stack: DeadLetterStack, turnstile: Turnstile) -> Discard:
    """The command on the stack."""
    return Discard(stack, turnstile)


@pytest.mark.parametrize("command", [register("ann"), cancel("ann")])
def test_discard_answers_the_person(stack: DeadLetterStack, discard: Discard, command: Register | Cancel) -> None:
    """The pending registration is rejected with the reason if only this message would decide it: the `Register`, or
    the `Cancel` if a cancellation was accepted. The message is gone, and whole in the journal."""
    stack.pending("ann", cancelling=isinstance(command, Cancel))
    [message] = stack.die(command)
    code, out, _ = discard(message, " a test ")
    assert (code, "was pending and is now rejected" in out, discard.left) == (0, True, 0)
    record = stack.record("ann")
    assert (record.status, record.code, record.note) == (Status.REJECTED, "discarded", "a test")
    assert (record.version, record.cancelling) == (2, False)
    entry = json.loads(stack.journal.read_text().splitlines()[-1])
    assert (entry["discarded"], entry["why"], entry["body"]) == (message, "a test", encode(command))


def test_discard_leaves_other_registrations(stack: DeadLetterStack, discard: Discard) -> None:
    """Registrations that another message will decide, or that are decided, stay as they are; the messages go."""
    stack.pending("ann", generation=2)
    stack.pending("bob", cancelling=True)
    stack.pending("cid")
    commands: dict[Command | str, str] = {
        register("ann", 1): "stays as it is: pending, generation 2",
        register("bob"): "stays as it is: pending, generation 1",
        cancel("cid"): "stays as it is: pending, generation 1",
        register("dee"): "does not exist",
        "rubbish": "no registration waits",
    }
    for message, sentence in zip(stack.die(*commands), commands.values(), strict=True):
        code, out, _ = discard(message)
        assert (code, sentence in out) == (0, True)
    assert stack.record("ann").status is Status.PENDING
    assert discard.left == 0


def test_discard_waits_for_the_repair_of_the_registration(stack: DeadLetterStack, discard: Discard) -> None:
    """The message is kept while its registration is unreadable, which would be pending forever after a repair."""
    stack.pending("ann")
    good = registration_to_item(stack.record("ann"))
    stack.db.put_item(TableName=stack.tables.registrations, Item=good | {"status": {"S": "lost"}})
    [message] = stack.die(register("ann"))
    code, _, err = discard(message)
    assert (code, "cannot read the registration reg_" in err, discard.left) == (1, True, 1)
    stack.db.put_item(TableName=stack.tables.registrations, Item=good)
    stack.sqs.sleep(60)
    assert discard(message).code == 0
    assert stack.record("ann").status is Status.REJECTED


@pytest.mark.parametrize(
    ("record", "command"),
    [
        (None, register("ann")),
        (("cancelled", 1), register("ann", 2)),
        (("confirmed", 1), cancel("ann")),
        (("pending", 1), cancel("ann")),
    ],
)
def test_discard_waits_for_the_deduplication(
    stack: DeadLetterStack, discard: Discard, record: tuple[str, int] | None, command: Register | Cancel
) -> None:
    """A message is kept for five minutes: SQS would drop the same request, although it is answered 202."""
    if record is not None:
        status, generation = Status(record[0]), record[1]
        item = registration_to_item(Registration(EVENT, "ann", status, generation, 1, NOW))
        stack.db.put_item(TableName=stack.tables.registrations, Item=item)
    [message] = stack.die(replace(command, accepted_at=stack.sqs.clock.now() - 100_000_000))
    for _ in range(2):
        code, _, err = discard(message)
        assert (code, "if this request is made again within 2" in err) == (1, True)
    assert (discard.noted, discard.left) == (False, 1)
    stack.sqs.sleep(231)
    assert (discard(message).code, discard.left) == (0, 0)


def test_discard_does_not_wait_for_an_earlier_attempt(stack: DeadLetterStack, discard: Discard) -> None:
    """A recent message of an earlier attempt is discarded at once: a new request is another attempt."""
    stack.pending("ann", generation=2)
    recent = [replace(command, accepted_at=stack.sqs.clock.now()) for command in (register("ann"), cancel("ann"))]
    assert [discard(message).code for message in stack.die(*recent)] == [0, 0]


def test_a_killed_discard_is_completed(stack: DeadLetterStack, discard: Discard) -> None:
    """A discard that ended before the deletion is completed by the same command, which writes nothing twice."""
    stack.pending("ann")
    [message] = stack.die(register("ann"))
    stack.sqs.refuse = lambda call, _what: call == "delete"
    code, _, err = discard(message)
    assert (code, "run the same command again to complete it" in err) == (1, True)
    stack.sqs.refuse = lambda _call, _what: False
    assert (discard(message).code, stack.record("ann").version) == (0, 2)
    code, out, _ = discard(message)
    assert (code, out.splitlines()[0]) == (0, f"{message} has already been discarded.")


@pytest.mark.parametrize("deletes", [True, False])
def test_a_sent_message_cannot_be_discarded(stack: DeadLetterStack, discard: Discard, *, deletes: bool) -> None:
    """A message that a killed replay sent is on its way: it is deleted, if SQS does so, and nobody is rejected."""
    stack.pending("ann")
    [message] = stack.die(register("ann"))
    stack.sent_before(message)
    stack.sqs.refuse = lambda call, _what: call == "delete" and not deletes
    for _ in range(2 if deletes else 1):
        code, _, err = discard(message)
        assert (code, f"{message} was sent back to the queue by a replay" in err) == (1, deletes)
    assert stack.record("ann").status is Status.PENDING
    assert (discard.noted, discard.left) == (False, 0 if deletes else 1)


@pytest.mark.parametrize(("length", "code", "status"), [(None, 0, Status.REJECTED), (8, 1, Status.PENDING)])
def test_a_message_in_a_large_queue(
    stack: DeadLetterStack, discard: Discard, length: int | None, code: int, status: Status
) -> None:
    """A whole id is found before the lease ends. A prefix needs a search of every event; if that takes longer than a
    lease, the command says so and changes nothing."""
    stack.pending("bob")
    message = stack.die(register("ann"), register("bob"), *map(str, range(8)))[1]
    for number in range(60):
        stack.die(*(f"rubbish {index}" for index in range(10)), group=f"e{number}")
    stack.sqs.takes = 0.5
    ended = discard(message[:length])
    assert (ended.code, stack.record("bob").status, discard.noted) == (code, status, code == 0)
    assert (f"{message} is visible to others again; nothing was changed" in ended.err) is (code == 1)
    assert code == 1 or stack.visible


def test_a_registration_that_changes_meanwhile_is_read_again(
    stack: DeadLetterStack, discard: Discard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the registrar decides between reading and writing, its decision stands."""
    stack.pending("ann")
    [message] = stack.die(register("ann"))
    put = stack.db.put_item

    def late(**request: Any) -> Any:
        monkeypatch.setattr(stack.db, "put_item", put)
        decided = Registration(EVENT, "ann", Status.CONFIRMED, 1, 2, NOW)
        put(TableName=stack.tables.registrations, Item=registration_to_item(decided))
        return put(**request)

    monkeypatch.setattr(stack.db, "put_item", late)
    code, out, _ = discard(message)
    assert (code, "stays as it is: confirmed" in out, stack.record("ann").version) == (0, True, 2)


@pytest.mark.parametrize(
    ("selection", "left"),
    [
        (["--all"], []),
        (["--event", EVENT], ["other-0", "other-1"]),
        (
            ["--event", EVENT, "--reason", "Trouble"],
            [*(f"user-{number}" for number in range(0, 35, 5)), "other-0", "other-1"],
        ),
    ],
)
def test_many_are_discarded_at_once(
    stack: DeadLetterStack, turnstile: Turnstile, selection: list[str], left: list[str]
) -> None:
    """A selection is discarded whole, behind the first ten of an event, too: registrations, journal, messages."""
    for number in range(35):
        stack.pending(f"user-{number}")
        stack.die(register(f"user-{number}"), reason="failed: Trouble" if number % 5 else "failed: Despair")
    stack.die(register("other-0", event="other"), register("other-1", event="other"), reason="failed: Despair")
    dry = turnstile("dlq", "discard", *selection, "--dry-run", "--json")
    assert (dry.code, dry.json["dryRun"], len(stack.sqs.queue(DEAD).messages)) == (0, True, 37)
    ended = turnstile("dlq", "discard", *selection, "--why", "a test", "--json")
    rest = [decode(message.body) for message in stack.sqs.queue(DEAD).messages]
    assert sorted(command.user_id for command in rest if isinstance(command, Register)) == sorted(left)
    assert (ended.code, ended.json["done"], ended.json["left"], len(ended.json["fates"])) == (
        0,
        True,
        len(left),
        37 - len(left),
    )
    rejected = [user for user in map("user-{}".format, range(35)) if stack.record(user).status is Status.REJECTED]
    assert len(rejected) == 35 - sum(user.startswith("user") for user in left)
    assert stack.journal.read_text().count('"discarded"') == 37 - len(left)
    assert stack.visible


def test_ten_that_are_not_selected_hide_the_others(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """A selected message behind ten others of its event cannot be received; the summary says so."""
    stack.die(*(f"rubbish {number}" for number in range(10)))
    stack.die("rubbish", reason="failed: Despair")
    code, out, _ = turnstile("dlq", "discard", "--reason", "Despair", "--why", "a test")
    assert (code, f"Event {EVENT}: its first ten messages stay, and hide" in out) == (1, True)


def test_a_message_that_cannot_be_discarded_is_kept(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """Of many messages, one that must wait is kept with the reason, and the others go; the exit code is 1."""
    young = replace(register("ann"), accepted_at=stack.sqs.clock.now())
    kept, _ = stack.die(young, register("bob"))
    ended = turnstile("dlq", "discard", "--all", "--why", "a test")
    assert ended.code == 1
    assert f"Kept {kept}: if this request is made again within" in ended.out
    assert ended.out.splitlines()[-1] == "1 message in the dead-letter queue now."


def test_an_interrupted_discard_says_where_it_stopped(
    stack: DeadLetterStack, turnstile: Turnstile, handlers_kept: None
) -> None:
    """Ctrl-C waits for the messages in hand, and the same command completes the rest."""
    stack.die(*(f"rubbish {number}" for number in range(15)))
    stack.sqs.after = lambda call: os.kill(os.getpid(), signal.SIGINT) if call == "receive" else None
    code, out, _ = turnstile("dlq", "discard", "--all", "--why", "a test")
    assert (code, "Stopped early: interrupted" in out, "5 messages in the dead-letter queue now" in out) == (
        1,
        True,
        True,
    )
    stack.sqs.after = lambda _call: None
    assert turnstile("dlq", "discard", "--all", "--why", "a test").code == 0
    assert stack.sqs.queue(DEAD).messages == []
