"""`turnstile trace` against a made-up deployment: the story of one registration, from its record and the logs."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.cli.deployment import Deployment
from infra.cli.function_logs import REGISTRAR, REGISTRATIONS
from infra.cli.main import main
from infra.cli.trace.timeline import describe_status
from tests.support.builders import seats
from tests.support.deployment import FakeLogs, deployment_of
from workers.aws.items import ledger_to_item, microseconds, registration_to_item
from workers.domain.records import Ledger, Registration, Status, registration_id
from workers.domain.seat_settings import EventStatus
from workers.domain.waitlist import Waitlist

NOON = microseconds("2026-11-22T12:00:00Z")
ADA = registration_id("pycon", "ada")
BOB = registration_id("pycon", "bob")


class FakeDynamoDB:
    """Items by table and key, read with strong consistency."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], dict[str, Any]] = {}

    def keep(self, *records: Registration | Ledger) -> None:
        """Stores them."""
        for record in records:
            if isinstance(record, Ledger):
                self.items["ledger", record.event_id] = ledger_to_item(record)
            else:
                self.items["registrations", record.registration_id] = registration_to_item(record)

    def get_item(self, TableName: str, Key: dict[str, Any], *, ConsistentRead: bool) -> dict[str, Any]:  # noqa: N803
        """One item, if there is one."""
        assert ConsistentRead
        ((_, value),) = Key.items()
        item = self.items.get((TableName, value["S"]))
        return {} if item is None else {"Item": item}


@pytest.fixture
def logs() -> FakeLogs:
    """What the functions logged."""
    return FakeLogs()


@pytest.fixture
def dynamodb() -> FakeDynamoDB:
    """The tables."""
    return FakeDynamoDB()


