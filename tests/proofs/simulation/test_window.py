"""A stuck event with a large backlog fills the queue's window: it starves the others until somebody repairs it."""

from __future__ import annotations

import pytest

from tests.proofs.simulation.campaign import quiet
from tests.proofs.simulation.faults import Fault
from tests.proofs.simulation.queues import QUEUE
from tests.proofs.simulation.scheduler import SECOND
from tests.proofs.simulation.simulation import RunSettings, Simulation
from tests.support.fake_sqs import WINDOW
from workers.aws.messages import command_group, encode
from workers.domain.commands import Register

STUCK, OTHER = "e", "e-1"
BACKLOG = 30


class WindowRun:
    """A history of two events. `seen` has, at some moments, the groups of the queue and how often each was received."""

    def __init__(self, window: int) -> None:
        self.sim = Simulation(RunSettings(1, keep=frozenset(), without=frozenset(Fault)))
        self.sim.sqs.window = window
        self.seen: list[dict[str, int]] = []

    def run(self, *, by_hand: bool) -> None:
        """One event gets stuck after 5 s. It is repaired by command after a minute, and maybe by hand after ten."""
        later, recount = self.sim.scheduler.after, self.sim.operator.recount
        later(0, lambda: self._send(STUCK, "first"))
        later(5 * SECOND, lambda: self._get_stuck(by_hand=by_hand))
        later(60 * SECOND, self._look)
        later(60 * SECOND, lambda: recount([STUCK], lambda: None))
        later(600 * SECOND, self._look)
        with quiet():
            assert self.sim.run().violation is None
        self._look()

    def _get_stuck(self, *, by_hand: bool) -> None:
        """Damage the ledger of an event for which many come; then somebody comes for the other event."""
        put_back = self.sim.nemesis.damage_ledger(STUCK)
        assert put_back is not None
        if by_hand:
            self.sim.scheduler.after(600 * SECOND, put_back)
        self._send(STUCK, *(f"user-{number}" for number in range(BACKLOG)))
        self._send(OTHER, "late")

    def _send(self, event_id: str, *users: str) -> None:
        for user in users:
            command = Register(self.sim.new_id(), event_id, user, 1, self.sim.scheduler.now)
            self.sim.sqs.send_message(
                QueueUrl=QUEUE,
                MessageBody=encode(command),
                MessageGroupId=command_group(command),
                MessageDeduplicationId=command.command_id,
            )

    def _look(self) -> None:
        receives: dict[str, int] = {}
        for message in self.sim.sqs.queue(QUEUE).messages:
            group = "recount" if message.group.startswith("recount-") else message.group
            receives[group] = max(message.receives, receives.get(group, 0))
        self.seen.append(receives)


def test_a_stuck_event_starves_the_others_beyond_the_window() -> None:
    """With a backlog beyond the window nobody is handed the other event's command, nor the repair that would help. When
    the ledger is put right by hand, everything is decided."""
    run = WindowRun(window=BACKLOG)
    run.run(by_hand=True)
    early, late, end = run.seen
    assert early[STUCK] > 3
    assert early[OTHER] == 0
    assert (late[OTHER], late["recount"]) == (0, 0)
    assert end == {}


def test_set_aside_a_stuck_event_lets_the_others_go_on() -> None:
    """With a redrive policy of one receive SQS moves its failing commands away. So the other event is decided, and the
    repair is found that had been sent in vain. What was moved is replayed, and everything is decided."""
    run = WindowRun(window=BACKLOG)
    run.sim.scheduler.after(300 * SECOND, lambda: setattr(run.sim.sqs, "most_receives", 1))
    run.sim.scheduler.after(590 * SECOND, lambda: setattr(run.sim.sqs, "most_receives", None))
    run.run(by_hand=False)
    early, late, end = run.seen
    assert (early[OTHER], late, end) == (0, {}, {})
    assert len(run.sim.parked) >= 10


@pytest.mark.parametrize("window", [BACKLOG + 1, WINDOW])
def test_within_the_window_others_go_on(window: int) -> None:
    """With the backlog inside the window the other event is decided while one is stuck, and the repair is found."""
    run = WindowRun(window)
    run.run(by_hand=False)
    early, late, end = run.seen
    assert early[STUCK] > 3
    assert OTHER not in early
    assert late == end == {}
