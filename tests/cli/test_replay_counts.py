"""A replay and the counts of the queue: when it stops, when it waits, and what it says remains."""

from __future__ import annotations

import pytest

from infra.cli.dlq.dead_letters import LAG
from infra.cli.dlq.summary import Selection
from tests.cli.replay_world import DEAD, World, at, settled


def come_back(world: World) -> None:
    """Everything that is in the main queue is parked again."""
    for message in world.main.messages:
        world.die(f"{message.body} again", group=message.group, replay_of=message.attributes["replayOf"]["StringValue"])
    world.main.messages.clear()


@pytest.mark.parametrize(("lag", "at_most"), [(0, 60), (LAG, 500)])
def test_a_run_ends_when_too_many_come_back(world: World, lag: int, at_most: int) -> None:
    """The cause is still there: it stops and says so, at once where counts are exact, and after two minutes where they
    lag; the rest of the letters are where they were."""
    world.lag = lag
    for number in range(40):
        world.die(*(f"{number}-{index}" for index in range(20)), group=f"e{number}")
    world.sqs.after = lambda call: come_back(world) if call == "send" else None
    summary = settled(world).replay(rate=2)
    assert "fix the cause first" in (summary.aborted or "")
    assert 0 < summary.sent < at_most
    assert len(world.dead.left()) == 800


def test_a_run_ends_when_the_queue_grows(world: World) -> None:
    """A run ends when the queue grows, even where nobody can see the new letters, because they are behind the old ones
    of their event."""
    world.die(*(f"a{number}" for number in range(30)))
    world.sqs.after = at(1, "send", lambda _: world.die(*(f"new{number}" for number in range(50))))
    world.lag = 0
    summary = settled(world).replay(rate=1)
    assert "fix the cause first" in (summary.aborted or "")
    assert summary.sent < 10


def test_counts_that_lag_do_not_end_a_run(world: World) -> None:
    """On AWS a count may be a minute old, and count as visible and as invisible what was just received."""
    world.die(*(f"a{number}" for number in range(300)))
    settled(world, 120)
    world.sqs.lags = 55, 0
    summary = world.replay(rate=2)
    assert (summary.aborted, summary.sent) == (None, 300)


def test_letters_that_somebody_else_holds_are_waited_for(world: World) -> None:
    """Somebody was killed while looking at them: they come back by themselves, and then they are replayed."""
    world.die("a1")
    world.receive()
    assert world.replay().done
    assert world.main.bodies() == ["a1"]


def test_letters_that_somebody_else_keeps_are_reported(world: World) -> None:
    """Letters that somebody else keeps are counted as such, and the run has not done what it was to do."""
    world.die("a1")
    world.receive()
    world.dead.messages[0].visible_at += 3600
    summary = world.replay()
    assert (summary.elsewhere, summary.done) == (1, False)


def test_a_count_that_lags_is_nobody_who_holds_letters(world: World) -> None:
    """What was looked at a moment ago may still count as invisible: the selected letters went, so all is done."""
    first, _ = world.die("a1", "a2")
    settled(world, 120).receive()
    world.sqs.sleep(25)
    world.sqs.lags = 0, 55
    summary = world.replay(Selection(ids=frozenset({first})))
    assert (summary.sent, summary.elsewhere, summary.done) == (1, 0, True)


def test_letters_that_no_count_says_are_held_remain_all_the_same(world: World) -> None:
    """Somebody took them a moment ago, and the counts say nothing of it, even longer than they may."""
    world.die("a1")
    settled(world, 120).receive()
    world.dead.messages[0].visible_at += 3600
    world.sqs.lags = 100, 100
    summary = world.replay()
    assert (summary.sent, summary.elsewhere, summary.done) == (0, 1, False)


def test_a_count_of_none_may_be_too_old(world: World) -> None:
    """They died a moment ago, and somebody took them: no count knows of them yet, and still they are waited for."""
    world.sqs.get_queue_attributes(QueueUrl=DEAD)
    world.die("a1")
    world.sqs.lags = 55, 55
    settled(world).receive()
    summary = world.replay()
    assert (world.main.bodies(), summary.done) == (["a1"], True)


def test_letters_behind_a_count_that_lags_are_waited_for(world: World) -> None:
    """Those of another event stay, so it looks until the count of the invisible ones must be right."""
    world.die("b1", "b2", group="b")
    world.die("a1", group="a")
    settled(world, 120)
    [message] = [message for message in world.dead.messages if message.group == "a"]
    message.visible_at = world.sqs.now + 50
    world.sqs.lags = 55, 55
    summary = world.replay(Selection(groups=frozenset({"a"})))
    assert (world.main.bodies(), summary.done) == (["a1"], True)


def test_a_count_that_is_behind_is_waited_for(world: World) -> None:
    """All is gone, and SQS says for 40 seconds that letters are invisible: nothing remains."""
    world.die("a1", "a2")
    settled(world, 120)
    world.sqs.lags = 0, 40
    world.receive()
    world.sqs.sleep(25)
    summary = world.replay()
    assert (summary.sent, summary.elsewhere, summary.done) == (2, 0, True)


def test_a_run_right_after_an_outage_is_sound(world: World) -> None:
    """The first counts do not know yet what has just died: that is no growth."""
    world.sqs.get_queue_attributes(QueueUrl=DEAD)
    for number in range(90):
        world.die(*(f"{number}-{index}" for index in range(10)), group=f"e{number}")
    world.sqs.lags = 55, 55
    summary = settled(world, 5).replay(rate=4)
    assert (summary.aborted, summary.sent) == (None, 900)


def test_growth_is_seen_although_counts_lag(world: World) -> None:
    """Growth that begins in the middle of a run ends it within minutes, although counts lag."""
    world.die(*(f"a{number}" for number in range(3000)))
    settled(world, 120)
    world.sqs.lags = 55, 55
    world.sqs.after = at(150, "send", lambda _: world.die(*(f"new{number}" for number in range(400))))
    summary = world.replay(rate=1)
    assert "fix the cause first" in (summary.aborted or "")
    assert summary.sent < 400


def test_what_was_given_back_is_not_counted_as_held(world: World) -> None:
    """Nine of a stopped event are visible to SQS: they do not make up for those that somebody else has."""
    world.die(*(f"b{number}" for number in range(3)), group="b")
    world.receive()
    for message in world.dead.messages:
        message.visible_at += 3600
    world.die(*(f"a{number}" for number in range(10)), group="a")
    world.lag = 0
    summary = settled(world).replay(Selection(groups=frozenset({"c"})))
    assert (summary.elsewhere, summary.done) == (3, False)


def test_counts_that_begin_to_lag_do_not_end_a_run(world: World) -> None:
    """What was deleted since the count before may still be in a count, however right that one was."""
    world.die(*(f"a{number}" for number in range(400)))

    def lag(_call: str) -> None:
        world.sqs.lags = 55, 55

    world.sqs.after = at(130, "send", lag)
    summary = settled(world, 120).replay(rate=2)
    assert (summary.aborted, summary.sent) == (None, 400)


def test_letters_that_come_free_at_the_last_moment_are_taken(world: World) -> None:
    """Between the empty answer and the count: those of another event stay, so only the count before knows of them."""
    world.die("b1", "b2", group="b")
    world.die("a1", group="a")
    settled(world).dead.messages[-1].visible_at = world.sqs.now + 0.5
    world.lag = 0
    summary = world.replay(Selection(groups=frozenset({"a"})))
    assert (world.main.bodies(), summary.done) == (["a1"], True)
