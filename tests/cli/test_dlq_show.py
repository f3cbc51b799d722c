"""`turnstile dlq show`: a whole message, and what replaying it would do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.cli.command import Turnstile
from tests.cli.dead_letter_stack import DEAD, DeadLetterStack
from tests.support.builders import EVENT, NOW, cancel, ledger_of, register, seats
from workers.aws.items import ledger_to_item, registration_to_item
from workers.aws.messages import command_group, encode
from workers.domain.commands import Command, Recount
from workers.domain.records import Registration, Status, Totals

SEATED = "would come to: confirmed (seat-given)"
ELSEWHERE = register("ann", event="other")


def test_show_prints_everything(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """A message is shown with its reason, registration and ledger, and the effect of a replay after those before it."""
    stack.event(capacity=1)
    stack.pending("bob")
    first, second = stack.die(register("ann"), register("bob"))
    assert SEATED in turnstile("dlq", "show", first).out
    out = turnstile("dlq", "show", second[:8]).out
    for part in ("Trouble", '"userId": "bob"', f"before it     {first}", "pending, generation 1", "0 of 1 seats taken"):
        assert part in out
    assert "would come to: waitlisted (joined-waitlist)" in out
    found = turnstile("dlq", "show", second, "--json").json
    assert (found["registration"]["status"], found["ledger"]["capacity"], found["before"]) == ("pending", 1, [first])
    assert stack.visible


@pytest.mark.parametrize(
    ("commands", "would"),
    [
        (["rubbish"], "would be parked again: it cannot be read (the body is not JSON)"),
        ([register("ann", event="nowhere")], "would be parked again: there is no event nowhere"),
        ([cancel("ann")], "would come to: superseded (stale-generation)"),
        ([register("ann"), cancel("ann")], "would come to: cancelled (gave-up-seat)"),
        # In the group of this event, a message for another one takes no seat, and is parked again.
        ([encode(ELSEWHERE), register("bob")], SEATED),
        ([encode(ELSEWHERE)], "would be parked again: the message is in another event's group"),
    ],
)
def test_the_effect_of_a_replay(
    stack: DeadLetterStack, turnstile: Turnstile, commands: list[Command | str], would: str
) -> None:
    """The effect of a replay is shown, in the order of the group; it decides nothing else."""
    stack.event()
    stack.event("other")
    *_, message = stack.die(*commands)
    code, out, _ = turnstile("dlq", "show", message)
    assert (code, would in out) == (0, True)


def test_an_unreadable_record(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """An unreadable registration is reported, with the reason."""
    stack.event()
    stack.pending("ann")
    damaged = registration_to_item(stack.record("ann")) | {"status": {"S": "lost"}}
    stack.db.put_item(TableName=stack.tables.registrations, Item=damaged)
    [message] = stack.die(register("ann"))
    assert (
        "be parked again: its registration cannot be read ('lost' is not a valid Status)"
        in turnstile("dlq", "show", message).out
    )


def test_a_command_that_raises(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """A command that raises would be parked again, and a command behind it is decided as if it were."""
    stack.event()
    waits = Registration(EVENT, "ann", Status.WAITLISTED, 1, 1, NOW, ticket=7)
    stack.db.put_item(TableName=stack.tables.registrations, Item=registration_to_item(waits))
    poison, behind = stack.die(cancel("ann"), register("bob"))
    assert "be parked again: deciding it fails: " in turnstile("dlq", "show", poison).out
    assert SEATED in turnstile("dlq", "show", behind).out


def test_a_message_that_sqs_moved(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """For a message that SQS moved, the log query that finds the reason is shown."""
    stack.event()
    request = {"MessageBody": encode(register("ann")), "MessageGroupId": EVENT, "MessageDeduplicationId": "d"}
    out = turnstile("dlq", "show", stack.sqs.send_message(QueueUrl=DEAD, **request)["MessageId"]).out
    assert "moved by SQS" in out
    assert 'filter command_id = "register-ann-1" and event_id = "e1"' in out


def test_an_id_has_to_be_found(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """Too short, unknown and ambiguous ids have a sentence each."""
    first, _ = stack.die(register("ann"), register("bob"))
    for wanted, code, sentence in (
        (first[:5], 2, "at least 6 characters"),
        ("ffffffff", 1, "no dead-letter message ffffffff is among the 2 visible ones"),
        (first[:6], 1, "several dead-letter messages begin with"),
    ):
        ended = turnstile("dlq", "show", wanted)
        assert (ended.code, sentence in ended.err) == (code, True)


def test_a_pending_registration_is_shown_without_its_event(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """If the event is gone, the registration is shown nevertheless, so nobody who waits is overlooked."""
    stack.pending("ann")
    [message] = stack.die(register("ann"))
    out = turnstile("dlq", "show", message).out
    assert "pending, generation 1" in out
    assert "ledger        none" in out
    found = turnstile("dlq", "show", message, "--json").json
    assert (found["registration"]["status"], found["ledger"]) == ("pending", None)


def test_nothing_is_looked_up_for_an_undecodable_message(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """For an undecodable message, neither registration nor ledger is claimed to be missing."""
    [message] = stack.die("rubbish")
    assert turnstile("dlq", "show", message).out.count("not looked up, as the message does not say whose") == 2


def test_a_recount_among_the_dead_letters(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """A `Recount` is described, and its effect: on a sound ledger, on a damaged one, and when it is too old."""
    command = Recount("recount-1", EVENT, 3, Totals(1), stack.sqs.clock.now())
    again = replace(command, command_id="recount-2")
    message, second = stack.die(encode(command), encode(again), group=command_group(command))
    ledger = ledger_to_item(ledger_of(EVENT, seats(4), 2, version=3))
    for item in (ledger, {name: value for name, value in ledger.items() if name != "confirmed"}):
        stack.db.put_item(TableName=stack.tables.ledger, Item=item)
        for id_, would in ((message, "recounted (ledger-rewritten)"), (second, "superseded (stale-count)")):
            assert turnstile("dlq", "show", id_, "--json").json["replayWould"] == f"come to: {would}"
    stack.sqs.sleep(900)
    out = turnstile("dlq", "show", message).out
    assert "command       Recount recount-1, ledger version 3" in out
    assert "replaying it  would come to: superseded (stale-count)" in out