@pytest.fixture(autouse=True)
def deployment(logs: FakeLogs, dynamodb: FakeDynamoDB, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are parts of the deployment that `turnstile` finds."""
    monkeypatch.setattr(Deployment, "resolve", lambda _stage: deployment_of(logs, dynamodb=dynamodb))


def ago(seconds: float) -> float:
    """A time in seconds since 1970."""
    return time.time() - seconds


def registration(status: Status = Status.WAITLISTED, **fields: Any) -> Registration:
    """Ada's registration."""
    return Registration("pycon", "ada", status, generation=1, version=1, registered_at=NOON, **fields)


def ledger(capacity: int = 1, confirmed: int = 1, status: EventStatus = EventStatus.ACTIVE) -> Ledger:
    """A ledger where tickets 1, 2 and 4 wait."""
    return Ledger(
        "pycon", seats(capacity, True, status), 1, confirmed=confirmed, next_ticket=5, waitlist=Waitlist(1, 0b1011)
    )


def brief(confirmed: int, waiting: int) -> dict[str, Any]:
    """A ledger as the log has it."""
    return {"version": 1, "capacity": 1, "confirmed": confirmed, "waiting": waiting, "status": "active"}


def decided(command: str, outcome: str, reason: str, **fields: Any) -> dict[str, Any]:
    """The fields of a decision about Ada."""
    ledgers = {"ledger_before": brief(1, 0), "ledger_after": brief(1, 1)}
    names = {"command": command, "command_id": command, "event_id": "pycon", "registration_id": ADA, "latency_ms": 34.2}
    return {"message": "decided", **names, "outcome": outcome, "reason": reason, "receives": 1, **ledgers, **fields}


def about(command: str) -> dict[str, Any]:
    """The fields of a line about a command of Ada's."""
    return {"command": command, "command_id": command, "event_id": "pycon", "registration_id": ADA, "generation": 1}


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """What `turnstile trace --json` prints."""
    assert main(["trace", *arguments, "--json"]) == 0
    story: dict[str, Any] = json.loads(capsys.readouterr().out)
    return story


def test_the_whole_story(logs: FakeLogs, dynamodb: FakeDynamoDB, capsys: pytest.CaptureFixture[str]) -> None:
    """Accepted, answered, dead-lettered, replayed, decided, promoted, cancelled: in the order in which it happened."""
    dynamodb.keep(registration(Status.CANCELLED), ledger())
    logs.say(REGISTRATIONS, ago(900), message="accepted", request_id="r1", **about("Register"))
    logs.say(REGISTRATIONS, ago(899), message="answered pending", registration_id=ADA, event_id="pycon")
    logs.say(REGISTRATIONS, ago(100), message="accepted", **about("Cancel"))
    parked = {"reason": "failed: KeyError while deciding Register", "dead_letter_id": "d1", "receives": 3}
    message = "a message was parked in the dead-letter queue"
    logs.say(REGISTRAR, ago(898), message="a command waits for another try", reason="oh", **about("Register"))
    logs.say(REGISTRAR, ago(890), message=message, **about("Register"), **parked)
    logs.say(REGISTRAR, ago(500), **decided("Register", "waitlisted", "joined-waitlist", replay_of="d1"))
    logs.say(
        REGISTRAR,
        ago(300),
        message="promoted",
        registration_id=ADA,
        waited_ms=1234.0,
        ledger_before=brief(0, 1),
        ledger_after=brief(1, 0),
    )
    logs.say(REGISTRAR, ago(99), **decided("Cancel", "cancelled", "gave-up-seat"))
    story = told(capsys, ADA)["story"]
    assert [(entry["what"], entry["details"]) for entry in story] == [
        ("accepted", "Register of generation 1, sent to the queue"),
        ("answered", "202: not decided within the time that the client waited"),
        ("noted", "a command waits for another try: oh"),
        ("dead-lettered", "Register: failed: KeyError while deciding Register (turnstile dlq show d1)"),
        ("replayed", "Register, from dead letter d1"),
        ("decided", "Register: waitlisted (joined-waitlist), 34 ms after it was accepted; seats 1/1, waiting 0 -> 1"),
        ("promoted", "1.2 s after a seat became free; seats 0/1 -> 1/1, waiting 1 -> 0"),
        ("accepted", "Cancel of generation 1, sent to the queue"),
        ("cancelled", "Cancel: cancelled (gave-up-seat), 34 ms after it was accepted; seats 1/1, waiting 0 -> 1"),
    ]
    assert (story[0]["requestId"], story[0]["commandId"]) == ("r1", "Register")
    assert story[5]["log"]["ledger_after"]["waiting"] == 1


def test_acceptance_comes_before_the_decision(logs: FakeLogs, capsys: pytest.CaptureFixture[str]) -> None:
    """The API logs that it accepted a command when SQS has it; a registrar that was faster does not turn the story."""
    logs.say(REGISTRATIONS, ago(9.95), message="accepted", **about("Register"))
    logs.say(REGISTRAR, ago(10), **decided("Register", "confirmed", "seat-given"))
    assert [entry["what"] for entry in told(capsys, ADA)["story"]] == ["accepted", "decided"]


def test_nobody_elses_lines(logs: FakeLogs, capsys: pytest.CaptureFixture[str]) -> None:
    """A line that only mentions the registration, or is no JSON, is not part of its story; nor is an older one."""
    logs.say(REGISTRAR, ago(10), **decided("Register", "confirmed", "seat-given"))
    logs.say(REGISTRAR, ago(9), message="decided", registration_id=BOB, note=ADA)
    logs.lines[REGISTRAR].append((round(ago(8) * 1000), f"Traceback: KeyError {ADA}"))
    logs.say(REGISTRAR, ago(3 * 3600), **decided("Register", "superseded", "stale-generation"))
    assert len(told(capsys, ADA, "--since", "2h")["story"]) == 1
    assert len(told(capsys, ADA, "--since", "4h")["story"]) == 2


def test_a_waiter_sees_her_place(dynamodb: FakeDynamoDB, capsys: pytest.CaptureFixture[str]) -> None:
    """By event and user: the record, the place in the line as the ledger has it now, and a hint that logs expire."""
    dynamodb.keep(registration(ticket=4), ledger())
    assert main(["trace", "pycon", "ada"]) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[:4] == [
        ADA,
        "  ada at pycon, generation 1",
        "  registered at 2026-11-22T12:00:00.000000Z",
        "  now waitlisted: 3rd on the waiting list, 0 seats free",
    ]
    assert "The logs since 7d have no line about it. They may have expired" in text
    story = told(capsys, "pycon", "ada")
    record = story["registration"]
    assert (record["status"], record["waitlistPosition"], record["freeSeats"]) == ("waitlisted", 3, 0)
    assert (record["eventId"], record["userId"], story["registrationId"]) == ("pycon", "ada", ADA)


@pytest.mark.parametrize(
    ("record", "event", "words"),
    [
        (
            registration(ticket=1),
            ledger(2),
            "1st on the waiting list, 1 seat free; a promotion is due (if it does not come: turnstile promote",
        ),
        (
            registration(ticket=2),
            ledger(9, 1, EventStatus.CANCELLED),
            "2nd on the waiting list, 8 seats free; the event is cancelled",
        ),
        (registration(ticket=3), ledger(), "waitlisted: its ticket is missing from the ledger"),
        (registration(ticket=3), None, "waitlisted: its ticket is missing from the ledger"),
        (registration(Status.PENDING), ledger(), "pending: its Register is in the queue or in the dead-letter queue"),
        (registration(Status.PENDING, cancelling=True), None, "pending: its Cancel is in the queue"),
        (registration(Status.REJECTED, code="event-full"), ledger(), "rejected (event-full)"),
        (registration(Status.REJECTED, code="discarded", note="a test"), ledger(), "rejected (discarded: a test)"),
        (registration(Status.CONFIRMED), ledger(), "confirmed"),
        (None, None, "no record: nothing has been decided yet"),
    ],
)
def test_where_it_stands(record: Registration | None, event: Ledger | None, words: str) -> None:
    """What a registration waits for is said in words, whatever its status."""
    assert words in describe_status(record, event)


@pytest.mark.parametrize(("place", "word"), [(1, "1st"), (2, "2nd"), (11, "11th"), (23, "23rd"), (112, "112th")])
def test_places_are_ordinals(place: int, word: str) -> None:
    """Places in the line are said as people say them."""
    line = Ledger("pycon", seats(1, True), 1, confirmed=1, waitlist=Waitlist(1, (1 << 200) - 1))
    assert f"waitlisted: {word} on the waiting list" in describe_status(registration(ticket=place), line)


def test_queued_and_not_decided_yet(logs: FakeLogs, capsys: pytest.CaptureFixture[str]) -> None:
    """A command that was accepted, but has no record yet, has a story all the same."""
    logs.say(REGISTRATIONS, ago(5), message="accepted", **about("Register"))
    story = told(capsys, ADA)
    assert story["registration"] is None
    assert [entry["what"] for entry in story["story"]] == ["accepted"]


def test_nothing_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    """Without record and lines there is no such registration: a sentence, and exit code 1."""
    assert main(["trace", "pycon", "ada"]) == 1
    sentence = f"there is no registration ada at pycon ({ADA}), and no log line about it since 7d"
    assert capsys.readouterr().err == f"turnstile: {sentence}\n"


def test_what_aws_refuses_is_one_sentence(logs: FakeLogs, capsys: pytest.CaptureFixture[str]) -> None:
    """A refusal of AWS is a sentence and exit code 1, not a traceback."""
    logs.fault = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "FilterLogEvents")
    assert main(["trace", ADA]) == 1
    assert capsys.readouterr().err.startswith(
        f"turnstile: cannot read the history of {ADA}: An error occurred (AccessDen"
    )


