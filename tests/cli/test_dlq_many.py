"""Discards and replays of many events: SQS mixes groups in an answer, hides what is in flight, and may be slow."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.command import Turnstile
from tests.cli.dead_letter_stack import DEAD, DeadLetterStack
from tests.support.builders import EVENT, NOW, cancel, register
from workers.aws.items import ledger_to_item, registration_to_item
from workers.aws.messages import command_group, encode
from workers.domain.commands import Recount
from workers.domain.records import Ledger, Registration, Status, Totals
from workers.domain.seat_settings import SeatSettings

DISCARD, REPLAY = ("dlq", "discard", "--why=a test", "--json"), ("dlq", "replay", "--json")


def bodies(stack: DeadLetterStack) -> list[str]:
    """Return the bodies in the dead-letter queue."""
    return [message.body for message in stack.sqs.queue(DEAD).messages]


def test_groups_that_share_an_answer_are_seen_whole(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """What is selected behind messages of other reasons is found, although its group came with another one at first."""
    stack.die("found", group="a")
    stack.die(*(f"other {number}" for number in range(9)), group="b", reason="failed: Despair")
    stack.die("found", "found", group="b")
    ended = turnstile(*DISCARD, "--reason", "Trouble")
    assert (ended.code, ended.json["left"], "found" in bodies(stack)) == (0, 9, False)


def test_events_that_are_not_selected_do_not_matter(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """Ten messages of another event are no reason to fail; an event without messages is, and its recounts are found."""
    stack.die(*(f"other {number}" for number in range(10)), group="other")
    recount = Recount("c", EVENT, 1, Totals(), NOW)
    stack.die("e1", group=EVENT)
    stack.die(encode(recount), group=command_group(recount))
    ended = turnstile(*DISCARD, "--event", EVENT)
    assert (ended.code, ended.json["full"], ended.json["left"]) == (0, [], 10)
    ended = turnstile(*DISCARD, "--event", "typo")
    assert (ended.code, ended.json["unseen"]) == (1, ["typo"])


def test_messages_in_flight_are_waited_for(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """What somebody else has received is discarded once it is visible again; if it stays away, the run is not done."""
    stack.die("a1", "a2")
    request: dict[str, Any] = {"QueueUrl": DEAD, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1}
    stack.sqs.receive_message(**request, VisibilityTimeout=15)
    ended = turnstile(*DISCARD, "--all")
    assert (ended.code, ended.json["left"]) == (0, 0)
    stack.die("b1", "b2")
    stack.sqs.receive_message(**request, VisibilityTimeout=600)
    ended = turnstile(*DISCARD, "--all")
    assert (ended.code, ended.json["elsewhere"], ended.json["left"]) == (1, 2, 2)


def test_ids_are_handled_one_by_one(stack: DeadLetterStack, turnstile: Turnstile) -> None:
    """One that is not there does not hide what happened to the others; the same one twice is one."""
    [message] = stack.die("a1")
    ended = turnstile(*DISCARD, message, message[:8], "nosuch-id")
    assert (ended.code, list(ended.json["fates"]), list(ended.json["kept"])) == (1, [message], ["nosuch-id"])
    assert turnstile(*DISCARD, message, "--reason", "Trouble").code == 2


@pytest.mark.parametrize("rate", [[], ["--rate", "1"]])
def test_a_left_out_message_hides_nobody(stack: DeadLetterStack, turnstile: Turnstile, rate: list[str]) -> None:
    """What is behind a message that is left out is sent, also at a slow rate and in a shared answer; ten of them hide
    the others, which the summary says."""
    for event in (EVENT, "a", "full"):
        stack.event(event)
    stack.die(*(register(f"u{number}", event="a") for number in range(9)))
    stack.die("rubbish", register("ann"))
    stack.die(*(f"rubbish {number}" for number in range(10)), register("bob", event="full"), group="full")
    ended = turnstile(*REPLAY, "--all", *rate)
    assert (ended.code, ended.json["sent"], len(ended.json["left_out"])) == (1, 10, 11)
    assert ended.json["stops"]["full"]["why"] == "ten messages that are left out hide those behind them"


def test_a_read_of_two_moments(stack: DeadLetterStack, turnstile: Turnstile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ledger and record may be read before and after a promotion: a good Cancel is not left out for that."""
    ledger = Ledger(EVENT, SeatSettings(capacity=1, has_waitlist=True), 3, {}, 1, 2, NOW)
    now = registration_to_item(Registration(EVENT, "bob", Status.CONFIRMED, 1, 2, NOW))
    before = registration_to_item(Registration(EVENT, "bob", Status.WAITLISTED, 1, 1, NOW, ticket=1))
    stack.event()
    for table, item in ((stack.tables.ledger, ledger_to_item(ledger)), (stack.tables.registrations, now)):
        stack.db.put_item(TableName=table, Item=item)
    stack.die(cancel("bob"))
    get, torn = stack.db.batch_get_item, [True]

    def read(**request: Any) -> Any:
        answer = get(**request)
        if stack.tables.registrations in answer["Responses"] and torn.pop():
            torn.append(False)
            answer["Responses"][stack.tables.registrations] = [before]
        else:
            torn.append(False)
        return answer

    monkeypatch.setattr(stack.db, "batch_get_item", read)
    assert turnstile(*REPLAY, "--all").json["sent"] == 1


def test_a_table_that_stays_throttled(
    stack: DeadLetterStack, turnstile: Turnstile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends the replay with a sentence, and nothing is lost."""
    stack.event()
    stack.die(register("ann"))
    full = lambda **request: {"Responses": {}, "UnprocessedKeys": request["RequestItems"]}  # noqa: E731 - one line
    monkeypatch.setattr(stack.db, "batch_get_item", full)
    ended = turnstile(*REPLAY, "--all")
    assert (ended.code, ended.json["sent"], ended.json["left"], bool(ended.json["aborted"])) == (1, 0, 1, True)


@pytest.mark.parametrize("command", [(*DISCARD, "--reason", "nothing"), (*REPLAY, "--all")])
def test_more_events_than_can_be_held(stack: DeadLetterStack, turnstile: Turnstile, command: tuple[str, ...]) -> None:
    """With hundreds of events and slow answers, leases end before they are extended: the run ends and says so."""
    for number in range(400):
        stack.die("rubbish", group=f"e{number}", reason="failed: Despair")
    stack.sqs.takes = 0.5
    ended = turnstile(*command)
    assert ended.code == 1
    assert "too many events to hold at once" in (ended.json["aborted"] or "")
