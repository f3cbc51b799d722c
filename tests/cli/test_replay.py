"""Replaying dead letters: in order, once, nothing lost, whatever SQS does and whenever the process dies."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import EndpointConnectionError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.cli.dead_letters import DeadLetterQueue
from infra.cli.journal import Journal
from infra.cli.replay import Replay, Selection, Summary, settle
from tests.support.fake_sqs import FakeSqs, Fifo, Killed, lost_answer
from workers.aws.send import Letter, park

DEAD, MAIN = "dead.fifo", "main.fifo"


@dataclass(slots=True)
class World:
    """The two queues, the journal on disk, and runs of the replay between them."""

    path: Path
    sqs: FakeSqs = field(default_factory=FakeSqs)
    journal_type: Callable[[Path], Journal] = Journal
    interrupt: Callable[[int], None] = lambda _sent: None

    @property
    def dead(self) -> Fifo:
        """The dead-letter queue."""
        return self.sqs.queue(DEAD)

    @property
    def main(self) -> Fifo:
        """The main queue."""
        return self.sqs.queue(MAIN)

    def die(self, *bodies: str, group: str = "e", replay_of: str | None = None) -> list[str]:
        """Messages are parked, the way the registrar does it; answers their ids in the dead-letter queue."""
        client = cast("Any", self.sqs)
        return [
            park(client, DEAD, Letter(f"main-{body}", "", group, 3, body, replay_of), "failed: Trouble", "now")
            for body in bodies
        ]

    def dies(self, *bodies: str, replay_of: str | None = None) -> None:
        """The same, where nobody asks for the ids."""
        self.die(*bodies, replay_of=replay_of)

    def replay(self, selection: Selection | None = None, rate: float | None = None) -> Summary:
        """One run of the command, from opening the journal to the end."""
        client = cast("Any", self.sqs)
        queue = DeadLetterQueue(client, DEAD)
        with self.journal_type(self.path) as journal:
            settle(queue, journal)
            return Replay(
                queue=queue,
                sqs=client,
                main_url=MAIN,
                journal=journal,
                clock=self.sqs.clock,
                selection=selection or Selection(),
                rate=rate,
                uninterrupted=nullcontext,
                progress=self.interrupt,
            ).run()


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Empty queues and no journal yet."""
    made = World(tmp_path / "journal.jsonl")
    made.sqs.sleep(60)
    return made


def at(world: World, number: int, call: str, act: Callable[[str], None]) -> Callable[[str], None]:
    """A hook: acts at the n-th call of a kind."""
    seen = 0

    def hook(name: str) -> None:
        nonlocal seen
        seen += name == call
        if name == call and seen == number:
            act(name)

    return hook


def settled(world: World, seconds: float = 10) -> World:
    """Time passes, so that what is there was there before whatever starts now."""
    world.sqs.sleep(seconds)
    return world


def test_all_letters_go_back_in_the_order_of_their_group(world: World) -> None:
    """Forty letters of two events, interleaved: each event's arrive in their order, and nothing stays behind."""
    for number in range(20):
        world.die(f"a{number}", group="a")
        world.die(f"b{number}", group="b")
    summary = settled(world).replay()
    assert (summary.sent, summary.done, world.dead.left()) == (40, True, [])
    assert world.main.bodies("a") == [f"a{number}" for number in range(20)]
    assert world.main.bodies("b") == [f"b{number}" for number in range(20)]


def test_a_replayed_message_says_what_it_is_a_replay_of(world: World) -> None:
    """Same body, same group, the dead letter's id beside it, and a deduplication id that is new but always the same."""
    [letter_id] = world.die("a")
    parked = world.dead.history[0].deduplication_id
    settled(world).replay()
    [message] = world.main.history
    assert (message.body, message.group) == ("a", "e")
    assert message.attributes == {"replayOf": {"DataType": "String", "StringValue": letter_id}}
    assert message.deduplication_id != parked
    world.sqs.queue(DEAD).messages.append(world.dead.history[0])
    world.path.unlink()
    world.replay()
    assert len(world.main.history) == 1, "SQS must recognise the second attempt"