def test_a_damaged_record_hides_no_story(
    dynamodb: FakeDynamoDB, logs: FakeLogs, capsys: pytest.CaptureFixture[str]
) -> None:
    """A record that cannot be read is named with what is wrong with it; what the logs know is told all the same."""
    dynamodb.keep(registration(ticket=1))
    del dynamodb.items["registrations", ADA]["generation"]
    logs.say(REGISTRAR, time.time(), message="decided", registration_id=ADA, command="Register", outcome="waitlisted")
    assert main(["trace", ADA]) == 1
    told = capsys.readouterr().out
    assert "now unknown: its record cannot be read (KeyError('generation'))" in told
    assert "Register: waitlisted" in told


def test_what_is_noted_says_why(logs: FakeLogs, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a line about trouble the cause is told: what the exception said last."""
    fault = "Traceback ...\n  File ...\nbotocore.exceptions.ClientError: AccessDeniedException"
    line = {"message": "the event's commands will be tried again", "registration_id": ADA, "exception": fault}
    logs.say(REGISTRAR, time.time(), **line)
    assert main(["trace", ADA]) == 0
    assert "tried again: botocore.exceptions.ClientError: AccessDeniedException" in capsys.readouterr().out


def test_a_record_that_somebody_deleted(logs: FakeLogs, capsys: pytest.CaptureFixture[str]) -> None:
    """Decided in the logs, but there is no record: nobody claims that nothing has been decided yet."""
    logs.say(REGISTRAR, time.time(), message="decided", registration_id=ADA, command="Register", outcome="confirmed")
    assert main(["trace", ADA]) == 0
    assert "now its record no longer exists: someone deleted it" in capsys.readouterr().out


def test_no_terminal_obeys_what_an_id_says(dynamodb: FakeDynamoDB, capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters in old ids do not reach the terminal."""
    dynamodb.keep(Registration("py\x1b[2Jcon", "ada", Status.CONFIRMED, 1, 1, NOON))
    assert main(["trace", "py\x1b[2Jcon", "ada"]) == 0
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["pycon"], "pycon is not a registration id"),
        ([ADA.lower()], "is not a registration id"),
        ([ADA + "A"], "is not a registration id"),
        ([ADA, "--since", "soon"], "--since soon is not valid: use 30m"),
        ([ADA, "--since", "7w"], "--since 7w is not valid: use 30m"),
        ([ADA, "--since", "999999d"], "--since 999999d is before 1970"),
        ([ADA, "--since", "1969-12-31"], "--since 1969-12-31 is before 1970"),
    ],
)
def test_wrong_usage(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is not a registration id, or no time, is wrong usage; the sentence shows how it is meant."""
    assert main(["trace", *arguments]) == 2
    assert complaint in capsys.readouterr().err


def test_since_takes_a_time(logs: FakeLogs, capsys: pytest.CaptureFixture[str]) -> None:
    """`--since` takes a moment as well, in UTC unless it says otherwise."""
    logs.say(REGISTRAR, NOON / 1e6, **decided("Register", "confirmed", "seat-given"))
    for moment in ("2026-11-22T12:00:00", "2026-11-22T13:00:00+01:00"):
        assert len(told(capsys, ADA, "--since", moment)["story"]) == 1
    assert main(["trace", ADA, "--since", "2026-11-22T12:00:01Z"]) == 1
