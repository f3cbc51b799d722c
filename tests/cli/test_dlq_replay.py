"""`turnstile dlq replay` at the terminal: its arguments, its output, its exit codes."""

from __future__ import annotations

import os
import signal

import pytest

from infra.cli.dlq.journal import Journal
from tests.cli.command import Turnstile
from tests.cli.dead_letter_stack import DEAD, MAIN, DeadLetterStack, users
from tests.support.builders import EVENT, register
from workers.aws.messages import encode

REPLAY = ("dlq", "replay")


@pytest.fixture(autouse=True)
def _events(stack: DeadLetterStack) -> None:
    """Store the events of the messages: without them a replay would only park them again."""
    for event in (EVENT, "other", "b", "c"):
        stack.event(event)


def test_replay_sends_and_summarizes(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """The summary counts sent and remaining messages; exit code 0 if nothing of the selection remains."""
    stack.die(register("ann"), register("bob"), register("cid", event="other"))
    code, out, _ = turnstile(*REPLAY, "--event", EVENT)
    assert (code, out) == (0, "2 messages sent back to the queue; 1 in the dead-letter queue now.\n")
    ended = turnstile(*REPLAY, "--all", "--json")
    assert ended.code == 0
    assert [ended.json[name] for name in ("sent", "left", "done", "stops")] == [1, 0, True, {}]


def test_replay_fails_when_something_remains(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """If a message is refused, the summary says where its event stopped and why, and the exit code is 1."""
    _, second = stack.die(register("ann"), register("bob"))
    stack.sqs.refuse = lambda call, what: call == "send" and "bob" in what
    code, out, _ = turnstile(*REPLAY, "--all")
    assert (code, f"Event e1 stopped at {second}: SQS did not accept it: InternalError" in out) == (1, True)
    stops = turnstile(*REPLAY, "--all", "--json").json["stops"]
    assert stops == {EVENT: {"letter_id": second, "why": "SQS did not accept it: InternalError"}}


def test_an_id_deep_in_its_group_needs_those_before_it(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """An id behind a message that is not selected is refused, with the name of that message, and nothing is sent."""
    first, second, third = stack.die(register("ann"), register("bob"), register("cid"))
    code, _, err = turnstile(*REPLAY, "--id", first, "--id", third)
    assert (code, f"{third} comes after {second}" in err) == (1, True)
    assert stack.sqs.queue(MAIN).history == []
    assert stack.visible
    assert turnstile(*REPLAY, "--id", second, "--id", first).code == 0
    assert stack.sqs.queue(MAIN).bodies() == [encode(register("ann")), encode(register("bob"))]


def test_a_dry_run_sends_nothing(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """A dry run lists what would be sent, and sends nothing."""
    stack.die(register("ann"), register("bob", event="other"))
    assert users(turnstile(*REPLAY, "--event", "other", "--dry-run", "--json").json) == ["bob"]
    assert "ann" in turnstile(*REPLAY, "--all", "--dry-run").out
    assert stack.sqs.queue(MAIN).history == []
    assert stack.visible


def test_the_next_command_recovers_from_a_killed_replay(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """Messages that a killed replay sent are deleted and not shown, and stderr says so; those it only held are visible
    again at once."""
    first, second = stack.die(register("ann"), register("bob"))
    stack.sent_before(first, seconds=0)
    ended = turnstile("dlq", "list", "--json")
    assert [message["id"] for message in ended.json["letters"]] == [second]
    assert ended.err == "deleted 1 messages that an earlier run had sent\n"
    assert len(stack.sqs.queue(DEAD).messages) == 1


def test_an_id_that_was_sent_already_is_done(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """An id that a killed run has sent only needs deleting; after that, the same command still succeeds."""
    first, second = stack.die(register("ann"), register("bob"))
    stack.sent_before(first)
    assert turnstile(*REPLAY, "--id", first, "--id", second).code == 0
    assert stack.sqs.queue(MAIN).bodies() == [encode(register("bob"))]
    assert stack.sqs.queue(DEAD).messages == []
    code, out, _ = turnstile(*REPLAY, "--id", first, "--id", second)
    assert (code, "Not sent" in out) == (0, False)


def test_an_event_without_messages_is_reported(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """An event without messages is exit code 1, in a dry run too, but not after a run that has sent them all."""
    stack.die(register("ann"))
    for arguments in ([], ["--dry-run"]):
        code, out, _ = turnstile(*REPLAY, "--event", "nope", *arguments)
        assert (code, "Event nope has no visible messages." in out) == (1, True)
    assert turnstile("dlq", "list", "--event", "nope") == (0, "No visible message matches; 0 shown of 1.\n", "")
    for arguments in ([], [], ["--dry-run"]):
        assert turnstile(*REPLAY, "--event", EVENT, *arguments).code == 0


@pytest.mark.usefixtures("handlers_kept")
def test_a_signal_waits_for_the_journal(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """SIGTERM between the answer of SQS and the journal: journal and deletion come first, then the end."""
    ids = stack.die(*(register(f"u{number}") for number in range(12)))
    stack.sqs.after = lambda call: os.kill(os.getpid(), signal.SIGTERM) if call == "send" else None
    code, out, _ = turnstile(*REPLAY, "--all")
    assert (code, "10 messages sent back to the queue; 2 in" in out, "interrupted" in out) == (1, True, True)
    with Journal(stack.journal) as journal:
        assert journal.gone == set(ids[:10])
    assert stack.visible


def test_on_this_machine_nothing_waits_for_counts(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """Where counts are exact a run ends when nothing is left, without a pause after the last message."""
    stack.die(register("ann"))
    began = stack.sqs.now
    assert turnstile(*REPLAY, "--all", "--rate", "0.1").code == 0
    stack.die(register("bob", event="b"), register("cid", event="b"))
    stack.die(*(register(f"u{number}", event="c") for number in range(12)))
    assert turnstile(*REPLAY, "--event", "b").code == 0
    assert stack.sqs.now - began < 25


def test_what_would_be_parked_again_is_left_out(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """Messages that would only be parked again stay, with the reason, and those behind them are sent. A dry run says so
    of each message; --force sends all of them."""
    bad, _, lost = stack.die("rubbish", register("ann"), register("bob", event="nowhere"))
    code, out, _ = turnstile(*REPLAY, "--all", "--dry-run")
    assert (code, f"parked again: {bad}, {lost}" in out) == (0, True)
    dry = turnstile(*REPLAY, "--all", "--dry-run", "--json").json
    assert [message["replayWould"] for message in dry["letters"]] == [
        "be parked again: it cannot be read (the body is not JSON)",
        "come to: confirmed (seat-given)",
        "be parked again: there is no event nowhere",
    ]
    ended = turnstile(*REPLAY, "--all", "--json")
    assert (ended.code, ended.json["sent"], ended.json["left"], sorted(ended.json["left_out"])) == (
        1,
        1,
        2,
        [bad, lost],
    )
    assert [message.body for message in stack.sqs.queue(MAIN).messages] == [encode(register("ann"))]
    stack.sqs.sleep(10)
    assert f"Left out {bad}: it would be parked again: it cannot be read" in turnstile(*REPLAY, "--all").out
    assert turnstile(*REPLAY, "--all", "--force").out.startswith("2 messages sent back to the queue; 0 in")


def test_the_id_of_a_replayed_message_leads_to_what_came_back(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """`show` finds the dead letter that a failed replay left; before that, it says that the message was replayed."""
    [old] = stack.die(register("ann"))
    assert turnstile(*REPLAY, "--all").code == 0
    sent = stack.sqs.queue(MAIN).messages[0].id
    code, _, err = turnstile("dlq", "show", old)
    assert (code, f"{old} was replayed: it is {sent} in the main queue, and has not come back" in err) == (1, True)
    new = stack.came_back(old)
    code, out, _ = turnstile("dlq", "show", old[:8])
    assert (code, f"message id    {new}" in out, f"replay of     {old}" in out) == (0, True, True)