def test_only_the_selected_events_go(world: World) -> None:
    """Another event's letters stay, in their order, and visible again."""
    world.die("a1", "a2", group="a")
    world.die("b1", "b2", group="b")
    summary = settled(world).replay(Selection(groups=frozenset({"b"})))
    assert (world.main.bodies(), world.dead.left(), summary.done) == (["b1", "b2"], ["a1", "a2"], True)
    assert all(message.visible_at <= world.sqs.now for message in world.dead.messages)


def test_only_the_selected_letters_go(world: World) -> None:
    """By id: it ends as soon as they are sent."""
    first, second, _ = world.die("a1", "a2", "a3")
    summary = settled(world).replay(Selection(ids=frozenset({first, second})))
    assert (world.main.bodies(), world.dead.left(), summary.done) == (["a1", "a2"], ["a3"], True)


def test_a_letter_behind_one_that_is_not_selected_does_not_go(world: World) -> None:
    """It would overtake."""
    _, second = world.die("a1", "a2")
    summary = settled(world).replay(Selection(ids=frozenset({second})))
    assert (world.main.bodies(), summary.missing, summary.done) == ([], [second], False)


def test_a_refused_letter_stops_its_group_and_no_other(world: World) -> None:
    """SQS takes one entry of a batch and not another: nothing overtakes the one that was refused."""
    world.die("a1", "a2", "a3", group="a")
    world.die("b1", "b2", "b3", group="b")
    world.sqs.refuse = lambda call, what: (call, what) == ("send", "a2")
    summary = settled(world).replay()
    assert (world.main.bodies("a"), world.main.bodies("b")) == (["a1"], ["b1", "b2", "b3"])
    assert (world.dead.left(), summary.done) == (["a2", "a3"], False)
    assert "InternalError" in summary.stops["a"].why
    world.sqs.refuse = lambda _call, _what: False
    assert world.replay().done
    assert world.main.bodies("a") == ["a1", "a2", "a3"]


def test_what_was_sent_is_never_sent_again(world: World) -> None:
    """Killed before it could delete, and an hour later SQS has forgotten everything: the journal has not."""
    world.die("a1", "a2")
    world.sqs.before = at(world, 1, "delete", _die)
    with pytest.raises(Killed):
        settled(world).replay()
    _revive(world, 3600)
    summary = world.replay()
    assert (world.main.bodies(), world.dead.left()) == (["a1", "a2"], [])
    assert (summary.sent, summary.done) == (0, True)


def test_a_lost_answer_is_not_a_second_message(world: World) -> None:
    """Nobody knows whether it was sent: it is sent again, and SQS recognises it."""
    world.die("a1", "a2")
    world.sqs.after = at(world, 1, "send", lost_answer)
    summary = settled(world).replay()
    assert (summary.sent, summary.done) == (0, False)
    assert "sqs.example" in (summary.aborted or "")
    assert world.replay().done
    assert (world.main.bodies(), world.dead.left()) == (["a1", "a2"], [])


def test_a_letter_that_cannot_be_deleted_is_deleted_by_the_next_run(world: World) -> None:
    """It was sent: the run says so and fails, the next one only deletes it."""
    world.die("a1")
    world.sqs.refuse = lambda call, _what: call == "delete"
    summary = settled(world).replay()
    assert (summary.sent, summary.undeleted, summary.done) == (1, 1, False)
    world.sqs.refuse = lambda _call, _what: False
    world.sqs.sleep(3600)
    summary = world.replay()
    assert (summary.sent, summary.done, world.main.bodies(), world.dead.left()) == (0, True, ["a1"], [])


