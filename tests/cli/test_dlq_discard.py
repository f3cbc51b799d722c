"""`turnstile dlq discard` at the terminal: the person gets an answer, the letter goes, and nothing is half done."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from infra.cli.main import main
from tests.cli.dead_letter_stack import DEAD, Stack
from tests.support.builders import EVENT, NOW, cancel, register
from workers.aws.items import registration_to_item
from workers.aws.messages import encode
from workers.domain.commands import Cancel, Register
from workers.domain.records import Registration, Status


def test_discard_gives_the_person_an_answer(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """The pending registration is rejected with the reason; the letter is gone, and whole in the journal."""
    stack.pending("ann")
    [letter] = stack.die(register("ann"))
    assert main(["dlq", "discard", letter, "--why", " a test "]) == 0
    assert "was pending and is now rejected" in capsys.readouterr().out
    record = stack.record("ann")
    assert (record.status, record.code, record.note, record.version) == (Status.REJECTED, "discarded", "a test", 2)
    assert stack.sqs.queue(DEAD).messages == []
    entry = json.loads(stack.journal.read_text().splitlines()[-1])
    assert (entry["discarded"], entry["why"], entry["body"]) == (letter, "a test", encode(register("ann")))


def test_discarding_a_cancellation_ends_what_only_it_would_have_ended(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who cancelled before she was decided is rejected when her Cancel is discarded: nothing else would ever answer
    her."""
    stack.pending("ann", cancelling=True)
    [letter] = stack.die(cancel("ann"))
    assert main(["dlq", "discard", letter, "--why", "a test"]) == 0
    assert "was pending and is now rejected" in capsys.readouterr().out
    record = stack.record("ann")
    assert (record.status, record.code, record.cancelling) == (Status.REJECTED, "discarded", False)


