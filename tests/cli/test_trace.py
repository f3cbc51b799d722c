"""`turnstile trace` on a fake deployment: the history of one registration, from its record and the logs."""

from __future__ import annotations

import time
from typing import Any

import pytest

from infra.cli.deployment import Deployment
from infra.cli.function_logs import REGISTRAR, REGISTRATIONS
from infra.cli.hints import suggest
from infra.cli.trace.timeline import describe_status
from tests.cli.command import Turnstile
from tests.cli.fakes import FakeDeployment
from tests.support.builders import seats
from workers.aws.items import microseconds
from workers.domain.records import Ledger, Registration, Status, registration_id
from workers.domain.seat_settings import EventStatus
from workers.domain.waitlist import Waitlist

NOON = microseconds("2026-11-22T12:00:00Z")
ADA, BOB = registration_id("pycon", "ada"), registration_id("pycon", "bob")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    """The deployment that `turnstile` finds."""
    fake = FakeDeployment()
    monkeypatch.setattr(Deployment, "resolve", lambda _stage: fake.deployment)
    return fake


def ago(seconds: float) -> float:
    """Return a time in seconds since 1970."""
    return time.time() - seconds


def registration(status: Status = Status.WAITLISTED, **fields: Any) -> Registration:
    """Build Ada's registration."""
    return Registration("pycon", "ada", status, generation=1, version=1, registered_at=NOON, **fields)


def ledger(
    capacity: int = 1, confirmed: int = 1, status: EventStatus = EventStatus.ACTIVE, waiting: int = 0b1011
) -> Ledger:
    """Build a ledger; by default tickets 1, 2 and 4 wait."""
    settings, waitlist = seats(capacity, True, status), Waitlist(1, waiting)
    return Ledger("pycon", settings, 1, confirmed=confirmed, next_ticket=5, waitlist=waitlist)


def brief(confirmed: int, waiting: int) -> dict[str, Any]:
    """Return a ledger as the log has it."""
    return {"version": 1, "capacity": 1, "confirmed": confirmed, "waiting": waiting, "status": "active"}


def about(command: str) -> dict[str, Any]:
    """Return the fields of a log line about a command of Ada's."""
    return {"command": command, "command_id": command, "event_id": "pycon", "registration_id": ADA, "generation": 1}


def decided(command: str, outcome: str, reason: str, **fields: Any) -> dict[str, Any]:
    """Return the fields of a decision about Ada."""
    ledgers = {"ledger_before": brief(1, 0), "ledger_after": brief(1, 1)}
    decision = {"message": "decided", "latency_ms": 34.2, "outcome": outcome, "reason": reason, "receives": 1}
    return about(command) | decision | ledgers | fields


def test_the_whole_history(fake: FakeDeployment, turnstile: Turnstile) -> None:
    """Accepted, answered, dead-lettered, replayed, decided, promoted, cancelled: in chronological order."""
    fake.dynamodb.put(registration(Status.CANCELLED))
    fake.dynamodb.put(ledger())
    say = fake.logs.say
    say(REGISTRATIONS, ago(900), message="accepted", request_id="r1", **about("Register"))
    say(REGISTRATIONS, ago(899), message="answered pending", registration_id=ADA, event_id="pycon")
    say(REGISTRATIONS, ago(100), message="accepted", **about("Cancel"))
    say(REGISTRAR, ago(898), message="a command waits for another try", reason="oh", **about("Register"))
    parked = {"reason": "failed: KeyError while deciding Register", "dead_letter_id": "d1", "receives": 3}
    say(REGISTRAR, ago(890), message="a message was parked in the dead-letter queue", **about("Register"), **parked)
    say(REGISTRAR, ago(500), **decided("Register", "waitlisted", "joined-waitlist", replay_of="d1"))
    ledgers = {"ledger_before": brief(0, 1), "ledger_after": brief(1, 0)}
    say(REGISTRAR, ago(300), message="promoted", registration_id=ADA, waited_ms=1234.0, **ledgers)
    say(REGISTRAR, ago(99), **decided("Cancel", "cancelled", "gave-up-seat"))
    story = turnstile("trace", ADA, "--json").json["story"]
    assert [(entry["what"], entry["details"]) for entry in story] == [
        ("accepted", "Register of generation 1, sent to the queue"),
        ("answered", "202: not decided within the time that the client waited"),
        ("noted", "a command waits for another try: oh"),
        ("dead-lettered", f"Register: failed: KeyError while deciding Register ({suggest('dlq show d1')})"),
        ("replayed", "Register, from dead letter d1"),
        ("decided", "Register: waitlisted (joined-waitlist), 34 ms after it was accepted; seats 1/1, waiting 0 -> 1"),
        ("promoted", "1.2 s after a seat became free; seats 0/1 -> 1/1, waiting 1 -> 0"),
        ("accepted", "Cancel of generation 1, sent to the queue"),
        ("cancelled", "Cancel: cancelled (gave-up-seat), 34 ms after it was accepted; seats 1/1, waiting 0 -> 1"),
    ]
    assert (story[0]["requestId"], story[0]["commandId"]) == ("r1", "Register")
    assert story[5]["log"]["ledger_after"]["waiting"] == 1


