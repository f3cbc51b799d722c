"""What `turnstile verify` says of a deployment that works, but in which something waits for its operator."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import pytest

from infra.cli import ledgers
from infra.cli.function_logs import REGISTRAR
from infra.cli.verify import health
from infra.cli.verify.health import DECIDED, GIVEN_BACK, DeadLetters, health_checks
from infra.cli.verify.result import CheckResult, CheckVerdict, perform
from tests.cli.board import FakeDynamoDB, FakeSqs
from tests.support.builders import ledger_of, seats
from tests.support.deployment import OUTPUTS, FakeLogs, deployment_of
from workers.aws.items import ledger_to_item
from workers.domain.seat_settings import EventStatus

DAMAGED, TRIED = "an event's records cannot be read", "the event's commands will be tried again"


class FakeAlarms:
    """Alarms, of which some are ringing."""

    def __init__(self) -> None:
        self.ringing: set[str] = set()
        self.calls: list[int] = []

    def describe_alarms(self, AlarmNames: list[str]) -> dict[str, Any]:  # noqa: N803 - the SDK's names
        """The named ones with their states: the first is new, and has no data yet."""
        self.calls.append(len(AlarmNames))
        states = (
            dict.fromkeys(AlarmNames, "OK") | {"alarm-0": "INSUFFICIENT_DATA"} | dict.fromkeys(self.ringing, "ALARM")
        )
        return {"MetricAlarms": [{"AlarmName": name, "StateValue": states[name]} for name in AlarmNames]}


class World:
    """A deployment in which nothing is wrong yet."""

    def __init__(self) -> None:
        self.sqs, self.logs, self.alarms = FakeSqs(), FakeLogs(), FakeAlarms()
        self.sqs.depths[OUTPUTS.dead_letter_queue_url] = (0, 0)
        self.dynamodb = FakeDynamoDB(ledger_of("full", seats(5), 5), ledger_of("free", seats(5), 1))
        self.deployment = deployment_of(self.logs, sqs=self.sqs, dynamodb=self.dynamodb, cloudwatch=self.alarms)
        self.deployment.resources += [
            {"ResourceType": "AWS::CloudWatch::Alarm", "PhysicalResourceId": f"alarm-{number}"}  # type: ignore[typeddict-item]
            for number in range(120)
        ]
        self.now = time.time()

    def see(self, name: str) -> CheckResult:
        """The result of one look."""
        return perform(next(check for check in health_checks(self.deployment) if check[0] == name))

    def give_back(self, seconds_ago: float, event: str, command: str, message: str = DAMAGED) -> None:
        """What the registrar logs then."""
        self.logs.say(REGISTRAR, self.now - seconds_ago, message=message, event_id=event, command_id=command)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Nobody waits in it."""
    monkeypatch.setattr(health, "PAUSE", 0.0)
    return World()


def test_a_sound_deployment_is_well(world: World) -> None:
    """Nothing is said of empty queues, sound ledgers, an event that moves, and alarms that are silent."""
    letters = DeadLetters(world.deployment)
    checks = [*letters.checks_before(), letters.check_after(), *health_checks(world.deployment)]
    assert {name: perform((name, action)).verdict for name, action in checks} == dict.fromkeys(
        [
            "dead letters",
            "failed promotions",
            "dead letters afterwards",
            "ledgers",
            "stuck events",
            "alarms",
        ],
        CheckVerdict.OK,
    )


def test_29_dead_letters_are_a_warning(world: World) -> None:
    """Dead letters are counted, those that somebody looks at included, and the command for them is named."""
    world.sqs.depths[OUTPUTS.dead_letter_queue_url] = (25, 4)
    [letters, promotions] = map(perform, DeadLetters(world.deployment).checks_before())
    assert (letters.verdict, promotions.verdict) == (CheckVerdict.WARNING, CheckVerdict.OK)
    assert letters.detail == "29 messages are in the dead-letter queue; their requests have not been carried out"
    assert letters.todo.startswith("turnstile dlq list --stage local")
    assert not letters.ok


def test_a_failed_promotion_is_a_warning(world: World) -> None:
    """So is a promotion that could not be sent, with its command."""
    world.sqs.depths[OUTPUTS.failed_promotions_queue_url] = (1, 0)
    [_, result] = map(perform, DeadLetters(world.deployment).checks_before())
    assert (result.verdict, result.todo.split(",")[0]) == (CheckVerdict.WARNING, "turnstile promote --stage local")


@pytest.mark.parametrize(("after", "verdict"), [(3, CheckVerdict.OK), (4, CheckVerdict.FAILED)])
def test_a_new_dead_letter_is_a_failure(world: World, after: int, verdict: CheckVerdict) -> None:
    """A dead letter that came while verify was at work fails it; old ones only warn."""
    world.sqs.depths[OUTPUTS.dead_letter_queue_url] = (3, 0)
    letters = DeadLetters(world.deployment)
    perform(letters.checks_before()[0])
    world.sqs.depths[OUTPUTS.dead_letter_queue_url] = (after, 0)
    assert perform(letters.check_after()).verdict == verdict


