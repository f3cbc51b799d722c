"""The checks of `turnstile verify` for work that needs an operator, on a deployment that works."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest

from infra.cli import ledgers
from infra.cli.function_logs import REGISTRAR
from infra.cli.verify import health
from infra.cli.verify.health import DECIDED, GIVEN_BACK, DeadLetters, health_checks
from infra.cli.verify.result import CheckResult, CheckVerdict, perform
from tests.cli.fakes import FakeDeployment
from tests.support.builders import ledger_of, seats
from tests.support.deployment import OUTPUTS
from workers.domain.seat_settings import EventStatus

DAMAGED, TRIED = "an event's records cannot be read", "the event's commands will be tried again"
PARKED = "a message was parked in the dead-letter queue"
OK, WARNING, FAILED = CheckVerdict.OK, CheckVerdict.WARNING, CheckVerdict.FAILED


class SoundDeployment(FakeDeployment):
    """A deployment in which nothing is wrong yet, with 120 alarms."""

    def __init__(self) -> None:
        super().__init__(ledger_of("full", seats(5), 5), ledger_of("free", seats(5), 1))
        self.sqs.depths[OUTPUTS.dead_letter_queue_url] = (0, 0)
        self.deployment.resources += [
            {"ResourceType": "AWS::CloudWatch::Alarm", "PhysicalResourceId": f"alarm-{number}"}  # type: ignore[typeddict-item]
            for number in range(120)
        ]
        self.now = time.time()

    def check(self, name: str) -> CheckResult:
        """Perform one check."""
        return perform(next(check for check in health_checks(self.deployment) if check[0] == name))

    def log(self, seconds_ago: float, event: str, command: str, message: str = DAMAGED) -> None:
        """Log a message of the registrar about a command."""
        self.logs.say(REGISTRAR, self.now - seconds_ago, message=message, event_id=event, command_id=command)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> SoundDeployment:
    """A sound deployment, on which no check pauses."""
    monkeypatch.setattr(health, "PAUSE", 0.0)
    return SoundDeployment()


def test_a_sound_deployment_passes(fake: SoundDeployment) -> None:
    """Empty queues, sound ledgers, events that move, and alarms that are not in alarm pass."""
    dead_letters = DeadLetters(fake.deployment)
    checks = [*dead_letters.checks_before(), dead_letters.check_after(), *health_checks(fake.deployment)]
    names = ["dead letters", "failed promotions", "dead letters afterwards", "ledgers", "stuck events", "alarms"]
    assert {name: perform((name, action)).verdict for name, action in checks} == dict.fromkeys(names, OK)


def test_messages_that_need_an_operator_are_warnings(fake: SoundDeployment) -> None:
    """Dead letters, received ones included, and failed promotions are counted, with the command for them."""
    fake.sqs.depths[OUTPUTS.dead_letter_queue_url] = (25, 4)
    [dead, promotions] = map(perform, DeadLetters(fake.deployment).checks_before())
    assert (dead.verdict, dead.ok, promotions.verdict) == (WARNING, False, OK)
    assert dead.detail == "29 messages are in the dead-letter queue; their requests have not been carried out"
    assert dead.todo.startswith("turnstile dlq list --stage local")
    fake.sqs.depths[OUTPUTS.failed_promotions_queue_url] = (1, 0)
    [_, promotions] = map(perform, DeadLetters(fake.deployment).checks_before())
    assert (promotions.verdict, promotions.todo.split(",")[0]) == (WARNING, "turnstile promote --stage local")


@pytest.mark.parametrize(("after", "verdict"), [(3, OK), (4, FAILED)])
def test_a_new_dead_letter_is_a_failure(fake: SoundDeployment, after: int, verdict: CheckVerdict) -> None:
    """A dead letter that arrives during the run is a failure; old ones are a warning."""
    dead_letters = DeadLetters(fake.deployment)
    fake.sqs.depths[OUTPUTS.dead_letter_queue_url] = (3, 0)
    perform(dead_letters.checks_before()[0])
    fake.sqs.depths[OUTPUTS.dead_letter_queue_url] = (after, 0)
    assert perform(dead_letters.check_after()).verdict == verdict


@pytest.mark.parametrize(
    ("number", "detail"),
    [(1, "the ledgers of torn-0 cannot be read"), (7, "torn-0, torn-1, torn-2, torn-3, torn-4 and 2 more cannot be")],
)
def test_unreadable_ledgers_are_a_warning(fake: SoundDeployment, number: int, detail: str) -> None:
    """Up to five events are named, with the command that repairs them."""
    fake.dynamodb.ledgers += [{"eventId": {"S": f"torn-{index}"}} for index in range(number)]
    result = fake.check("ledgers")
    assert (result.verdict, detail in result.detail) == (WARNING, True)
    assert result.todo.startswith("turnstile reconcile torn-0 --repair --stage local")


@pytest.mark.parametrize(
    ("seconds", "status", "verdict"),
    [(5, EventStatus.ACTIVE, OK), (90, EventStatus.ACTIVE, WARNING), (90, EventStatus.CANCELLED, OK)],
)
def test_a_seat_that_stays_free(
    fake: SoundDeployment, seconds: float, status: EventStatus, verdict: CheckVerdict
) -> None:
    """A promotion may take a minute; at a cancelled event there is none."""
    since = int((time.time() - seconds) * 1e6)
    ledger = ledger_of("slow", seats(2, None, status), 1, waiting=3)
    fake.dynamodb.put(dataclasses.replace(ledger, free_since=since))
    assert fake.check("ledgers").verdict == verdict


def test_a_partial_scan_is_reported(fake: SoundDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """With more ledgers than it reads, the check says so."""
    monkeypatch.setattr(ledgers, "MAX_LEDGERS", 1)
    assert fake.check("ledgers").detail.startswith("only the first 1 were read")


def test_a_stuck_event_is_a_warning(fake: SoundDeployment) -> None:
    """It is named, with how often its first undecided command was returned, since when, and why. Events whose command
    was decided or parked, or returned long ago, are not."""
    for ago in (700, 400, 100):
        fake.log(ago, "torn", "c1")
    for event, command, message in (("late", "c2", "decided"), ("poison", "c3", PARKED)):
        fake.log(300, event, command, TRIED)
        fake.log(200, event, command, message)
    fake.log(3000, "gone", "c4")
    result = fake.check("stuck events")
    assert result.verdict is WARNING
    assert result.detail.startswith("torn (its command was returned to the queue 3 times since 20")
    assert result.detail.endswith(f"last reason: {DAMAGED})")
    assert result.todo == "docs/runbook.md#stuck-event says what each reason means"


def test_an_undecodable_message_stops_its_event(fake: SoundDeployment) -> None:
    """A message without a command belongs to the event of its group, and is done with when it is parked."""
    for ago, group, message_id, message in (
        (500, "torn", "m-1", "a message could not be parked"),
        (200, "torn", "m-1", "a message could not be parked"),
        (400, "mended", "m-2", "a message could not be parked"),
        (300, "mended", "m-2", PARKED),
    ):
        fake.logs.say(REGISTRAR, fake.now - ago, message=message, group=group, message_id=message_id)
    result = fake.check("stuck events")
    assert result.verdict is WARNING
    assert result.detail.startswith("torn (its command was returned to the queue 2 times since 20")
    assert "mended" not in result.detail


def test_only_the_last_command_counts(fake: SoundDeployment) -> None:
    """An earlier command of the event that was decided does not stand for the one that is returned now."""
    fake.log(300, "torn", "c1", TRIED)
    fake.log(290, "torn", "c1", "decided")
    fake.log(100, "torn", "c2", TRIED)
    assert fake.check("stuck events").detail.startswith("torn (its command was returned to the queue 1 times")


def test_a_decision_during_the_check_is_no_warning(fake: SoundDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event whose command is decided a moment later is not stuck."""
    fake.log(1, "late", "c1", TRIED)
    decide = lambda _seconds: fake.log(0, "late", "c1", "decided")  # noqa: E731 - it stands for time.sleep
    monkeypatch.setattr("infra.cli.verify.health.time.sleep", decide)
    assert fake.check("stuck events").ok


def test_the_messages_are_the_registrars() -> None:
    """Each message that the check searches for is one that the workers log, word for word."""
    written = "".join(path.read_text() for path in Path("workers").rglob("*.py"))
    assert [line for line in (*GIVEN_BACK, *DECIDED) if f'"{line}"' not in written] == []


def test_an_alarm_is_a_warning(fake: SoundDeployment) -> None:
    """All alarms of the stack are read, a hundred at a time. Those in alarm are named; those without data, counted."""
    assert fake.check("alarms").detail == "none of 120 is in alarm; 1 have no data yet"
    fake.cloudwatch.ringing = {"alarm-7", "alarm-119", "somebody-elses"}
    result = fake.check("alarms")
    assert (result.verdict, result.detail) == (WARNING, "in alarm: alarm-119, alarm-7")
    assert fake.cloudwatch.alarms_asked == [100, 20] * 2
