"""`turnstile top` against a made-up deployment: what the board says, and how it is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from infra.cli import ledgers
from infra.cli.deployment import Deployment
from infra.cli.function_logs import REGISTRAR, REGISTRATIONS
from infra.cli.main import main
from infra.cli.top import snapshot
from tests.cli.board import NOW, World
from tests.support.builders import ledger_of, seats
from workers.aws.items import ledger_to_item
from workers.domain.seat_settings import EventStatus

COUNTS = {"confirmed": 0, "waitlisted": 0, "rejected": 0, "promoted": 0, "cancelled": 0, "superseded": 0}


def test_queues_are_counted() -> None:
    """Messages visible and in flight come from the queue itself; a dead letter that somebody looks at is one still."""
    said = World().look()
    assert said["queue"] == {"visible": 7, "inFlight": 3, "oldestSeconds": None, "groupsInFlight": None}
    assert (said["deadLetters"], said["failedPromotions"]) == (2, 0)
    assert said["problems"] == []


def test_age_and_groups_come_from_cloudwatch() -> None:
    """On AWS the newest values of the queue's own metrics are shown; where there are none, as locally, null."""
    world = World()
    world.cloudwatch.values = {
        "ApproximateAgeOfOldestMessage": [42.0, 7.0],
        "ApproximateNumberOfGroupsWithInflightMessages": [2.0, 9.0],
    }
    queue = world.look()["queue"]
    assert (queue["oldestSeconds"], queue["groupsInFlight"]) == (42.0, 2.0)
    assert world.cloudwatch.dimensions == [("QueueName", "commands.fifo")] * 2


def test_decisions_of_the_last_minute_are_added_up() -> None:
    """Outcomes are summed over the registrar's metrics of the last 60 s, rejections over their reasons."""
    world = World()
    world.logs.measure(REGISTRAR, NOW - 61, Confirmed=[100.0], DecisionLatency=[9999.0])
    world.logs.measure(REGISTRAR, NOW - 59, Confirmed=[3.0], DecisionLatency=[10.0, 20.0, 30.0])
    world.logs.measure(REGISTRAR, NOW - 1, Confirmed=[2.0], Promoted=[1.0], DecisionLatency=[40.0, 50.0])
    world.logs.measure(REGISTRAR, NOW - 1, Rejected=[4.0], reason="event-full")
    world.logs.measure(REGISTRAR, NOW - 1, Rejected=[2.0], reason="waitlist-full")
    world.logs.say(REGISTRAR, NOW - 1, message="decided")
    world.logs.measure(REGISTRATIONS, NOW - 1, Rejected=[5.0], reason="event-full")  # refused at the door
    decisions = world.look()["decisions"]
    assert decisions["counts"] == COUNTS | {"confirmed": 5, "promoted": 1, "rejected": 11}
    assert decisions["perSecond"]["rejected"] == pytest.approx(11 / 60, abs=0.01)
    assert decisions["latencyMs"] == {"p50": 30.0, "p90": 50.0}


def test_no_decisions() -> None:
    """Without decisions there are zeros, and no latency."""
    decisions = World().look()["decisions"]
    assert decisions["counts"] == COUNTS
    assert decisions["latencyMs"] == {"p50": None, "p90": None}


