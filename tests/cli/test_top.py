"""`turnstile top` on a fake deployment: what it collects, and how it is printed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from rich.console import Console
from rich.screen import Screen

from infra.cli import ledgers
from infra.cli.deployment import Deployment
from infra.cli.function_logs import REGISTRAR, REGISTRATIONS
from infra.cli.top import snapshot
from infra.cli.top.screen import render
from infra.cli.top.snapshot import Collector
from tests.cli.command import Turnstile
from tests.cli.fakes import FakeDeployment
from tests.support.builders import ledger_of, seats
from tests.support.deployment import OUTPUTS
from workers.aws.items import ledger_to_item
from workers.domain.records import Ledger
from workers.domain.seat_settings import EventStatus

NOW = 1_800_000_000.0
COUNTS = {"confirmed": 0, "waitlisted": 0, "rejected": 0, "promoted": 0, "cancelled": 0, "superseded": 0}
NO_ANSWER = EndpointConnectionError(endpoint_url="http://emulator")
THROTTLED = ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, "FilterLogEvents")
DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "not authorized " * 20}}, "AnyOperation")
BUSY = [ledger_of(f"event-{number}", seats(100, 20), 100, number) for number in range(60)]
ONE = ledger_of("e", seats(2), 1)


class TopDeployment(FakeDeployment):
    """A fake deployment, its collector, and a clock that tests advance."""

    def __init__(self, *records: Ledger) -> None:
        super().__init__(*records)
        self.now = NOW
        self.collector = Collector(self.deployment, lambda: self.now)

    def collect(self) -> dict[str, Any]:
        """Return a snapshot as JSON."""
        return self.collector.collect().as_json()

    def screen(self, width: int, height: int) -> list[str]:
        """Return the lines that a terminal of this size shows."""
        console = Console(width=width, height=height, force_terminal=True, no_color=True, highlight=False)
        lines = console.render_lines(Screen(render(self.collector.collect(), console)))
        return ["".join(segment.text for segment in line).rstrip() for line in lines]


def test_an_idle_deployment() -> None:
    """Queues are counted, received dead letters included; without decisions and metrics there are zeros and nulls."""
    found = TopDeployment().collect()
    assert found["queue"] == {"visible": 7, "inFlight": 3, "oldestSeconds": None, "groupsInFlight": None}
    assert (found["deadLetters"], found["failedPromotions"], found["problems"]) == (2, 0, [])
    assert found["decisions"]["counts"] == COUNTS
    assert found["decisions"]["latencyMs"] == {"p50": None, "p90": None}


def test_age_and_groups_come_from_cloudwatch() -> None:
    """On AWS the newest values of the queue's own metrics are shown."""
    fake = TopDeployment()
    fake.cloudwatch.values = {
        "ApproximateAgeOfOldestMessage": [42.0, 7.0],
        "ApproximateNumberOfGroupsWithInflightMessages": [2.0, 9.0],
    }
    queue = fake.collect()["queue"]
    assert (queue["oldestSeconds"], queue["groupsInFlight"]) == (42.0, 2.0)
    assert fake.cloudwatch.dimensions == [("QueueName", "commands.fifo")] * 2


def test_decisions_of_the_last_minute_are_added_up() -> None:
    """Outcomes are summed over the metrics of the last 60 s, rejections over their reasons, the API's included."""
    fake = TopDeployment()
    measure = fake.logs.measure
    measure(REGISTRAR, NOW - 61, Confirmed=[100.0], DecisionLatency=[9999.0])
    measure(REGISTRAR, NOW - 59, Confirmed=[3.0], DecisionLatency=[10.0, 20.0, 30.0])
    measure(REGISTRAR, NOW - 1, Confirmed=[2.0], Promoted=[1.0], DecisionLatency=[40.0, 50.0])
    measure(REGISTRAR, NOW - 1, Rejected=[4.0], reason="event-full")
    measure(REGISTRAR, NOW - 1, Rejected=[2.0], reason="waitlist-full")
    fake.logs.say(REGISTRAR, NOW - 1, message="decided")
    measure(REGISTRATIONS, NOW - 1, Rejected=[5.0], reason="event-full")
    decisions = fake.collect()["decisions"]
    assert decisions["counts"] == COUNTS | {"confirmed": 5, "promoted": 1, "rejected": 11}
    assert decisions["perSecond"]["rejected"] == pytest.approx(11 / 60, abs=0.01)
    assert decisions["latencyMs"] == {"p50": 30.0, "p90": 50.0}


