"""`turnstile dlq list` at the terminal: what it shows, what it refuses, what it leaves behind."""

from __future__ import annotations

import os
import signal

import pytest

from tests.cli.command import Turnstile
from tests.cli.dead_letter_stack import DEAD, DeadLetterStack, users
from tests.support.builders import EVENT, promote, register

LIST = ("dlq", "list")
JSON = ("dlq", "list", "--json")


def test_list_shows_a_line_per_message(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """Each message has a line with id, age, event, command, user, number of receives and reason; none is consumed."""
    [first, _] = stack.die(register("ann"), promote(3))
    head, line, other, *rest = turnstile(*LIST).out.splitlines()
    assert head.split() == ["ID", "AGE", "EVENT", "COMMAND", "USER", "RECEIVED", "REASON"]
    assert line.split() == [first, "10s", EVENT, "Register", "ann", "3", "failed:", "Trouble"]
    assert other.split()[3:5] == ["Promote", "-"]
    assert rest[-1] == "2 shown of 2"
    assert stack.visible
    assert len(stack.sqs.queue(DEAD).messages) == 2


def test_an_empty_queue_is_a_sentence(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """Without messages there is one sentence instead of an empty table."""
    assert turnstile(*LIST) == (0, "The dead-letter queue is empty.\n", "")


def test_list_shows_the_first_ten_of_every_event(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """The first ten messages of each event are shown, although those of three events share answers; others count."""
    for number in range(14):
        stack.die(*(register(f"{event}{number}", event=event) for event in ("a", "b", "c")))
    found = turnstile(*JSON).json
    assert users(found) == [f"{event}{number}" for event in "abc" for number in range(10)]
    assert (found["seen"], found["hidden"]) == (30, 12)
    assert stack.visible
    assert "30 shown of 42 (12 hidden" in turnstile(*LIST).out


def test_list_can_be_narrowed(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """Only messages of the requested event, reason or age are shown; an invalid age is wrong usage."""
    stack.die(register("old"))
    stack.sqs.sleep(7200)
    stack.die(register("ann"))
    stack.die(register("bob", event="an odd event"), reason="unreadable-record: KeyError")
    for option, value, expected in (
        ("--event", EVENT, ["old", "ann"]),
        ("--event", "an odd event", ["bob"]),
        ("--reason", "KeyError", ["bob"]),
        ("--since", "1h", ["ann", "bob"]),
        ("--since", "2000-01-01", ["old", "ann", "bob"]),
    ):
        assert users(turnstile(*JSON, option, value).json) == expected
    assert turnstile(*LIST, "--since", "yesterday").code == 2
    assert stack.visible


@pytest.mark.usefixtures("handlers_kept")
def test_a_signal_makes_everything_visible_again(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """SIGTERM while SQS answers: the received messages are known, and visible again at once."""
    stack.die(register("ann"))
    stack.sqs.after = lambda call: os.kill(os.getpid(), signal.SIGTERM) if call == "receive" else None
    assert turnstile(*LIST).code == 1
    assert stack.visible


def test_text_from_outside_cannot_change_the_terminal(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """Escape sequences in an id do not reach the terminal; the message is shown nevertheless."""
    [message] = stack.die(register("\x1b[2Jann"))
    code, out, _ = turnstile(*LIST)
    assert (code, "\x1b" in out, message in out) == (0, False, True)


def test_messages_behind_sent_ones_are_shown(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """Messages behind those that a killed replay sent are shown, whichever answer they come in."""
    ids = stack.die(*(register(f"u{number}") for number in range(12)))
    stack.sent_before(*ids[:11])
    found = turnstile(*JSON).json
    assert (users(found), found["seen"], found["hidden"]) == (["u11"], 1, 0)
    stack.event()
    stack.sent_before(ids[11])
    assert turnstile("dlq", "show", ids[11]).code == 1


def test_a_slow_search_sees_each_message_once(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """A search that takes longer than a lease receives no message twice."""
    for number in range(60):
        stack.die(*(f"rubbish {index}" for index in range(10)), group=f"e{number}")
    stack.sqs.takes = 0.5
    assert turnstile(*JSON).json["seen"] == 600
    assert max(message.receives for message in stack.sqs.queue(DEAD).messages) == 1


def test_a_search_that_is_too_slow_ends(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """If the first messages are visible again before the last ones are seen, the search ends, and some stay hidden."""
    for number in range(300):
        stack.die("rubbish", group=f"e{number}")
    stack.sqs.takes = 3
    found = turnstile(*JSON).json
    assert found["seen"] + found["hidden"] == 300
    assert found["hidden"] > 0


def test_one_long_event_does_not_slow_down_the_search(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """An eleventh message of one event does not cause second tries for hundreds of others; `--event` tries again."""
    stack.die(*(register(f"u{number}", event="first") for number in range(11)))
    for number in range(300):
        stack.die("rubbish", group=f"e{number}")
    stack.die(*(f"rubbish {number}" for number in range(5)), group="e299")
    assert turnstile(*LIST).code == 0
    assert stack.sqs.calls.count("receive") < 60
    stack.sqs.calls.clear()
    assert len(turnstile(*JSON, "--event", "e299").json["letters"]) == 6
    [message, *_] = [message.id for message in stack.sqs.queue(DEAD).messages if message.group == "e7"]
    assert turnstile("dlq", "show", message[:8]).code == 0
    assert stack.sqs.calls.count("receive") < 80


def test_an_event_that_was_received_alone_is_not_tried_again(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """An event whose messages did not share an answer is not received again: the second answer would be the same."""
    stack.die(*(register(f"u{number}", event="a") for number in range(11)))
    stack.die(register("bob", event="b"))
    assert turnstile(*JSON).json["seen"] == 11
    assert stack.sqs.calls.count("receive") == 3


def test_list_counts_messages_that_someone_else_receives(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """Messages that someone else has received are reported as such, not as those beyond the first ten."""
    stack.die(register("ann"), register("bob"))
    stack.sqs.receive_message(QueueUrl=DEAD, MaxNumberOfMessages=1, VisibilityTimeout=90, WaitTimeSeconds=1)
    found = turnstile(*JSON).json
    assert (found["seen"], found["hidden"], found["elsewhere"]) == (0, 2, 1)
    out = turnstile(*LIST).out
    assert "1 are being received by someone else" in out
    assert "first ten" not in out


def test_an_answer_without_a_date_is_accepted(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """If a proxy removed the date of an answer, the clock of this machine determines the age."""
    stack.die(register("ann"))
    stack.sqs.dated = False
    assert turnstile(*JSON).json["letters"][0]["ageSeconds"] == 10
