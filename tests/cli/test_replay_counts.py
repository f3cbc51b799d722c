"""A replay and the counts of the queue: when it stops, when it waits, and what it reports as remaining."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from infra.cli.dlq.dead_letters import LAG
from infra.cli.dlq.inflow_guard import InflowGuard
from infra.cli.dlq.summary import Selection
from tests.cli.replay_queues import DEAD, ReplayQueues, at, settled

GROUP_A = Selection(groups=frozenset({"a"}))


def come_back(queues: ReplayQueues) -> None:
    """Park everything that is in the main queue again."""
    for message in queues.main.messages:
        replay_of = message.attributes["replayOf"]["StringValue"]
        queues.die(f"{message.body} again", group=message.group, replay_of=replay_of)
    queues.main.messages.clear()


@pytest.mark.parametrize(("lag", "at_most"), [(0, 60), (LAG, 500)])
def test_a_run_ends_when_too_many_come_back(queues: ReplayQueues, lag: int, at_most: int) -> None:
    """The run stops with a reason: at once where counts are exact, and after two minutes where they lag."""
    queues.lag = lag
    for number in range(40):
        queues.die(*(f"{number}-{index}" for index in range(20)), group=f"e{number}")
    queues.sqs.after = lambda call: come_back(queues) if call == "send" else None
    summary = settled(queues).replay(rate=2)
    assert "fix the cause first" in (summary.aborted or "")
    assert 0 < summary.sent < at_most
    assert len(queues.dead.left()) == 800


@pytest.mark.parametrize(
    ("messages", "lag", "counts", "arrival", "arrivals", "rate", "at_most"),
    [(30, 0, 0, 1, 50, 1, 10), (3000, LAG, 55, 150, 400, 1, 400)],
)
def test_a_run_ends_when_the_queue_grows(
    queues: ReplayQueues, *, messages: int, lag: int, counts: int, arrival: int, arrivals: int, rate: int, at_most: int
) -> None:
    """A run ends when the queue grows, even if the new messages are hidden behind old ones, and counts lag."""
    queues.die(*(f"a{number}" for number in range(messages)))
    settled(queues, 120)
    queues.lag, queues.sqs.lags = lag, (counts, counts)
    queues.sqs.after = at(arrival, "send", lambda _: queues.die(*(f"new{number}" for number in range(arrivals))))
    summary = queues.replay(rate=rate)
    assert "fix the cause first" in (summary.aborted or "")
    assert summary.sent < at_most


@pytest.mark.parametrize(
    ("messages", "lags", "since"),
    [(300, (55, 0), 0), (400, (55, 55), 130)],
    ids=["received messages count twice", "deleted messages still count"],
)
def test_lagging_counts_do_not_end_a_run(
    queues: ReplayQueues, messages: int, lags: tuple[int, int], since: int
) -> None:
    """A count may be a minute old, and begin to lag in the middle of a run: that is no growth."""
    queues.die(*(f"a{number}" for number in range(messages)))
    settled(queues, 120)

    def lag(_call: str = "") -> None:
        queues.sqs.lags = lags

    if since:
        queues.sqs.after = at(since, "send", lag)
    else:
        lag()
    summary = queues.replay(rate=2)
    assert (summary.aborted, summary.sent) == (None, messages)


def test_a_run_right_after_an_outage_is_sound(queues: ReplayQueues) -> None:
    """The first counts may miss messages that were parked just before: that is no growth."""
    queues.sqs.get_queue_attributes(QueueUrl=DEAD)
    for number in range(90):
        queues.die(*(f"{number}-{index}" for index in range(10)), group=f"e{number}")
    queues.sqs.lags = 55, 55
    summary = settled(queues, 5).replay(rate=4)
    assert (summary.aborted, summary.sent) == (None, 900)


@pytest.mark.parametrize(
    ("held", "lags", "expected"),
    [
        (0, (0, 0), (1, 0, True)),  # a process was killed while it held them: they come back by themselves
        (3600, (0, 0), (0, 1, False)),
        (3600, (100, 100), (0, 1, False)),  # the counts do not show it, for longer than AWS says
    ],
)
def test_messages_that_someone_else_holds(
    queues: ReplayQueues, held: int, lags: tuple[int, int], expected: tuple[int, int, bool]
) -> None:
    """The run waits for messages that someone else holds, and reports those that stay held: it is not done."""
    queues.die("a1")
    settled(queues, 120).receive()
    queues.dead.messages[0].visible_at += held
    queues.sqs.lags = lags
    summary = queues.replay()
    assert (summary.sent, summary.elsewhere, summary.done) == expected


@pytest.mark.parametrize(("select", "lag", "sent"), [(True, 55, 1), (False, 40, 2)])
def test_a_lagging_count_is_not_someone_else(queues: ReplayQueues, lag: int, sent: int, *, select: bool) -> None:
    """Messages received a moment ago may still count as invisible: if all selected ones went, nothing remains."""
    first, _ = queues.die("a1", "a2")
    settled(queues, 120)
    queues.receive()
    queues.sqs.sleep(25)
    queues.sqs.lags = 0, lag
    summary = queues.replay(Selection(ids=frozenset({first})) if select else None)
    assert (summary.sent, summary.elsewhere, summary.done) == (sent, 0, True)


def test_a_count_of_zero_may_be_too_old(queues: ReplayQueues) -> None:
    """Messages parked and received a moment ago are in no count yet, and are waited for nevertheless."""
    queues.sqs.get_queue_attributes(QueueUrl=DEAD)
    queues.die("a1")
    queues.sqs.lags = 55, 55
    settled(queues).receive()
    summary = queues.replay()
    assert (queues.main.bodies(), summary.done) == (["a1"], True)


@pytest.mark.parametrize(("lag", "visible_in"), [(55, 50.0), (0, 0.5)])
def test_messages_that_become_visible_late_are_sent(queues: ReplayQueues, lag: int, visible_in: float) -> None:
    """While another event's messages stay, the run waits for the right count, and for the count after an empty
    answer."""
    queues.die("b1", "b2", group="b")
    queues.die("a1", group="a")
    settled(queues, 120)
    queues.dead.messages[-1].visible_at = queues.sqs.now + visible_in
    queues.lag, queues.sqs.lags = LAG if lag else 0, (lag, lag)
    summary = queues.replay(GROUP_A)
    assert (queues.main.bodies(), summary.done) == (["a1"], True)


def test_released_messages_are_not_counted_as_held(queues: ReplayQueues) -> None:
    """Visible messages of a stopped event do not make up for those that someone else holds."""
    queues.die(*(f"b{number}" for number in range(3)), group="b")
    queues.receive()
    for message in queues.dead.messages:
        message.visible_at += 3600
    queues.die(*(f"a{number}" for number in range(10)), group="a")
    queues.lag = 0
    summary = settled(queues).replay(Selection(groups=frozenset({"c"})))
    assert (summary.elsewhere, summary.done) == (3, False)


def test_received_messages_are_no_growth() -> None:
    """Messages received since the last count may count twice, those received before it no longer: these are growth."""
    now, totals = 0, iter([120, 115])
    clock = SimpleNamespace(now=lambda: now)
    queue = SimpleNamespace(count=lambda: SimpleNamespace(total=next(totals)))
    guard = InflowGuard(cast("Any", queue), cast("Any", clock), lag=0)
    guard.begin(now, total=100)
    guard.received, now = 20, 2_000_000
    assert guard.reason_to_stop(sent=0) is None
    now = 4_000_000
    assert (guard.reason_to_stop(sent=0) or "").startswith("at least 15 messages have arrived")