def test_letters_that_come_later_are_left(world: World) -> None:
    """A run takes what was there at its start: else one that feeds itself would never end."""
    world.die("a1", "a2")

    def later(_call: str) -> None:
        world.sqs.sleep(5)
        world.die("a3")

    world.sqs.after = at(world, 1, "send", later)
    summary = settled(world).replay()
    assert (world.main.bodies(), world.dead.left(), summary.done) == (["a1", "a2"], ["a3"], False)
    assert "after the start" in summary.stops["e"].why


def test_a_letter_that_was_parked_a_moment_ago_is_replayed(world: World) -> None:
    """SQS tells its time in whole seconds: what is rounded away must not hide a letter."""
    world.die("a1")
    assert world.replay().done
    assert world.main.bodies() == ["a1"]


def test_a_letter_that_comes_back_at_once_is_known(world: World) -> None:
    """Even in the same second: by the id of its replay."""
    [first] = world.die("a1")
    world.sqs.after = at(world, 1, "delete", lambda _: world.dies("a1 again", replay_of=first))
    summary = world.replay()
    assert (world.main.bodies(), world.dead.left()) == (["a1"], ["a1 again"])
    assert "came back" in summary.stops["e"].why


def test_a_message_that_sqs_moves_back_is_known(world: World) -> None:
    """SQS keeps the attributes when it moves a message, and adds nothing."""
    world.die("a1")

    def move(_call: str) -> None:
        [message] = world.main.messages
        world.dead.messages.append(message)

    world.sqs.after = at(world, 1, "delete", move)
    summary = world.replay()
    assert (world.main.bodies(), summary.done) == (["a1"], False)
    assert "came back" in summary.stops["e"].why


def come_back(world: World) -> None:
    """Everything that is in the main queue is parked again."""
    for message in world.main.messages:
        world.die(f"{message.body} again", group=message.group, replay_of=message.attributes["replayOf"]["StringValue"])
    world.main.messages.clear()


def test_a_run_ends_when_too_many_come_back(world: World) -> None:
    """The cause is still there: it stops and says so, and most of the letters are where they were."""
    for number in range(40):
        world.die(*(f"{number}-{index}" for index in range(20)), group=f"e{number}")
    world.sqs.after = lambda call: come_back(world) if call == "send" else None
    summary = settled(world).replay(rate=2)
    assert "fix the cause first" in (summary.aborted or "")
    assert 0 < summary.sent < 400
    assert len(world.dead.left()) == 800


def test_a_run_ends_when_the_queue_grows(world: World) -> None:
    """Even where nobody can see the new letters, because they are behind the old ones of their event."""
    world.die(*(f"a{number}" for number in range(30)))
    world.sqs.after = at(world, 1, "send", lambda _: world.dies(*(f"new{number}" for number in range(50))))
    summary = settled(world).replay(rate=1)
    assert "fix the cause first" in (summary.aborted or "")
    assert summary.sent < 10


def test_counts_that_lag_do_not_end_a_run(world: World) -> None:
    """On AWS a count may be a minute old, and count as visible and as invisible what was just received."""
    world.die(*(f"a{number}" for number in range(300)))
    real = world.sqs.get_queue_attributes
    counts: list[tuple[float, int]] = []

    def lagging(**request: Any) -> dict[str, Any]:
        answer = real(**request)
        counts.append((world.sqs.now, len(world.dead.messages)))
        old = next(total for when, total in counts if when >= world.sqs.now - 55)
        answer["Attributes"]["ApproximateNumberOfMessages"] = str(old)
        return answer

    world.sqs.get_queue_attributes = lagging  # type: ignore[method-assign]
    summary = settled(world).replay(rate=2)
    assert (summary.aborted, summary.sent) == (None, 300)


def test_a_slow_run_keeps_its_pace_and_holds_nothing_meanwhile(world: World) -> None:
    """One letter in ten seconds: time passes between the letters, and none of them is sent on a lapsed hold."""
    world.die("a1", "a2", "a3", "a4")
    began = settled(world).sqs.now
    assert world.replay(rate=0.1).done
    assert world.sqs.now - began >= 40
    assert max(message.receives for message in world.dead.history) == 1
    sent = [message.sent_at for message in world.main.history]
    assert [round(later - earlier) for earlier, later in pairwise(sent)] == [10, 10, 10]