def test_acceptance_comes_before_the_decision(fake: FakeDeployment, turnstile: Turnstile) -> None:
    """The API logs `accepted` after SQS has the command; a faster registrar does not reverse the order."""
    fake.logs.say(REGISTRATIONS, ago(9.95), message="accepted", **about("Register"))
    fake.logs.say(REGISTRAR, ago(10), **decided("Register", "confirmed", "seat-given"))
    found = turnstile("trace", ADA, "--json").json
    assert found["registration"] is None
    assert [entry["what"] for entry in found["story"]] == ["accepted", "decided"]


def test_only_its_own_lines_since_then(fake: FakeDeployment, turnstile: Turnstile) -> None:
    """A line that only mentions the registration, or is not JSON, is left out; so is one before `--since`."""
    fake.logs.say(REGISTRAR, ago(10), **decided("Register", "confirmed", "seat-given"))
    fake.logs.say(REGISTRAR, ago(9), message="decided", registration_id=BOB, note=ADA)
    fake.logs.lines[REGISTRAR].append((round(ago(8) * 1000), f"Traceback: KeyError {ADA}"))
    fake.logs.say(REGISTRAR, ago(3 * 3600), **decided("Register", "superseded", "stale-generation"))
    for since, number in (("2h", 1), ("4h", 2)):
        assert len(turnstile("trace", ADA, "--since", since, "--json").json["story"]) == number


@pytest.mark.parametrize(
    ("moment", "code"), [("2026-11-22T12:00:00", 0), ("2026-11-22T13:00:00+01:00", 0), ("2026-11-22T12:00:01Z", 1)]
)
def test_since_takes_a_time(fake: FakeDeployment, turnstile: Turnstile, moment: str, code: int) -> None:
    """`--since` takes a time as well, in UTC unless it has an offset."""
    fake.logs.say(REGISTRAR, NOON / 1e6, **decided("Register", "confirmed", "seat-given"))
    assert turnstile("trace", ADA, "--since", moment).code == code


def test_by_event_and_user(fake: FakeDeployment, turnstile: Turnstile) -> None:
    """The registration is found by event and user, with its position, and a hint that logs expire."""
    fake.dynamodb.put(registration(ticket=4))
    fake.dynamodb.put(ledger())
    assert turnstile("trace", "pycon", "ada").lines == [
        ADA,
        "  ada at pycon, generation 1",
        "  registered at 2026-11-22T12:00:00.000000Z",
        "  now waitlisted: 3rd on the waiting list, 0 seats free",
        "",
        "The logs since 7d do not mention it. They may have expired; --since 30d searches further back.",
    ]
    found = turnstile("trace", "pycon", "ada", "--json").json
    expected = {"eventId": "pycon", "userId": "ada", "status": "waitlisted", "waitlistPosition": 3, "freeSeats": 0}
    assert found["registration"].items() >= expected.items()
    assert found["registrationId"] == ADA


@pytest.mark.parametrize(
    ("record", "event", "words"),
    [
        (registration(ticket=1), ledger(2), "1st on the waiting list, 1 seat free; a promotion is due (if it does"),
        (registration(ticket=2), ledger(9, 1, EventStatus.CANCELLED), "8 seats free; the event is cancelled"),
        (registration(ticket=3), ledger(), "waitlisted: its ticket is missing from the ledger"),
        (registration(ticket=3), None, "waitlisted: its ticket is missing from the ledger"),
        (registration(Status.PENDING), ledger(), "pending: its Register is in the queue or in the dead-letter queue"),
        (registration(Status.PENDING, cancelling=True), None, "pending: its Cancel is in the queue"),
        (registration(Status.REJECTED, code="event-full"), ledger(), "rejected (event-full)"),
        (registration(Status.REJECTED, code="discarded", note="a test"), ledger(), "rejected (discarded: a test)"),
        (registration(Status.CONFIRMED), ledger(), "confirmed"),
        (None, None, "no record: nothing has been decided yet"),
        *(
            (registration(ticket=place), ledger(waiting=(1 << 200) - 1), f"waitlisted: {word} on the waiting list")
            for place, word in ((1, "1st"), (2, "2nd"), (11, "11th"), (23, "23rd"), (112, "112th"))
        ),
    ],
)
def test_every_status_is_explained(record: Registration | None, event: Ledger | None, words: str) -> None:
    """The current state, and what the registration waits for, is described, whatever its status."""
    assert words in describe_status(record, event)


