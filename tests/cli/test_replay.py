"""Replaying dead letters: in order, once, nothing lost, whatever SQS does and whenever the process dies.

test_replay_faults.py holds order, single delivery and recovery against faults at every step; here are the cases with
an outcome of their own.
"""

from __future__ import annotations

import os
from itertools import pairwise

import pytest

from infra.cli.dlq.summary import Selection
from tests.cli.replay_queues import DEAD, ReplayQueues, at, settled
from tests.support.fake_sqs import MAX_BYTES, lost_answer


def test_a_replayed_message_names_the_dead_letter(queues: ReplayQueues) -> None:
    """It has the same body and group, the dead letter's id, and a deduplication id that is new but always the same."""
    [message_id] = queues.die("a")
    parked = queues.dead.history[0].deduplication_id
    settled(queues).replay()
    [message] = queues.main.history
    assert (message.body, message.group) == ("a", "e")
    assert message.attributes == {"replayOf": {"DataType": "String", "StringValue": message_id}}
    assert message.deduplication_id != parked
    queues.sqs.queue(DEAD).messages.append(queues.dead.history[0])
    queues.path.unlink()
    queues.replay()
    assert len(queues.main.history) == 1, "SQS must recognize the second attempt"


@pytest.mark.parametrize(("chosen", "sent"), [([0, 1], ["a1", "a2"]), ([1], [])])
def test_only_the_selected_messages_go(queues: ReplayQueues, chosen: list[int], sent: list[str]) -> None:
    """Messages selected by id go; one behind a message that is not selected stays and is reported as missing."""
    ids = queues.die("a1", "a2", "a3")
    wanted = frozenset(ids[index] for index in chosen)
    summary = settled(queues).replay(Selection(ids=wanted))
    assert (queues.main.bodies(), summary.done) == (sent, bool(sent))
    assert summary.missing == ([] if sent else sorted(wanted))


def test_a_lost_answer_ends_the_run(queues: ReplayQueues) -> None:
    """If the answer is lost, the run is aborted with the reason; the next one completes it."""
    queues.die("a1", "a2")
    queues.sqs.after = at(1, "send", lost_answer)
    summary = settled(queues).replay()
    assert (summary.sent, summary.done, "sqs.example" in (summary.aborted or "")) == (0, False, True)
    assert queues.replay().done


def test_a_message_that_cannot_be_deleted_is_deleted_by_the_next_run(queues: ReplayQueues) -> None:
    """The message was sent: the run reports it and fails, and the next one only deletes it."""
    queues.die("a1")
    queues.sqs.refuse = lambda call, _what: call == "delete"
    summary = settled(queues).replay()
    assert (summary.sent, summary.undeleted, summary.done) == (1, 1, False)
    queues.sqs.refuse = lambda _call, _what: False
    queues.sqs.sleep(3600)
    summary = queues.replay()
    assert (summary.sent, summary.done, queues.main.bodies(), queues.dead.left()) == (0, True, ["a1"], [])


def test_messages_that_arrive_later_are_left(queues: ReplayQueues) -> None:
    """A run sends what was there at its start; otherwise a run that feeds itself would never end."""
    queues.die("a1", "a2")

    def later(_call: str) -> None:
        queues.sqs.sleep(5)
        queues.die("a3")

    queues.sqs.after = at(1, "send", later)
    summary = settled(queues).replay()
    assert (queues.main.bodies(), queues.dead.left(), summary.done) == (["a1", "a2"], ["a3"], False)
    assert "after the start" in summary.stops["e"].why


@pytest.mark.parametrize("mover", ["registrar", "SQS"])
def test_a_message_that_comes_back_at_once_is_recognized(queues: ReplayQueues, mover: str) -> None:
    """A message parked a moment ago is sent; if the registrar parks it again in the same second, or SQS moves it, its
    attribute keeps it from a second replay."""
    [first] = queues.die("a1")

    def come_back(_call: str) -> None:
        if mover == "SQS":
            queues.dead.messages.extend(queues.main.messages)
        else:
            queues.die("a1 again", replay_of=first)

    queues.sqs.after = at(1, "delete", come_back)
    summary = queues.replay()
    assert (queues.main.bodies(), summary.done) == (["a1"], False)
    assert "came back" in summary.stops["e"].why