def test_more_decisions_than_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading ends after some pages of the log, and the board says that its figures are a part."""
    monkeypatch.setattr(snapshot, "_MAX_PAGES", 3)
    world = World()
    for _ in range(5):
        world.logs.measure(REGISTRAR, NOW - 1, Confirmed=[1.0])
    said = world.look()
    assert said["decisions"]["counts"]["confirmed"] == 2
    assert said["problems"] == ["decisions: too many log lines to read in time; the figures are incomplete"]


def test_the_fullest_events_come_first() -> None:
    """The longest line first, then the fewest seats left; a cancelled event last, whatever its line."""
    world = World(
        ledger_of("empty", seats(10), 0),
        ledger_of("half", seats(10), 5),
        ledger_of("dead", seats(1, True, EventStatus.CANCELLED), 1, 50),
        ledger_of("full", seats(10), 10),
        ledger_of("long", seats(5, 20), 5, 7),
    )
    said = world.look()
    assert [event["eventId"] for event in said["events"]] == ["long", "full", "half", "empty", "dead"]
    long = {
        "confirmed": 5,
        "capacity": 5,
        "waiting": 7,
        "hasWaitlist": True,
        "waitlistCapacity": 20,
        "status": "active",
    }
    assert said["events"][0] == {"eventId": "long", **long}
    assert (said["eventsRead"], said["eventsComplete"]) == (5, True)


def test_the_scan_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """With more ledgers than are read at once, it shows the fullest of those and says that there are more."""
    monkeypatch.setattr(ledgers, "MAX_LEDGERS", 3)
    world = World(*(ledger_of(f"e{number}", seats(10), number) for number in range(5)))
    said = world.look()
    assert [event["eventId"] for event in said["events"]] == ["e2", "e1", "e0"]
    assert (said["eventsRead"], said["eventsComplete"]) == (3, False)
    assert world.dynamodb.scans == 2


def test_ledgers_are_scanned_rarely() -> None:
    """Ledgers are read again only after a while, however often the board is drawn: each read is paid for."""
    world = World(ledger_of("e", seats(2), 1))
    world.look()
    world.dynamodb.items = [ledger_to_item(ledger_of("e", seats(2), 2))]
    world.now += 2
    assert world.look()["events"][0]["confirmed"] == 1
    world.now += 15
    assert world.look()["events"][0]["confirmed"] == 2


def test_unreadable_ledgers_are_told() -> None:
    """Ledgers that cannot be read are counted and one is named, on every look; the others are shown."""
    world = World(ledger_of("good", seats(2), 1), ledger_of("bad", seats(2), 1))
    del world.dynamodb.items[1]["nextTicket"]
    for _ in range(2):
        said = world.look()
        assert [event["eventId"] for event in said["events"]] == ["good"]
        assert said["problems"] == ["events: 1 ledgers cannot be read, the first is that of bad"]


@pytest.mark.parametrize(
    "fault",
    [
        ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, "FilterLogEvents"),
        EndpointConnectionError(endpoint_url="http://emulator"),
    ],
)
def test_a_hiccup_is_shown_and_passes(fault: Exception) -> None:
    """What AWS refuses or does not answer is null, with the reason; the rest is there, the next look tries again."""
    world = World(ledger_of("e", seats(2), 1))
    world.logs.fault = world.sqs.fault = fault
    said = world.look()
    assert (said["queue"]["visible"], said["deadLetters"], said["decisions"]) == (None, None, None)
    assert said["events"][0]["eventId"] == "e"
    assert said["problems"] == [
        f"{what}: {fault}" for what in ("queue", "dead letters", "failed promotions", "decisions")
    ]
    world.logs.fault = world.sqs.fault = None
    assert world.look()["problems"] == []


def test_a_rare_look_that_failed_is_not_put_off() -> None:
    """Ledgers that could not be read are read at the very next look, not after the usual while."""
    world = World(ledger_of("e", seats(2), 1))
    world.dynamodb.fault = EndpointConnectionError(endpoint_url="http://emulator")
    assert world.look()["events"] is None
    world.dynamodb.fault = None
    world.now += 2
    assert world.look()["events"][0]["eventId"] == "e"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A deployment that `turnstile` finds."""
    world = World(ledger_of("pycon", seats(2, True), 2, 1), ledger_of("bad\x1b[31m[red]", seats(2), 1))
    monkeypatch.setattr(Deployment, "resolve", lambda _stage: world.deployment)
    return world


def test_once_as_text(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe it is plain text of 80 columns, without escape codes, whatever the environment and event ids say."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert main(["top", "--once"]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "…" not in text
    lines = [line.split() for line in text.splitlines()]
    assert ["waiting", "7", "confirmed", "0", "0.00"] in lines
    assert ["dead", "letters", "2", "cancelled", "0", "0.00"] in lines
    assert ["pycon", "2/2", "1", "active"] in lines
    assert ["bad\N{REPLACEMENT CHARACTER}[31m[red]", "1/2", "-", "active"] in lines


def test_once_as_json(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """`--once --json` prints one object on one line."""
    assert main(["top", "--once", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["queue"]["visible"] == 7
    assert (said.out.count("\n"), said.err) == (1, "")


def test_once_fails_when_something_could_not_be_read(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """With `--once` a figure that is missing is exit code 1: a script must not take it for a zero."""
    world.sqs.fault = EndpointConnectionError(endpoint_url="http://emulator")
    assert main(["top", "--once", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["queue"]["visible"] is None


@pytest.mark.parametrize("json_wanted", [True, False])
def test_a_pipe_gets_one_block_per_look_until_interrupted(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, json_wanted: bool
) -> None:
    """Without `--once`, a pipe gets one object per line, or one block of text, per interval; Ctrl-C is exit code 0."""
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("infra.cli.commands.top.time.sleep", sleep)
    assert main(["top", "--interval", "5", *(["--json"] if json_wanted else [])]) == 0
    text = capsys.readouterr().out
    assert slept == [5, 5, 5]
    assert text.count('"visible": 7' if json_wanted else "Turnstile local") == 3
    if json_wanted:
        assert [json.loads(line)["stage"] for line in text.splitlines()] == ["local"] * 3


@pytest.mark.parametrize("interval", ["0", "-1", "nan", "often", "1e9"])
def test_an_interval_that_makes_no_sense_is_wrong_usage(
    interval: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--interval` takes seconds from 0.1 to 3600; anything else is wrong usage."""
    monkeypatch.setenv("TURNSTILE_HOME", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        main(["top", f"--interval={interval}"])
    assert ended.value.code == 2
    assert "--interval" in capsys.readouterr().err
