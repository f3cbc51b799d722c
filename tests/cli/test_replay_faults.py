"""Replaying dead letters with faults at every step: killed, cut off, refused, again and again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.cli.dlq.journal import Journal
from tests.cli.replay_queues import ReplayQueues
from tests.support.fake_sqs import DEDUPLICATION, Killed


@dataclass(frozen=True, slots=True)
class InjectedFault:
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


MESSAGES = st.lists(st.sampled_from("abc"), min_size=1, max_size=30)
FAULTS = st.lists(
    st.builds(InjectedFault, st.integers(1, 60), st.booleans(), st.sampled_from([0, 1, 25, 290, 301, 4000])), max_size=6
)
SLOWNESS = st.sampled_from([(0.0, 0.0), (0.0, 0.0), (0.1, 0.0), (0.0, 55.0), (3.0, 55.0)])
"""The seconds that an answer takes, and the age of counts."""
REFUSED = st.sets(st.tuples(st.sampled_from(["send", "delete", "hide"]), st.integers(1, 60)), max_size=5)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(groups=MESSAGES, faults=FAULTS, refused=REFUSED, slowness=SLOWNESS)
def test_nothing_is_lost_doubled_or_out_of_order(
    groups: list[str], faults: list[InjectedFault], refused: set[tuple[str, int]], slowness: tuple[float, float]
) -> None:
    """Killed, cut off or refused at any step, again and again: in the end every message has arrived, in the order of
    its group, and a second copy comes at most right behind the first, where the registrar sees it as `superseded`."""
    with tempfile.TemporaryDirectory() as home, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _file: None)  # no power cut here, and a thousand of them take long
        queues = ReplayQueues(Path(home) / "journal.jsonl", journal_type=MortalJournal)
        messages = [f"{group}{number}" for number, group in enumerate(groups)]
        for message, group in zip(messages, groups, strict=True):
            queues.die(message, group=group)
        queues.sqs.sleep(10)
        began = queues.sqs.now
        queues.sqs.takes, lag = slowness
        queues.sqs.lags = lag, lag
        entries = iter(range(1, 1_000_000))
        queues.sqs.refuse = lambda call, _what: (call, next(entries)) in refused
        for fault in faults:
            with _faulty(queues, fault):
                queues.replay()
            queues.sqs.sleep(fault.pause)
            _check(queues, messages, faults, began)
        queues.sqs.refuse = lambda _call, _what: False
        with _faulty(queues, InjectedFault(10**9, killed=False, pause=0)):
            assert queues.replay().done
        assert queues.dead.left() == []
        _check(queues, messages, faults, began)


@contextmanager
def _faulty(queues: ReplayQueues, fault: InjectedFault) -> Iterator[None]:
    """While the block runs, the fault is due, and ends it. A process that died stays dead: nothing that it does has an
    effect."""
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

    queues.sqs.before = queues.sqs.after = step
    MortalJournal.step = staticmethod(step)
    with suppress(Killed, EndpointConnectionError):
        yield


def _check(queues: ReplayQueues, messages: list[str], faults: list[InjectedFault], began: float) -> None:
    for group in "abc":
        order = [message for message in messages if message[0] == group]
        arrived = queues.main.bodies(group)
        once = [message for message, _ in groupby(arrived)]
        assert once == order[: len(once)], "out of order, or a copy behind a later message"
        assert set(order) <= {*arrived, *queues.dead.left(group)}, "lost"
        assert len(arrived) - len(once) <= len(faults), "more copies than faults"
        if queues.sqs.now - began < DEDUPLICATION:
            assert arrived == once, "a copy although SQS remembers the first"