def test_a_stopped_group_stays_stopped_for_hours(world: World) -> None:
    """What is not selected is held as long as the run lasts, and is not handed out again and again."""
    world.die("b1", "b2", group="b")
    world.die(*(f"a{number}" for number in range(100)), group="a")
    settled(world).replay(Selection(groups=frozenset({"a"})), rate=0.05)
    assert world.main.bodies() == [f"a{number}" for number in range(100)]
    assert max(message.receives for message in world.dead.history if message.group == "b") == 1
    assert world.dead.left() == ["b1", "b2"]


def test_nothing_is_sent_on_a_hold_that_may_have_lapsed(world: World) -> None:
    """The machine slept in the middle: by now somebody else may have the letters, so they are received anew first."""
    world.die("a1", "a2", "a3")
    world.sqs.after = at(world, 1, "send", lambda _: world.sqs.sleep(3600))
    summary = settled(world).replay()
    assert (world.main.bodies(), world.dead.left(), summary.sent) == (["a1", "a2", "a3"], [], 3)
    calls = [call for call in world.sqs.calls if call in {"receive", "send"}]
    assert calls == ["receive", "send", "receive", "send", "send", "receive"]


def test_letters_that_somebody_else_holds_are_waited_for(world: World) -> None:
    """Somebody was killed while looking at them: they come back by themselves, and then they are replayed."""
    world.die("a1")
    DeadLetterQueue(cast("Any", world.sqs), DEAD).receive()
    assert world.replay().done
    assert world.main.bodies() == ["a1"]


def test_letters_that_somebody_else_keeps_are_reported(world: World) -> None:
    """They remain, so the run has not done what it was to do."""
    world.die("a1")
    DeadLetterQueue(cast("Any", world.sqs), DEAD).receive()
    world.dead.messages[0].visible_at += 3600
    summary = world.replay()
    assert (summary.elsewhere, summary.done) == (1, False)


def test_a_count_that_lags_is_nobody_who_holds_letters(world: World) -> None:
    """What was looked at a moment ago may still count as invisible: the selected letters went, so all is done."""
    first, _ = world.die("a1", "a2")
    real = world.sqs.get_queue_attributes

    def lagging(**request: Any) -> dict[str, Any]:
        answer = real(**request)
        answer["Attributes"]["ApproximateNumberOfMessagesNotVisible"] = "2"
        return answer

    world.sqs.get_queue_attributes = lagging  # type: ignore[method-assign]
    summary = settled(world).replay(Selection(ids=frozenset({first})))
    assert (summary.sent, summary.elsewhere, summary.done) == (1, 0, True)


def test_an_interrupted_run_puts_back_what_it_holds(world: World) -> None:
    """Ctrl-C: what was sent is deleted, the rest is where it was, at once and in order."""
    world.die(*(f"a{number}" for number in range(30)))

    def interrupt(sent: int) -> None:
        if sent >= 10:
            raise KeyboardInterrupt

    world.interrupt = interrupt
    summary = settled(world).replay()
    assert (summary.aborted, summary.sent, summary.done) == ("interrupted", 10, False)
    assert world.dead.left() == [f"a{number}" for number in range(10, 30)]
    assert all(message.visible_at <= world.sqs.now for message in world.dead.messages)


def test_the_next_run_does_not_wait_for_what_a_killed_one_held(world: World) -> None:
    """The journal has the receipt handles."""
    world.die(*(f"a{number}" for number in range(12)))
    world.sqs.before = at(world, 1, "send", _die)
    with pytest.raises(Killed):
        settled(world).replay()
    _revive(world, 0)
    began = world.sqs.now
    assert world.replay().done
    assert world.sqs.now - began < 5
    assert world.main.bodies() == [f"a{number}" for number in range(12)]


def _die(_call: str) -> None:
    raise Killed