def test_an_unknown_registration(fake: FakeDeployment, turnstile: Turnstile) -> None:
    """Without a record and log lines there is one sentence, and exit code 1."""
    sentence = f"there is no registration ada at pycon ({ADA}), and no log line about it since 7d"
    assert turnstile("trace", "pycon", "ada") == (1, "", f"turnstile: {sentence}\n")
    assert fake.dynamodb.registrations == []


def test_an_event_may_be_called_like_a_registration(fake: FakeDeployment, turnstile: Turnstile) -> None:
    """An event whose id begins with `reg_` has a story; when there is none, the form of a registration id is told."""
    fake.logs.say(REGISTRAR, ago(60), message="decided", event_id="reg_summer", registration_id=ADA, level="INFO")
    assert "reg_summer" in turnstile("trace", "reg_summer").out
    sentence = "no log line about it (a registration id is reg_ and 26 of A-Z, 2-7)"
    code, _, err = turnstile("trace", ADA.lower())
    assert (code, sentence in err) == (1, True)


def test_a_damaged_record_does_not_hide_its_history(fake: FakeDeployment, turnstile: Turnstile) -> None:
    """An unreadable record is reported with the reason, along with what the logs know."""
    fake.dynamodb.put(registration(ticket=1))
    del fake.dynamodb.registrations[0]["generation"]
    fake.logs.say(REGISTRAR, ago(0), message="decided", registration_id=ADA, command="Register", outcome="waitlisted")
    code, out, _ = turnstile("trace", ADA)
    assert code == 1
    assert "now unknown: its record cannot be read (generation is missing)" in out
    assert "Register: waitlisted" in out


FAULT = "Traceback ...\n  File ...\nbotocore.exceptions.ClientError: AccessDeniedException"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            {"message": "the event's commands will be tried again", "exception": FAULT},
            "tried again: botocore.exceptions.ClientError: AccessDeniedException",
        ),
        (
            {"message": "decided", "command": "Register", "outcome": "confirmed"},
            "now its record no longer exists: someone deleted it",
        ),
    ],
)
def test_without_a_record(fake: FakeDeployment, turnstile: Turnstile, line: dict[str, str], words: str) -> None:
    """The last line of an exception is shown; a decision without a record means that the record was deleted."""
    fake.logs.say(REGISTRAR, ago(0), registration_id=ADA, **line)
    code, out, _ = turnstile("trace", ADA)
    assert (code, words in out) == (0, True)


def test_no_terminal_obeys_an_id(fake: FakeDeployment, turnstile: Turnstile) -> None:
    """Control characters in old ids do not reach the terminal."""
    fake.dynamodb.put(Registration("py\x1b[2Jcon", "ada", Status.CONFIRMED, 1, 1, NOON))
    code, out, _ = turnstile("trace", "py\x1b[2Jcon", "ada")
    assert (code, "\x1b" in out) == (0, False)


def test_the_history_of_an_event(fake: FakeDeployment, turnstile: Turnstile) -> None:
    """With an event alone, its seats now and every log line about it are shown, each with its registration."""
    fake.dynamodb.put(ledger())
    fake.logs.say(REGISTRAR, ago(20), **decided("Register", "waitlisted", "joined-waitlist"))
    fake.logs.say(REGISTRAR, ago(10), **decided("Register", "waitlisted", "joined-waitlist", event_id="pycon-2"))
    out = turnstile("trace", "pycon").lines
    assert out[:2] == ["pycon", "  now active: 1 of 1 seats taken, 3 waiting"]
    assert (len(out), "decided" in out[3], ADA in out[3]) == (4, True, True)
    found = turnstile("trace", "pycon", "--json").json
    assert (found["eventId"], found["story"][0]["log"]["registration_id"]) == ("pycon", ADA)
    assert turnstile("trace", "nowhere").code == 1