def test_discarding_a_cancellation_leaves_who_is_not_waiting_for_it(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither does a Cancel reject whose Register is still to come, nor a Register whose Cancel is: both stay
    pending."""
    stack.pending("ann")
    stack.pending("bob", cancelling=True)
    for letter in stack.die(cancel("ann"), register("bob")):
        assert main(["dlq", "discard", letter, "--why", "a test"]) == 0
        assert "stays as it is: pending, generation 1" in capsys.readouterr().out


def test_discard_leaves_what_is_decided(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """A letter of an earlier attempt, rubbish, and one of a person without a record are deleted, and no registration is
    changed."""
    stack.pending("ann", generation=2)
    letters = stack.die(register("ann", 1), "rubbish", register("bob"))
    for letter, says in zip(
        letters, ["stays as it is: pending", "no registration waits", "does not exist"], strict=True
    ):
        assert main(["dlq", "discard", letter, "--why", "a test"]) == 0
        assert says in capsys.readouterr().out
    assert stack.record("ann").status is Status.PENDING
    assert stack.sqs.queue(DEAD).messages == []


def test_discard_waits_until_the_registration_is_repaired(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """A letter is kept while its registration cannot be read: without it, that would be pending for ever once it can
    be."""
    stack.pending("ann")
    good = registration_to_item(stack.record("ann"))
    stack.db.put_item(TableName=stack.tables.registrations, Item=good | {"status": {"S": "lost"}})
    [letter] = stack.die(register("ann"))
    assert main(["dlq", "discard", letter, "--why", "a test"]) == 1
    assert "cannot read the registration reg_" in capsys.readouterr().err
    assert len(stack.sqs.queue(DEAD).messages) == 1
    stack.db.put_item(TableName=stack.tables.registrations, Item=good)
    stack.sqs.sleep(60)
    assert main(["dlq", "discard", letter, "--why", "a test"]) == 0
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
def test_discard_waits_until_the_same_request_would_be_heard(
    stack: Stack, capsys: pytest.CaptureFixture[str], record: tuple[str, int] | None, command: Register | Cancel
) -> None:
    """A message is kept for five minutes: SQS would drop the same request, although it is answered 202."""
    if record is not None:
        status, generation = Status(record[0]), record[1]
        item = registration_to_item(Registration(EVENT, "ann", status, generation, 1, NOW))
        stack.db.put_item(TableName=stack.tables.registrations, Item=item)
    [letter] = stack.die(replace(command, accepted_at=stack.sqs.clock.now() - 100_000_000))
    for _ in range(2):
        assert main(["dlq", "discard", letter, "--why", "a test"]) == 1
        said = capsys.readouterr().err
        assert "if this request is made again within 2" in said
    assert not stack.journal.exists() or "discarded" not in stack.journal.read_text()
    assert len(stack.sqs.queue(DEAD).messages) == 1
    stack.sqs.sleep(231)
    assert main(["dlq", "discard", letter, "--why", "a test"]) == 0
    assert stack.sqs.queue(DEAD).messages == []


def test_discard_does_not_wait_for_what_is_over(stack: Stack) -> None:
    """A young letter of an attempt that is over is discarded at once: whoever asks again asks for another attempt, or
    for nothing."""
    stack.pending("ann", generation=2)
    young = [replace(command, accepted_at=stack.sqs.clock.now()) for command in (register("ann"), cancel("ann"))]
    for letter in stack.die(*young):
        assert main(["dlq", "discard", letter, "--why", "a test"]) == 0


def test_discard_wants_a_reason(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty reason is wrong usage."""
    assert main(["dlq", "discard", "abcdef", "--why", "  "]) == 2
    assert "--why is empty" in capsys.readouterr().err


def test_a_discard_that_was_killed_is_completed(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """A discard that ended before the deletion, or behind it, is completed by the same command, and nothing is written
    twice."""
    stack.pending("ann")
    [letter] = stack.die(register("ann"))
    stack.sqs.refuse = lambda call, _what: call == "delete"
    assert main(["dlq", "discard", letter, "--why", "a test"]) == 1
    assert "run the same command again to complete it" in capsys.readouterr().err
    stack.sqs.refuse = lambda _call, _what: False
    assert main(["dlq", "discard", letter, "--why", "a test"]) == 0
    assert stack.record("ann").version == 2
    assert main(["dlq", "discard", letter, "--why", "a test"]) == 0
    assert "has already been discarded" in capsys.readouterr().out


def test_what_was_sent_back_cannot_be_discarded(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """The copy of what a killed replay had sent is on its way: the letter is deleted, and nobody is rejected."""
    stack.pending("ann")
    [letter] = stack.die(register("ann"))
    stack.sent_before(letter)
    for _ in range(2):
        assert main(["dlq", "discard", letter, "--why", "a test"]) == 1
        assert f"{letter} was sent back to the queue by a replay" in capsys.readouterr().err
    assert stack.record("ann").status is Status.PENDING
    assert stack.sqs.queue(DEAD).messages == []


def test_a_letter_is_found_in_time_in_a_big_queue(stack: Stack) -> None:
    """Where seeing all letters would take longer than a hold, the look ends as soon as a whole id is in sight."""
    stack.pending("bob")
    letter = stack.die(register("ann"), register("bob"), *map(str, range(8)))[1]
    for number in range(60):
        stack.die(*(f"rubbish {index}" for index in range(10)), group=f"e{number}")
    stack.sqs.takes = 0.5
    assert main(["dlq", "discard", letter, "--why", "a test"]) == 0
    assert stack.record("bob").status is Status.REJECTED
    assert stack.visible


def test_nothing_is_written_for_a_letter_that_is_not_held_any_more(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """With an id's first characters only, every event has to be seen; where that takes longer than a hold, it is said,
    and nothing is changed."""
    stack.pending("bob")
    letter = stack.die(register("ann"), register("bob"), *map(str, range(8)))[1]
    for number in range(60):
        stack.die(*(f"rubbish {index}" for index in range(10)), group=f"e{number}")
    stack.sqs.takes = 0.5
    assert main(["dlq", "discard", letter[:8], "--why", "a test"]) == 1
    assert f"{letter} is visible to others again; nothing was changed" in capsys.readouterr().err
    assert stack.record("bob").status is Status.PENDING
    assert "discarded" not in stack.journal.read_text()


def test_a_registration_that_changes_meanwhile_is_read_anew(
    stack: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the registrar decides between the reading and the writing, its word counts."""
    stack.pending("ann")
    [letter] = stack.die(register("ann"))
    put = stack.db.put_item

    def late(**request: Any) -> Any:
        monkeypatch.setattr(stack.db, "put_item", put)
        decided = Registration(EVENT, "ann", Status.CONFIRMED, 1, 2, NOW)
        put(TableName=stack.tables.registrations, Item=registration_to_item(decided))
        return put(**request)

    monkeypatch.setattr(stack.db, "put_item", late)
    assert main(["dlq", "discard", letter, "--why", "a test"]) == 0
    assert "stays as it is: confirmed" in capsys.readouterr().out
    assert stack.record("ann").version == 2


def test_what_was_sent_back_and_cannot_be_deleted_is_no_letter(stack: Stack) -> None:
    """What a killed replay had sent is no letter even while SQS does not delete it: nobody is rejected for it."""
    stack.pending("ann")
    [letter] = stack.die(register("ann"))
    stack.sent_before(letter)
    stack.sqs.refuse = lambda call, _what: call == "delete"
    assert main(["dlq", "discard", letter, "--why", "a test"]) == 1
    assert stack.record("ann").status is Status.PENDING
    assert "discarded" not in stack.journal.read_text()
