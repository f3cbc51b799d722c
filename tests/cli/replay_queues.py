"""Two in-memory queues, a journal on disk, and replays between them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from infra.cli.dlq.dead_letters import LAG, DeadLetterQueue
from infra.cli.dlq.journal import Journal
from infra.cli.dlq.recovery import recover
from infra.cli.dlq.replay import ReplayRun
from infra.cli.dlq.summary import Selection, Summary
from tests.support.fake_sqs import FakeSqs, Fifo, Killed
from workers.aws.send import ReceivedMessage, park

DEAD, MAIN = "dead.fifo", "main.fifo"


@dataclass(slots=True)
class ReplayQueues:
    """The queues and the journal of a replay. A test may set another type of journal, and the lag."""

    path: Path
    sqs: FakeSqs = field(default_factory=FakeSqs)
    journal_type: Callable[[Path], Journal] = Journal
    lag: int = LAG

    @property
    def dead(self) -> Fifo:
        """The dead-letter queue."""
        return self.sqs.queue(DEAD)

    @property
    def main(self) -> Fifo:
        """The main queue."""
        return self.sqs.queue(MAIN)

    def die(self, *bodies: str, group: str = "e", replay_of: str | None = None) -> list[str]:
        """Park messages as the registrar does, and return their ids in the dead-letter queue."""
        client = cast("Any", self.sqs)
        return [
            park(client, DEAD, ReceivedMessage(f"main-{body}", "", group, 3, body, replay_of), "failed: Trouble", "now")
            for body in bodies
        ]

    def receive(self, number: int = 10) -> None:
        """Receive messages as another process would."""
        DeadLetterQueue(cast("Any", self.sqs), DEAD, self.sqs.clock).receive(number)

    def replay(self, selection: Selection | None = None, rate: float | None = None) -> Summary:
        """Run the command, from opening the journal to the end."""
        client = cast("Any", self.sqs)
        queue = DeadLetterQueue(client, DEAD, self.sqs.clock)
        with self.journal_type(self.path) as journal:
            recover(queue, journal)
            return ReplayRun(
                queue=queue,
                sqs=client,
                main_url=MAIN,
                journal=journal,
                clock=self.sqs.clock,
                selection=selection or Selection(),
                rate=rate,
                lag=self.lag,
                outlooks=lambda _messages: {},
                uninterrupted=nullcontext,
                progress=lambda _sent: None,
            ).run()


def at(number: int, call: str, act: Callable[[str], object]) -> Callable[[str], None]:
    """Return a hook that acts at the n-th call of a kind."""
    seen = 0

    def hook(name: str) -> None:
        nonlocal seen
        seen += name == call
        if name == call and seen == number:
            act(name)

    return hook


def settled(queues: ReplayQueues, seconds: float = 10) -> ReplayQueues:
    """Let time pass, so that the messages are older than the next run."""
    queues.sqs.sleep(seconds)
    return queues


def kill(_call: str) -> None:
    """Kill the process at this call."""
    raise Killed