@pytest.mark.parametrize("takes", [0.0, 0.5])
def test_a_slow_run_keeps_its_rate(queues: ReplayQueues, takes: float) -> None:
    """One message in ten seconds, however slow the calls are, and none is sent on a lapsed lease."""
    queues.die("a1", "a2", "a3", "a4")
    began = settled(queues).sqs.now
    queues.sqs.takes = takes
    assert queues.replay(rate=0.1).done
    assert queues.sqs.now - began >= 40
    assert max(message.receives for message in queues.dead.history) == 1
    sent = [message.sent_at for message in queues.main.history]
    assert [round(later - earlier) for earlier, later in pairwise(sent)] == [10, 10, 10]


def test_a_stopped_group_stays_stopped_for_hours(queues: ReplayQueues) -> None:
    """Messages that are not selected are held for the whole run, and not received again and again."""
    queues.die("b1", "b2", group="b")
    queues.die(*(f"a{number}" for number in range(100)), group="a")
    settled(queues).replay(Selection(groups=frozenset({"a"})), rate=0.05)
    assert queues.main.bodies() == [f"a{number}" for number in range(100)]
    assert max(message.receives for message in queues.dead.history if message.group == "b") == 1
    assert queues.dead.left() == ["b1", "b2"]


def test_nothing_is_sent_on_a_lapsed_lease(queues: ReplayQueues) -> None:
    """If the machine slept, others may have the messages by now, so they are received again first."""
    queues.die("a1", "a2", "a3")
    queues.sqs.after = at(1, "send", lambda _: queues.sqs.sleep(3600))
    summary = settled(queues).replay()
    assert (queues.main.bodies(), queues.dead.left(), summary.sent) == (["a1", "a2", "a3"], [], 3)
    calls = [call for call in queues.sqs.calls if call in {"receive", "send"}]
    assert calls == ["receive", "send", "receive", "send", "send", "receive"]


def test_messages_without_time_left_are_released(queues: ReplayQueues) -> None:
    """If the machine was slow but the leases have not lapsed, the rest is received again at once."""
    queues.die("a1", "a2", "a3")
    queues.sqs.after = at(1, "send", lambda _: queues.sqs.sleep(11))
    began, queues.lag = settled(queues).sqs.now, 0
    assert queues.replay().done
    assert queues.main.bodies() == ["a1", "a2", "a3"]
    assert queues.sqs.now - began < 15


def test_long_messages(queues: ReplayQueues) -> None:
    """Messages that are too long for one call go in several. A message that is too long with the attribute of a replay
    stops its group, and no other."""
    bodies = [str(number) * 150_000 for number in range(10)]
    for number, body in enumerate(bodies):
        queues.die(body, group=f"e{number}")
    assert settled(queues).replay().done
    assert queues.main.bodies() == bodies
    queues.die("x" * (MAX_BYTES - 20), "a2", group="a")
    queues.die("b1", group="b")
    summary = settled(queues).replay()
    assert (queues.main.bodies("b"), queues.main.bodies("a")) == (["b1"], [])
    assert (summary.aborted, summary.done) == (None, False)
    assert summary.stops["a"].why == "SQS did not accept it: it is too long"


def test_a_full_disk_leaves_the_messages(queues: ReplayQueues, monkeypatch: pytest.MonkeyPatch) -> None:
    """If SQS accepted messages that cannot be recorded, the run says how many, all are visible again, and SQS
    recognizes a run with room that follows soon."""
    queues.die("a1", "a2")
    write = os.write

    def full(file: int, data: bytes) -> int:
        return write(file, data) if b'"sent"' not in data and b'"freed"' not in data else 0

    monkeypatch.setattr(os, "write", full)
    summary = settled(queues).replay()
    assert (summary.aborted or "").startswith("1 were sent but could not be recorded: ")
    assert (summary.sent, summary.done, queues.dead.left()) == (1, False, ["a1", "a2"])
    assert all(message.visible_at <= queues.sqs.now for message in queues.dead.messages)
    monkeypatch.setattr(os, "write", write)
    assert queues.replay().done
    assert queues.main.bodies() == ["a1", "a2"]