def _revive(world: World, seconds: float) -> None:
    world.sqs.before = world.sqs.after = lambda _call: None
    world.sqs.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Fault:
    """At this step (a call to SQS, before or after its effect, or a line of the journal, before, in the midst, after)
    the process dies or loses an answer; then so many seconds pass."""

    step: int
    killed: bool
    pause: int


class MortalJournal(Journal):
    """A journal whose process may die while it writes: before the line, in the midst of it, or after it."""

    step: Callable[[str], None]

    def _write(self, entry: dict[str, Any], *, durable: bool) -> None:
        type(self).step("journal, before")
        try:
            type(self).step("journal, midway")
        except Killed:
            os.write(self._file, b'{"at": "2026-01-01T00:00:00+00:00", "sen')
            raise
        super()._write(entry, durable=durable)
        type(self).step("journal, after")


LETTERS = st.lists(st.sampled_from("abc"), min_size=1, max_size=30)
FAULTS = st.lists(
    st.builds(Fault, st.integers(1, 60), st.booleans(), st.sampled_from([0, 1, 25, 290, 301, 4000])), max_size=6
)
REFUSED = st.sets(st.tuples(st.sampled_from(["send", "delete", "hide"]), st.integers(1, 60)), max_size=5)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(groups=LETTERS, faults=FAULTS, refused=REFUSED)
def test_nothing_is_lost_doubled_or_out_of_order(
    groups: list[str], faults: list[Fault], refused: set[tuple[str, int]]
) -> None:
    """Killed, cut off or refused at any step, again and again: in the end every letter has arrived, in the order of
    its group, and a second copy comes at most right behind the first, where the registrar sees it as `superseded`."""
    with tempfile.TemporaryDirectory() as home, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _file: None)  # no power cut here, and a thousand of them take long
        world = World(Path(home) / "journal.jsonl", journal_type=MortalJournal)
        letters = [f"{group}{number}" for number, group in enumerate(groups)]
        for letter, group in zip(letters, groups, strict=True):
            world.die(letter, group=group)
        world.sqs.sleep(10)
        entries = iter(range(1, 1_000_000))
        world.sqs.refuse = lambda call, _what: (call, next(entries)) in refused
        for fault in faults:
            with _faulty(world, fault):
                world.replay()
            world.sqs.sleep(fault.pause)
            _check(world, letters, faults)
        world.sqs.refuse = lambda _call, _what: False
        with _faulty(world, Fault(10**9, killed=False, pause=0)):
            assert world.replay().done
        assert world.dead.left() == []
        _check(world, letters, faults)


class _faulty:  # noqa: N801 - it reads as a function
    """While the block runs, the fault is due. A process that died stays dead: nothing that it does has an effect."""

    def __init__(self, world: World, fault: Fault) -> None:
        steps = 0
        dead = False

        def step(name: str) -> None:
            nonlocal steps, dead
            steps += 1
            if dead or (steps == fault.step and fault.killed):
                dead = True
                raise Killed
            if steps == fault.step and not name.startswith("journal"):
                raise EndpointConnectionError(endpoint_url="https://sqs.example")

        world.sqs.before = world.sqs.after = step
        MortalJournal.step = staticmethod(step)

    def __enter__(self) -> None:
        """The fault is set."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, Killed | EndpointConnectionError)


def _check(world: World, letters: list[str], faults: list[Fault]) -> None:
    for group in "abc":
        order = [letter for letter in letters if letter[0] == group]
        arrived = world.main.bodies(group)
        once = [letter for letter, _ in groupby(arrived)]
        assert once == order[: len(once)], "out of order, or a copy behind a later letter"
        assert set(order) <= {*arrived, *world.dead.left(group)}, "lost"
        assert len(arrived) - len(once) <= len(faults), "more copies than faults"
        if all(fault.pause < 300 for fault in faults) and sum(fault.pause for fault in faults) < 200:
            assert arrived == once, "a copy although SQS remembers the first"
