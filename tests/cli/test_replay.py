"""Replaying dead letters: in order, once, nothing lost, whatever SQS does and whenever the process dies."""

from __future__ import annotations

import os
from itertools import pairwise

import pytest

from infra.cli.dlq.summary import Selection
from tests.cli.replay_world import DEAD, World, at, kill, revive, settled
from tests.support.fake_sqs import MAX_BYTES, Killed, lost_answer


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
    """Letters that are selected by their ids go, and no others."""
    first, second, _ = world.die("a1", "a2", "a3")
    summary = settled(world).replay(Selection(ids=frozenset({first, second})))
    assert (world.main.bodies(), world.dead.left(), summary.done) == (["a1", "a2"], ["a3"], True)


def test_a_letter_behind_one_that_is_not_selected_does_not_go(world: World) -> None:
    """A letter behind one that is not selected stays, for it would overtake, and is missed."""
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
    world.sqs.before = at(1, "delete", kill)
    with pytest.raises(Killed):
        settled(world).replay()
    revive(world, 3600)
    summary = world.replay()
    assert (world.main.bodies(), world.dead.left()) == (["a1", "a2"], [])
    assert (summary.sent, summary.done) == (0, True)


def test_a_lost_answer_is_not_a_second_message(world: World) -> None:
    """Nobody knows whether it was sent: it is sent again, and SQS recognises it."""
    world.die("a1", "a2")
    world.sqs.after = at(1, "send", lost_answer)
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

    world.sqs.after = at(1, "send", later)
    summary = settled(world).replay()
    assert (world.main.bodies(), world.dead.left(), summary.done) == (["a1", "a2"], ["a3"], False)
    assert "after the start" in summary.stops["e"].why


def test_a_letter_that_was_parked_a_moment_ago_is_replayed(world: World) -> None:
    """SQS tells its time in whole seconds: what is rounded away must not hide a letter."""
    world.die("a1")
    assert world.replay().done
    assert world.main.bodies() == ["a1"]


def test_a_letter_that_comes_back_at_once_is_known(world: World) -> None:
    """A letter that dies again, even in the same second, is known by the id of its replay and not sent again."""
    [first] = world.die("a1")
    world.sqs.after = at(1, "delete", lambda _: world.die("a1 again", replay_of=first))
    summary = world.replay()
    assert (world.main.bodies(), world.dead.left()) == (["a1"], ["a1 again"])
    assert "came back" in summary.stops["e"].why


def test_a_message_that_sqs_moves_back_is_known(world: World) -> None:
    """A replay that SQS itself moves back is known by the attribute that it keeps, and not sent again."""
    world.die("a1")

    def move(_call: str) -> None:
        [message] = world.main.messages
        world.dead.messages.append(message)

    world.sqs.after = at(1, "delete", move)
    summary = world.replay()
    assert (world.main.bodies(), summary.done) == (["a1"], False)
    assert "came back" in summary.stops["e"].why


def test_a_slow_run_keeps_its_pace_and_holds_nothing_meanwhile(world: World) -> None:
    """One letter in ten seconds: time passes between the letters, and none of them is sent on a lapsed hold."""
    world.die("a1", "a2", "a3", "a4")
    began = settled(world).sqs.now
    assert world.replay(rate=0.1).done
    assert world.sqs.now - began >= 40
    assert max(message.receives for message in world.dead.history) == 1
    sent = [message.sent_at for message in world.main.history]
    assert [round(later - earlier) for earlier, later in pairwise(sent)] == [10, 10, 10]


def test_the_time_that_the_work_takes_is_no_pause(world: World) -> None:
    """The rate is letters per second, however slow the calls are: what they took is taken off the pause."""
    world.die("a1", "a2", "a3", "a4")
    settled(world).sqs.takes = 0.5
    world.replay(rate=0.1)
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
    world.sqs.after = at(1, "send", lambda _: world.sqs.sleep(3600))
    summary = settled(world).replay()
    assert (world.main.bodies(), world.dead.left(), summary.sent) == (["a1", "a2", "a3"], [], 3)
    calls = [call for call in world.sqs.calls if call in {"receive", "send"}]
    assert calls == ["receive", "send", "receive", "send", "send", "receive"]


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
    """What a killed run held is set free at once by the next one, which has the receipt handles from the journal."""
    world.die(*(f"a{number}" for number in range(12)))
    world.sqs.before = at(1, "send", kill)
    with pytest.raises(Killed):
        settled(world).replay()
    revive(world, 0)
    began = world.sqs.now
    world.lag = 0
    assert world.replay().done
    assert world.sqs.now - began < 5
    assert world.main.bodies() == [f"a{number}" for number in range(12)]


def test_what_there_is_no_time_for_is_given_back(world: World) -> None:
    """The machine was slow, but the holds have not lapsed yet: the rest is handed out again at once."""
    world.die("a1", "a2", "a3")
    world.sqs.after = at(1, "send", lambda _: world.sqs.sleep(11))
    began = settled(world).sqs.now
    world.lag = 0
    assert world.replay().done
    assert world.main.bodies() == ["a1", "a2", "a3"]
    assert world.sqs.now - began < 15


def test_slow_answers_do_no_harm(world: World) -> None:
    """Three seconds for each: less is done on one hold, and nothing twice."""
    for number in range(6):
        world.die(*(f"{number}-{index}" for index in range(5)), group=f"e{number}")
    world.sqs.takes = 3
    assert settled(world).replay().done
    assert (len(world.main.history), world.dead.left()) == (30, [])
    for number in range(6):
        assert world.main.bodies(f"e{number}") == [f"{number}-{index}" for index in range(5)]


def test_long_letters_go_in_several_calls(world: World) -> None:
    """Letters that are too long for one call together go in several."""
    bodies = [str(number) * 150_000 for number in range(10)]
    for number, body in enumerate(bodies):
        world.die(body, group=f"e{number}")
    assert settled(world).replay().done
    assert world.main.bodies() == bodies


def test_a_letter_that_is_too_long_stops_its_group_and_no_other(world: World) -> None:
    """A letter that just fitted without the attribute of a replay stops its group with the reason, and no other."""
    world.die("x" * (MAX_BYTES - 20), "a2", group="a")
    world.die("b1", group="b")
    summary = settled(world).replay()
    assert (world.main.bodies(), summary.aborted, summary.done) == (["b1"], None, False)
    assert summary.stops["a"].why == "SQS did not accept it: it is too long"


def test_a_disk_that_is_full_leaves_the_letters_where_they_were(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQS has said yes, and it cannot be written down: it says how many, all are visible again, and a run with room
    that comes soon is recognised by SQS."""
    world.die("a1", "a2")
    write = os.write

    def full(file: int, data: bytes) -> int:
        return write(file, data) if b'"sent"' not in data and b'"freed"' not in data else 0

    monkeypatch.setattr(os, "write", full)
    summary = settled(world).replay()
    assert (summary.aborted or "").startswith("1 were sent but could not be recorded: ")
    assert (summary.sent, summary.done, world.dead.left()) == (1, False, ["a1", "a2"])
    assert all(message.visible_at <= world.sqs.now for message in world.dead.messages)
    monkeypatch.setattr(os, "write", write)
    assert world.replay().done
    assert world.main.bodies() == ["a1", "a2"]