def test_more_decisions_than_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading stops after some pages of the log, and the snapshot says that its figures are incomplete."""
    monkeypatch.setattr(snapshot, "_MAX_PAGES", 3)
    fake = TopDeployment()
    for _ in range(5):
        fake.logs.measure(REGISTRAR, NOW - 1, Confirmed=[1.0])
    found = fake.collect()
    assert found["decisions"]["counts"]["confirmed"] == 2
    assert found["problems"] == ["decisions: too many log lines to read in time; the figures are incomplete"]


def test_the_fullest_events_come_first() -> None:
    """The longest waiting list comes first, then the fewest free seats; a cancelled event comes last."""
    found = TopDeployment(
        ledger_of("empty", seats(10), 0),
        ledger_of("half", seats(10), 5),
        ledger_of("dead", seats(1, True, EventStatus.CANCELLED), 1, 50),
        ledger_of("full", seats(10), 10),
        ledger_of("long", seats(5, 20), 5, 7),
    ).collect()
    assert [event["eventId"] for event in found["events"]] == ["long", "full", "half", "empty", "dead"]
    waitlist = {"waiting": 7, "hasWaitlist": True, "waitlistCapacity": 20}
    seats_of = {"confirmed": 5, "capacity": 5, "promotionDue": False}
    assert found["events"][0] == {"eventId": "long", "status": "active", **seats_of, **waitlist}
    assert (found["eventsRead"], found["eventsComplete"]) == (5, True)


def test_a_free_seat_beside_people_who_wait_is_highlighted() -> None:
    """An event with both has "promotion due" in place of its status, in another style."""
    fake = TopDeployment(ledger_of("due", seats(2, True), 1, 1), ledger_of("full", seats(2, True), 2, 1))
    rows = {line.split()[0]: line for line in fake.screen(80, 24) if line}
    assert (rows["due"].endswith("promotion due"), rows["full"].endswith("active")) == (True, True)
    due = [event["eventId"] for event in fake.collect()["events"] if event["promotionDue"]]
    assert due == ["due"]


def test_the_scan_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """With too many ledgers, the fullest of those read are shown, and the snapshot says that there are more."""
    monkeypatch.setattr(ledgers, "MAX_LEDGERS", 3)
    fake = TopDeployment(*(ledger_of(f"e{number}", seats(10), number) for number in range(5)))
    found = fake.collect()
    assert [event["eventId"] for event in found["events"]] == ["e2", "e1", "e0"]
    assert (found["eventsRead"], found["eventsComplete"], fake.dynamodb.scans) == (3, False, 2)


def test_ledgers_are_scanned_rarely() -> None:
    """On AWS each ledger is paid for, so they are read again only after 15 s, and their age is shown; after a failure,
    and on the local stack, at once."""
    fake = TopDeployment(ONE)
    fake.deployment.stage = "prod"
    fake.collector = Collector(fake.deployment, lambda: fake.now)
    fake.dynamodb.fault = NO_ANSWER
    assert fake.collect()["events"] is None
    fake.dynamodb.fault = None
    fake.now += 2
    assert fake.collect()["events"][0]["confirmed"] == 1
    fake.dynamodb.ledgers = [ledger_to_item(ledger_of("e", seats(2), 2))]
    for seconds, confirmed in ((2, 1), (15, 2)):
        fake.now += seconds
        found = fake.collect()
        assert (found["events"][0]["confirmed"], found["eventsAgeSeconds"]) == (confirmed, 2 if confirmed == 1 else 0)
    fake.now += 2
    assert any(line.startswith("fullest events, 2 s ago") for line in fake.screen(80, 24))
    local = TopDeployment(ONE)
    assert [local.collect()["eventsAgeSeconds"] for _ in range(2)] == [0, 0]
    assert local.dynamodb.scans == 2


def test_unreadable_ledgers_are_reported() -> None:
    """Unreadable ledgers are counted and one is named, in every snapshot; the others are shown."""
    fake = TopDeployment(ledger_of("good", seats(2), 1), ledger_of("bad", seats(2), 1))
    del fake.dynamodb.ledgers[1]["nextTicket"]
    for _ in range(2):
        found = fake.collect()
        assert [event["eventId"] for event in found["events"]] == ["good"]
        assert found["problems"] == ["events: 1 ledgers cannot be read, the first is that of bad"]


@pytest.mark.parametrize("fault", [THROTTLED, NO_ANSWER])
def test_a_transient_error_is_shown_and_passes(fault: Exception) -> None:
    """Parts that AWS refuses or does not answer are null, with the reason, and are read again for the next snapshot."""
    fake = TopDeployment(ONE)
    fake.logs.fault = fake.sqs.fault = fault
    found = fake.collect()
    assert (found["queue"]["visible"], found["deadLetters"], found["decisions"]) == (None, None, None)
    assert found["events"][0]["eventId"] == "e"
    parts = ("queue", "dead letters", "failed promotions", "decisions")
    assert found["problems"] == [f"{part}: {fault}" for part in parts]
    fake.logs.fault = fake.sqs.fault = None
    assert fake.collect()["problems"] == []


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> TopDeployment:
    """The deployment that `turnstile` finds."""
    fake = TopDeployment(ledger_of("pycon", seats(2, True), 2, 1), ledger_of("bad\x1b[31m[red]", seats(2), 1))
    monkeypatch.setattr(Deployment, "resolve", lambda _stage: fake.deployment)
    return fake


@pytest.mark.usefixtures("fake")
def test_once_as_text(monkeypatch: pytest.MonkeyPatch, turnstile: Turnstile) -> None:
    """A pipe gets plain text of 80 columns, without escape codes, whatever the environment and event ids contain."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    code, text, _ = turnstile("top", "--once")
    assert (code, "\x1b" in text, "…" in text) == (0, False, False)
    lines = [line.split() for line in text.splitlines()]
    assert ["waiting", "7", "confirmed", "0", "0.00"] in lines
    assert ["dead", "letters", "2", "cancelled", "0", "0.00"] in lines
    assert ["pycon", "2/2", "1", "active"] in lines
    assert ["bad\N{REPLACEMENT CHARACTER}[31m[red]", "1/2", "-", "active"] in lines


