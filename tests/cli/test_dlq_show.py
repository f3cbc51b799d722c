"""`turnstile dlq show`: one letter, whole, and what replaying it would do."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from infra.cli.main import main
from tests.cli.dead_letter_stack import DEAD, Stack
from tests.support.builders import EVENT, NOW, cancel, ledger_of, register, seats
from workers.aws.items import ledger_to_item, registration_to_item
from workers.aws.messages import encode, group_for
from workers.domain.commands import Command, Recount
from workers.domain.records import Registration, Status, Totals


def test_show_tells_everything(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """A letter is shown with its message, its reason, registration and ledger, and what replaying would do after those
    before it."""
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
    """A Cancel behind its Register is foreseen to cancel, though alone it would be superseded."""
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
    """What would be parked again, or superseded, is known before it is replayed, and why."""
    stack.event()
    [letter] = stack.die(command)
    assert main(["dlq", "show", letter]) == 0
    assert f"would {would}" in capsys.readouterr().out


def test_a_record_that_cannot_be_read_is_foreseen(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """A registration that cannot be read is foreseen, with what is wrong with it."""
    stack.event()
    stack.pending("ann")
    damaged = registration_to_item(stack.record("ann")) | {"status": {"S": "lost"}}
    stack.db.put_item(TableName=stack.tables.registrations, Item=damaged)
    [letter] = stack.die(register("ann"))
    assert main(["dlq", "show", letter]) == 0
    assert "be parked again: its registration cannot be read (ValueError" in capsys.readouterr().out


def test_a_command_that_raises_is_foreseen(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """A command that raises is foreseen to be parked again, and one behind it as if it were."""
    stack.event()
    waits = Registration(EVENT, "ann", Status.WAITLISTED, 1, 1, NOW, ticket=7)
    stack.db.put_item(TableName=stack.tables.registrations, Item=registration_to_item(waits))
    poison, behind = stack.die(cancel("ann"), register("bob"))
    assert main(["dlq", "show", poison]) == 0
    assert "be parked again: deciding it raises " in capsys.readouterr().out
    assert main(["dlq", "show", behind]) == 0
    assert "would come to: confirmed (seat-given)" in capsys.readouterr().out


def test_show_names_the_query_for_what_sqs_moved(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a letter that SQS moved nobody wrote down why: the query is named that finds it in the log."""
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
    assert "no dead-letter message ffffffff is among the 2 visible ones" in capsys.readouterr().err
    assert main(["dlq", "show", first[:6]]) == 1
    assert "several dead-letter messages begin with" in capsys.readouterr().err


def test_a_letter_of_another_event_in_the_group_decides_nothing(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody put it there by hand: it is about another event, and takes no seat of this one."""
    stack.event(capacity=1)
    _, letter = stack.die(encode(register("ann", event="other")), register("bob"))
    assert main(["dlq", "show", letter]) == 0
    assert "would come to: confirmed (seat-given)" in capsys.readouterr().out


def test_who_waits_for_an_answer_is_seen_without_the_event(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the event is gone the registration is shown all the same: who discards the letter knows that somebody waits
    for it."""
    stack.pending("ann")
    [letter] = stack.die(register("ann"))
    assert main(["dlq", "show", letter]) == 0
    out = capsys.readouterr().out
    assert "pending, generation 1" in out
    assert "ledger        none" in out
    assert main(["dlq", "show", letter, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["registration"]["status"], told["ledger"]) == ("pending", None)


def test_a_letter_in_the_wrong_group_comes_back(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """The registrar parks what is in another event's group, whatever the command would come to elsewhere."""
    stack.event()
    stack.event("other")
    [letter] = stack.die(encode(register("ann", event="other")))
    assert main(["dlq", "show", letter]) == 0
    assert "would be parked again: the message is in another event's group" in capsys.readouterr().out


def test_rubbish_is_about_nobody(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a message that says nothing, nobody claims that there is no registration and no ledger."""
    stack.event()
    [letter] = stack.die("rubbish")
    assert main(["dlq", "show", letter]) == 0
    assert capsys.readouterr().out.count("not looked up, as the message does not say whose") == 2


def test_a_recount_among_the_dead_letters(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """`turnstile dlq` says what it is and what a replay would do: on a sound ledger, on a damaged one, too late."""
    command = Recount("recount-1", EVENT, 3, Totals(1), stack.sqs.clock.now())
    again = replace(command, command_id="recount-2")
    letter, second = stack.die(encode(command), encode(again), group=group_for(command))
    ledger = ledger_to_item(ledger_of(EVENT, seats(4), 2, version=3))
    would = []
    for item in (ledger, {name: value for name, value in ledger.items() if name != "confirmed"}):
        stack.db.put_item(TableName=stack.tables.ledger, Item=item)
        assert main(["dlq", "show", letter, "--json"]) == 0
        would.append(json.loads(capsys.readouterr().out)["replayWould"])
        assert main(["dlq", "show", second, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["replayWould"] == "come to: superseded (stale-count)"
    assert would == ["come to: recounted (ledger-rewritten)"] * 2
    stack.sqs.sleep(900)
    assert main(["dlq", "show", letter]) == 0
    words = capsys.readouterr().out
    assert "command       Recount recount-1, ledger version 3" in words
    assert "replaying it  would come to: superseded (stale-count)" in words