def test_a_ledger_that_cannot_be_read_is_a_warning(world: World) -> None:
    """The event is named, with the command that mends it."""
    world.dynamodb.items += [{"eventId": {"S": "torn"}, "version": {"N": "3"}}]
    result = world.see("ledgers")
    assert result.verdict is CheckVerdict.WARNING
    assert "the ledgers of torn cannot be read" in result.detail
    assert result.todo.startswith("turnstile reconcile torn --repair --stage local")


def test_many_are_named_in_part(world: World) -> None:
    """Of seven damaged ledgers five are named, and the others counted."""
    world.dynamodb.items += [{"eventId": {"S": f"torn-{number}"}} for number in range(7)]
    assert "torn-4 and 2 more cannot be read" in world.see("ledgers").detail


@pytest.mark.parametrize(
    ("seconds", "status", "verdict"),
    [
        (5, EventStatus.ACTIVE, CheckVerdict.OK),
        (90, EventStatus.ACTIVE, CheckVerdict.WARNING),
        (90, EventStatus.CANCELLED, CheckVerdict.OK),
    ],
)
def test_a_seat_that_stays_free_beside_waiters(
    world: World, seconds: float, status: EventStatus, verdict: CheckVerdict
) -> None:
    """A promotion has a minute; so nobody is promoted at an event that was cancelled."""
    since = int((time.time() - seconds) * 1e6)
    ledger = dataclasses.replace(ledger_of("slow", seats(2, None, status), 1, waiting=3), free_since=since)
    world.dynamodb.items.append(ledger_to_item(ledger))
    assert world.see("ledgers").verdict == verdict


def test_what_was_not_read_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With more ledgers than it reads, it says so."""
    monkeypatch.setattr(ledgers, "MAX_LEDGERS", 1)
    assert world.see("ledgers").detail.startswith("only the first 1 were read")


def test_an_event_whose_command_is_given_back_stands_still(world: World) -> None:
    """It is named, with how often its command came back, since when, and why; others that went on are not."""
    for ago in (700, 400, 100):
        world.give_back(ago, "torn", "c1")
    world.give_back(300, "late", "c2", TRIED)
    world.logs.say(REGISTRAR, world.now - 200, message="decided", event_id="late", command_id="c2")
    world.give_back(300, "poison", "c3")
    parked = "a message was parked in the dead-letter queue"
    world.logs.say(REGISTRAR, world.now - 200, message=parked, event_id="poison", command_id="c3")
    result = world.see("stuck events")
    assert result.verdict is CheckVerdict.WARNING
    assert result.detail.startswith("torn (its command was returned to the queue 3 times since 20")
    assert result.detail.endswith(f"last reason: {DAMAGED})")
    assert result.todo == "docs/runbook.md#stuck-event says what each reason means"


def test_a_message_that_cannot_be_decoded_or_parked_stops_its_event(world: World) -> None:
    """Such a message has no command: the event is its group, and it is decided once the message is parked."""
    unparked = "a message could not be parked"
    for ago in (500, 200):
        world.logs.say(REGISTRAR, world.now - ago, message=unparked, group="torn", message_id="m-1")
    world.logs.say(REGISTRAR, world.now - 400, message=unparked, group="mended", message_id="m-2")
    parked = "a message was parked in the dead-letter queue"
    world.logs.say(REGISTRAR, world.now - 300, message=parked, group="mended", message_id="m-2")
    result = world.see("stuck events")
    assert result.verdict is CheckVerdict.WARNING
    assert result.detail.startswith("torn (its command was returned to the queue 2 times since 20")
    assert "mended" not in result.detail


def test_only_the_command_at_the_head_counts(world: World) -> None:
    """An earlier command that went through does not stand for the one that is given back now; nor one of long ago."""
    world.give_back(300, "torn", "c1", TRIED)
    world.logs.say(REGISTRAR, world.now - 290, message="decided", event_id="torn", command_id="c1")
    world.give_back(100, "torn", "c2", TRIED)
    world.give_back(3000, "gone", "c3")
    assert world.see("stuck events").detail.startswith("torn (its command was returned to the queue 1 times")


def test_what_passes_while_it_looks_is_no_warning(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is decided a moment later did not stand still."""
    world.give_back(1, "late", "c1", TRIED)

    def wait(_seconds: float) -> None:
        world.logs.say(REGISTRAR, world.now, message="decided", event_id="late", command_id="c1")

    monkeypatch.setattr("infra.cli.verify.health.time.sleep", wait)
    assert world.see("stuck events").ok


def test_it_looks_for_what_the_registrar_says() -> None:
    """Each line that it looks for is one that the workers write, word for word."""
    written = "".join(path.read_text() for path in Path("workers").rglob("*.py"))
    assert [line for line in (*GIVEN_BACK, *DECIDED) if f'"{line}"' not in written] == []


def test_an_alarm_that_rings_is_a_warning(world: World) -> None:
    """Each alarm of the stack is asked for, a hundred at a time, and the ringing ones are named."""
    world.alarms.ringing = {"alarm-7", "alarm-119", "somebody-elses"}
    result = world.see("alarms")
    assert (result.verdict, result.detail) == (CheckVerdict.WARNING, "in alarm: alarm-119, alarm-7")
    assert world.alarms.calls == [100, 20]


def test_an_alarm_without_data_is_said(world: World) -> None:
    """An alarm that has seen no data is not called silent."""
    assert world.see("alarms").detail == "none of 120 is in alarm; 1 have no data yet"