def test_once_as_json(fake: TopDeployment, turnstile: Turnstile) -> None:
    """`--once --json` prints one object on one line; a missing figure is exit code 1, so no script reads a zero."""
    ended = turnstile("top", "--once", "--json")
    assert (ended.code, ended.json["queue"]["visible"], ended.out.count("\n"), ended.err) == (0, 7, 1, "")
    fake.sqs.fault = NO_ANSWER
    ended = turnstile("top", "--once", "--json")
    assert (ended.code, ended.json["queue"]["visible"]) == (1, None)


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("as_json", [True, False])
def test_a_pipe_gets_one_block_per_snapshot(
    monkeypatch: pytest.MonkeyPatch, turnstile: Turnstile, *, as_json: bool
) -> None:
    """Without `--once`, a pipe gets an object or a block of text per interval; Ctrl-C is exit code 0."""
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("infra.cli.commands.top.time.sleep", sleep)
    code, text, _ = turnstile("top", "--interval", "5", *(["--json"] if as_json else []))
    assert (code, slept) == (0, [5, 5, 5])
    assert text.count('"visible": 7' if as_json else "Turnstile local") == 3
    if as_json:
        assert [json.loads(line)["stage"] for line in text.splitlines()] == ["local"] * 3


def test_a_terminal_shows_problems_first() -> None:
    """On 80 x 24 a problem is shown in full below the title, then queue and decisions, then events to the end."""
    fake = TopDeployment(*BUSY)
    fake.logs.fault = DENIED
    shown = fake.screen(80, 24)
    assert shown[0].startswith("Turnstile local")
    assert shown[1].startswith("decisions: An error occurred (AccessDenied)")
    assert " ".join(shown[1 : shown.index("")]).count("not authorized") == 20
    assert ["waiting", "7", "confirmed", "-", "-"] in [line.split() for line in shown]
    assert shown[-1].startswith("event-")


def test_many_problems_leave_the_queue_visible() -> None:
    """However many and long the problems are, each is begun, and queue and decisions are visible."""
    fake = TopDeployment()
    fake.logs.fault = fake.cloudwatch.fault = fake.dynamodb.fault = DENIED
    shown = fake.screen(80, 24)
    begun = [line.partition(":")[0] for line in shown if ": An error occurred" in line]
    assert begun == ["queue metrics", "events", "decisions"]
    for row in (["waiting", "7", "confirmed", "-", "-"], ["latency", "p90", "-"]):
        assert row in [line.split() for line in shown]


@pytest.mark.parametrize(("width", "height", "events"), [(60, 15, 4), (80, 24, 9), (80, 40, 25)])
def test_a_tall_terminal_shows_more_events(width: int, height: int, events: int) -> None:
    """As many events are shown as the terminal has room for, and all its lines are used; 60 x 15 have room for four."""
    shown = TopDeployment(*BUSY).screen(width, height)
    names = [line.split()[0] for line in shown if line.startswith("event-")]
    assert names == [f"event-{59 - number}" for number in range(events)]
    assert shown[-1]


@pytest.mark.parametrize("width", [40, 50, 60, 72, 80])
def test_a_narrow_terminal_loses_columns_not_digits(width: int) -> None:
    """From 40 columns on, all figures of queue and decisions, and all seats, are shown with their names."""
    name = "an-event-with-a-name-that-is-longer-than-a-narrow-terminal"
    fake = TopDeployment(ledger_of(name, seats(100_000, 50), 100_000, 42))
    fake.sqs.depths[OUTPUTS.queue_url] = (1_234_567, 20_000)
    fake.cloudwatch.values = {"ApproximateAgeOfOldestMessage": [123_456.0]}
    fake.logs.measure(REGISTRAR, NOW - 1, Confirmed=[54_321.0], DecisionLatency=[12_345.0])
    text = "\n".join(" ".join(line.split()) for line in fake.screen(width, 40))
    for words in (
        *("queue", "waiting 1,234,567", "in flight 20,000", "oldest 123,456 s", "groups in flight -", "dead letters 2"),
        *("failed promotions 0", "decisions", "last minute", "confirmed 54,321", "latency p90 12,345 ms"),
        *("fullest events", "seats waiting", "100000/100000 42/50"),
    ):
        assert words in text
    assert text.count("…") == 1  # the id is truncated, and stays on one line
    assert ("per second" in text) is ("active" in text) is (width >= 72)
