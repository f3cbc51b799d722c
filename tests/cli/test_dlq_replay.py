"""`turnstile dlq replay` at the terminal: what it asks for, what it says, its exit codes."""

from __future__ import annotations

import json
import os
import signal

import pytest

from infra.cli.dlq.journal import Journal
from infra.cli.main import main
from tests.cli.dead_letter_stack import DEAD, MAIN, Stack, listed, users
from tests.support.builders import EVENT, register
from workers.aws.messages import encode


def test_replay_wants_to_know_what(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is sent unless it is said what, in one way, at a rate that makes sense: all else is wrong usage."""
    for arguments in ([], ["--all", "--event", "e1"], ["--event", "e1", "--id", "abcdef"]):
        assert main(["dlq", "replay", *arguments]) == 2
        assert "--all for everything" in capsys.readouterr().err
    for rate in ("0", "-1", "nan", "inf"):
        assert main(["dlq", "replay", "--all", f"--rate={rate}"]) == 2
    assert stack.sqs.calls == []


def test_replay_sends_and_sums_up(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said how many were sent and how many are left; exit code 0 when nothing of what was asked for remains."""
    stack.die(register("ann"), register("bob"), register("cid", event="other"))
    assert main(["dlq", "replay", "--event", EVENT]) == 0
    assert "2 messages sent back to the queue; 1 in the dead-letter queue now." in capsys.readouterr().out
    assert main(["dlq", "replay", "--all", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["sent"], told["left"], told["done"], told["stops"]) == (1, 0, True, {})


def test_replay_fails_when_something_remains(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """When a letter is not taken, it is said where its event stopped and why, and the exit code is 1."""
    _, second = stack.die(register("ann"), register("bob"))
    stack.sqs.refuse = lambda call, what: call == "send" and "bob" in what
    assert main(["dlq", "replay", "--all"]) == 1
    assert f"Event e1 stopped at {second}: SQS did not accept it: InternalError" in capsys.readouterr().out


def test_an_id_deep_in_its_group_needs_those_before_it(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """An id behind a letter that was not asked for is refused, with the name of that, and nothing is sent; with it, it
    goes."""
    first, second, third = stack.die(register("ann"), register("bob"), register("cid"))
    assert main(["dlq", "replay", "--id", first, "--id", third]) == 1
    assert f"{third} comes after {second}" in capsys.readouterr().err
    assert stack.sqs.queue(MAIN).history == []
    assert stack.visible
    assert main(["dlq", "replay", "--id", second, "--id", first]) == 0
    assert stack.sqs.queue(MAIN).bodies() == [encode(register("ann")), encode(register("bob"))]


def test_a_dry_run_sends_nothing(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """A dry run lists what would go, and sends nothing."""
    stack.die(register("ann"), register("bob", event="other"))
    assert main(["dlq", "replay", "--event", "other", "--dry-run", "--json"]) == 0
    assert users(json.loads(capsys.readouterr().out)) == ["bob"]
    assert main(["dlq", "replay", "--all", "--dry-run"]) == 0
    assert "ann" in capsys.readouterr().out
    assert stack.sqs.queue(MAIN).history == []
    assert stack.visible


def test_a_killed_replay_is_settled_by_whatever_comes_next(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """What it had sent is deleted and not shown any more; what it only held is visible again at once."""
    first, second = stack.die(register("ann"), register("bob"))
    stack.sent_before(first, seconds=0)
    found = listed(capsys)
    assert [letter["id"] for letter in found["letters"]] == [second]
    assert len(stack.sqs.queue(DEAD).messages) == 1


def test_an_id_that_was_sent_already_is_done(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """An id that a killed run had sent only needs deleting; when that is done too, the same command is still right."""
    first, second = stack.die(register("ann"), register("bob"))
    stack.sent_before(first)
    assert main(["dlq", "replay", "--id", first, "--id", second]) == 0
    assert stack.sqs.queue(MAIN).bodies() == [encode(register("bob"))]
    assert stack.sqs.queue(DEAD).messages == []
    assert main(["dlq", "replay", "--id", first, "--id", second]) == 0
    assert "Not sent" not in capsys.readouterr().out


def test_an_event_without_letters_is_said(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """An event without letters, maybe a slip of the pen, is exit code 1, in a dry run too; but not after a run that has
    sent them all."""
    stack.die(register("ann"))
    for arguments in ([], ["--dry-run"]):
        assert main(["dlq", "replay", "--event", "nope", *arguments]) == 1
        assert "Event nope has no visible messages." in capsys.readouterr().out
    assert main(["dlq", "list", "--event", "nope"]) == 0
    assert "No visible message matches; 0 shown of 1" in capsys.readouterr().out
    for arguments in ([], [], ["--dry-run"]):
        assert main(["dlq", "replay", "--event", EVENT, *arguments]) == 0


@pytest.mark.usefixtures("handlers_kept")
def test_a_signal_waits_until_it_is_written_down(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """SIGTERM between SQS's yes and the journal: first the journal and the deletion, then the end."""
    ids = stack.die(*(register(f"u{number}") for number in range(12)))

    def terminate(call: str) -> None:
        if call == "send":
            os.kill(os.getpid(), signal.SIGTERM)

    stack.sqs.after = terminate
    assert main(["dlq", "replay", "--all"]) == 1
    assert "10 messages sent back to the queue; 2 in" in capsys.readouterr().out
    with Journal(stack.journal) as journal:
        assert journal.gone == set(ids[:10])
    assert stack.visible


def test_on_this_machine_nobody_waits_for_counts(stack: Stack) -> None:
    """Where counts are exact a run ends when nothing is left, without the pause after the last letter."""
    stack.die(register("ann"))
    began = stack.sqs.now
    assert main(["dlq", "replay", "--all", "--rate", "0.1"]) == 0
    stack.die(register("bob", event="b"), register("cid", event="b"))
    stack.die(*(register(f"u{number}", event="c") for number in range(12)))
    assert main(["dlq", "replay", "--event", "b"]) == 0
    assert stack.sqs.now - began < 25
