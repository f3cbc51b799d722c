"""`turnstile dlq list` and `show` at the terminal: what they show, what they refuse, what they leave behind."""

from __future__ import annotations

import os
import signal

import pytest

from infra.cli.dlq import journal as journal_module
from infra.cli.dlq.journal import Journal
from infra.cli.main import main
from tests.cli.dead_letter_stack import DEAD, Stack, listed, users
from tests.support.builders import EVENT, promote, register


def test_list_shows_a_line_per_letter(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Each letter has a line with its id, age, event, command, user, how often it was received and why it died; none is
    taken away."""
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
    """Where there are no letters there is one sentence, not an empty table."""
    assert main(["dlq", "list"]) == 0
    assert capsys.readouterr().out == "The dead-letter queue is empty.\n"


def test_list_shows_the_first_ten_of_every_event(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Of each event the first ten letters are shown, although those of three lie mixed and share each answer; the rest
    is counted."""
    for number in range(14):
        stack.die(*(register(f"{event}{number}", event=event) for event in ("a", "b", "c")))
    found = listed(capsys)
    assert users(found) == [f"{event}{number}" for event in "abc" for number in range(10)]
    assert (found["seen"], found["hidden"]) == (30, 12)
    assert stack.visible
    assert main(["dlq", "list"]) == 0
    assert "30 shown of 42 (12 hidden" in capsys.readouterr().out


def test_list_can_be_narrowed(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Only letters of the event, the reason or the age that is asked for are shown; what is no age is wrong usage."""
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
    """Ctrl-C while it looks leaves no letter invisible."""
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
    """Escape sequences in an id do not reach the terminal; the letter is shown all the same."""
    [letter] = stack.die(register("\x1b[2Jann"))
    assert main(["dlq", "list"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert letter in out


def test_two_at_once_are_refused(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second `turnstile dlq` is refused while another uses the queue: they would hide messages from each other."""
    monkeypatch.setattr(journal_module, "_LOCK_WAIT", 0.05)
    with Journal(stack.journal):
        assert main(["dlq", "list"]) == 1
    assert "another `turnstile dlq` is using this queue" in capsys.readouterr().err


def test_trouble_with_aws_is_one_sentence(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """What AWS refuses is one sentence and exit code 1, and no traceback."""

    def fail(_call: str) -> None:
        raise stack.db.exceptions.ResourceNotFoundException({"Error": {"Code": "AccessDenied"}}, "ReceiveMessage")

    stack.sqs.before = fail
    assert main(["dlq", "list"]) == 1
    assert "an AWS request failed" in capsys.readouterr().err


def test_what_was_sent_back_is_not_shown_any_more(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """What a killed replay had sent, and could not delete, is deleted by whatever comes next, which says so on
    stderr."""
    [letter] = stack.die(register("ann"))
    stack.sent_before(letter)
    assert main(["dlq", "list"]) == 0
    out, err = capsys.readouterr()
    assert out == "The dead-letter queue is empty.\n"
    assert err == "deleted 1 messages that an earlier run had sent\n"
    assert stack.sqs.queue(DEAD).messages == []


def test_those_behind_what_was_sent_back_are_shown(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Letters behind those that a killed replay had sent are shown, in whatever answer they come; what it had sent is
    not."""
    ids = stack.die(*(register(f"u{number}") for number in range(12)))
    stack.sent_before(*ids[:11])
    found = listed(capsys)
    assert (users(found), found["seen"], found["hidden"]) == (["u11"], 1, 0)
    stack.event()
    stack.sent_before(ids[11])
    assert main(["dlq", "show", ids[11]]) == 1


def test_a_slow_look_sees_each_letter_once(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """A look that takes longer than a hold is handed no letter twice."""
    for number in range(60):
        stack.die(*(f"rubbish {index}" for index in range(10)), group=f"e{number}")
    stack.sqs.takes = 0.5
    assert listed(capsys)["seen"] == 600
    assert max(message.receives for message in stack.sqs.queue(DEAD).messages) == 1


def test_a_look_at_too_much_ends(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """When SQS is so slow that the first letters are visible again before the last ones are seen, the look ends and
    some stay hidden."""
    for number in range(300):
        stack.die("rubbish", group=f"e{number}")
    stack.sqs.takes = 3
    found = listed(capsys)
    assert found["seen"] + found["hidden"] == 300
    assert found["hidden"] > 0


def test_one_long_line_does_not_make_a_look_at_many_events_long(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """An eleventh letter of one event does not have hundreds of others asked for once more; `--event` shows more of one
    that shared its answer with others."""
    stack.die(*(register(f"u{number}", event="first") for number in range(11)))
    for number in range(300):
        stack.die("rubbish", group=f"e{number}")
    stack.die(*(f"rubbish {number}" for number in range(5)), group="e299")
    assert main(["dlq", "list"]) == 0
    assert stack.sqs.calls.count("receive") < 60
    capsys.readouterr()
    stack.sqs.calls.clear()
    assert len(listed(capsys, "--event", "e299")["letters"]) == 6
    [letter, *_] = [message.id for message in stack.sqs.queue(DEAD).messages if message.group == "e7"]
    assert main(["dlq", "show", letter[:8]]) == 0
    assert stack.sqs.calls.count("receive") < 80


def test_letters_that_came_alone_are_not_asked_for_again(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """An event whose letters had an answer to themselves is not asked for again: a second answer would be the same."""
    stack.die(*(register(f"u{number}", event="a") for number in range(11)))
    stack.die(register("bob", event="b"))
    assert listed(capsys)["seen"] == 11
    assert stack.sqs.calls.count("receive") == 3


def test_list_says_that_somebody_else_has_them(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Letters that somebody else holds are said to be, and not taken for an eleventh of their event."""
    stack.die(register("ann"), register("bob"))
    stack.sqs.receive_message(QueueUrl=DEAD, MaxNumberOfMessages=1, VisibilityTimeout=90, WaitTimeSeconds=1)
    found = listed(capsys)
    assert (found["seen"], found["hidden"], found["elsewhere"]) == (0, 2, 1)
    assert main(["dlq", "list"]) == 0
    out = capsys.readouterr().out
    assert "1 are being received by someone else" in out
    assert "first ten" not in out


@pytest.mark.usefixtures("handlers_kept")
def test_a_signal_puts_everything_back(stack: Stack) -> None:
    """SIGTERM while SQS answers: what it has handed out is known, and is visible again at once."""
    stack.die(register("ann"))

    def terminate(call: str) -> None:
        if call == "receive":
            os.kill(os.getpid(), signal.SIGTERM)

    stack.sqs.after = terminate
    assert main(["dlq", "list"]) == 1
    assert stack.visible


def test_an_answer_without_a_date_is_no_trouble(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Where a proxy took the date off an answer, this machine's clock tells the age."""
    stack.die(register("ann"))
    stack.sqs.dated = False
    assert listed(capsys)["letters"][0]["ageSeconds"] == 10
