"""`turnstile top` on terminals of all sizes: what is shown where, and what gives way."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from rich.console import Console
from rich.screen import Screen

from infra.cli.function_logs import REGISTRAR
from infra.cli.top.screen import render
from tests.cli.board import NOW, World
from tests.support.builders import ledger_of, seats
from tests.support.deployment import OUTPUTS


def screen(world: World, width: int, height: int) -> list[str]:
    """What a terminal of this size shows: nothing below its last line."""
    console = Console(width=width, height=height, force_terminal=True, no_color=True, highlight=False)
    lines = console.render_lines(Screen(render(world.collector.collect(), console)))
    return ["".join(segment.text for segment in line).rstrip() for line in lines]


DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "not authorized " * 20}}, "AnyOperation")
BUSY = [ledger_of(f"event-{number}", seats(100, 20), 100, number) for number in range(60)]


def test_a_terminal_shows_problems_first() -> None:
    """On 80 x 24 a problem is told in full under the title; below are queue and decisions, then events to the end."""
    world = World(*BUSY)
    world.logs.fault = DENIED
    shown = screen(world, 80, 24)
    assert shown[0].startswith("Turnstile local")
    assert shown[1].startswith("decisions: An error occurred (AccessDenied)")
    told = " ".join(shown[1 : shown.index("")])
    assert told.count("not authorized") == 20
    assert ["waiting", "7", "confirmed", "-", "-"] in [line.split() for line in shown]
    assert shown[-1].startswith("event-")


def test_many_problems_leave_the_queue_in_sight() -> None:
    """However many problems there are and however long, each is begun, and the queue and the decisions are seen."""
    world = World()
    world.logs.fault = world.cloudwatch.fault = world.dynamodb.fault = DENIED
    shown = screen(world, 80, 24)
    begun = [line.partition(":")[0] for line in shown if ": An error occurred" in line]
    assert begun == ["queue metrics", "events", "decisions"]
    for row in (["waiting", "7", "confirmed", "-", "-"], ["latency", "p90", "-"]):
        assert row in [line.split() for line in shown]


def test_a_tall_terminal_shows_more_events() -> None:
    """There are as many events as the terminal has room for, and all its lines are used."""
    for height, events in ((24, 9), (40, 25)):
        shown = screen(World(*BUSY), 80, height)
        assert [line.split()[0] for line in shown if line.startswith("event-")] == [
            f"event-{59 - number}" for number in range(events)
        ]
        assert shown[-1]


@pytest.mark.parametrize("width", [40, 50, 60, 72, 80])
def test_a_narrow_terminal_loses_columns_not_numbers(width: int) -> None:
    """From 40 columns on all figures of queue and decisions, and all seats and lines, are there with their names."""
    world = World(
        ledger_of("an-event-with-a-name-that-is-longer-than-a-narrow-terminal", seats(100_000, 50), 99_999, 42)
    )
    world.sqs.depths[OUTPUTS.queue_url] = (1_234_567, 20_000)
    world.cloudwatch.values = {"ApproximateAgeOfOldestMessage": [123_456.0]}
    world.logs.measure(REGISTRAR, NOW - 1, Confirmed=[54_321.0], DecisionLatency=[12_345.0])
    text = "\n".join(" ".join(line.split()) for line in screen(world, width, 40))
    for figure in ("waiting 1,234,567", "in flight 20,000", "oldest 123,456 s", "groups in flight -", "dead letters 2"):
        assert figure in text
    for figure in ("failed promotions 0", "confirmed 54,321", "latency p90 12,345 ms", "99999/100000 42/50"):
        assert figure in text
    for heading in ("queue", "decisions", "last minute", "fullest events", "seats waiting"):
        assert heading in text
    assert text.count("…") == 1  # the id gives way, and stays on one line
    assert ("per second" in text) is ("active" in text) is (width >= 72)
