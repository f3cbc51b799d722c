"""An operator who replays and discards dead letters and recounts ledgers with the product's own code."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from botocore.exceptions import BotoCoreError, ClientError

from infra.cli.dlq.dead_letters import DeadLetterQueue
from infra.cli.dlq.discard import discard
from infra.cli.errors import CliError
from infra.cli.reconcile.recount import Recounter
from infra.cli.reconcile.repairer import LedgerRepairer
from tests.proofs.simulation.faults import Fault
from tests.proofs.simulation.queues import DEAD_LETTERS, QUEUE
from tests.proofs.simulation.scheduler import SECOND, ProcessEnd
from workers.aws.clients import Overloaded
from workers.aws.clock import Clock
from workers.aws.dead_letters import DeadLetter, replay_entry
from workers.domain.commands import Cancel, Command, Recount, Register

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

    from infra.cli.dlq.journal import Journal
    from tests.proofs.simulation.simulation import Simulation

_HOPELESS = ("unreadable:", "event-not-found:")
"""Reasons for which a replayed message is parked again."""


class Operator:
    """Comes when there is a dead letter, until there is none, and recounts on request."""

    def __init__(self, sim: Simulation, dynamodb: DynamoDBClient, sqs: SQSClient) -> None:
        self._sim = sim
        self._dynamodb = dynamodb
        self._sqs = sqs
        self._clock = Clock(lambda: sim.scheduler.now, self._sleep)
        self._letters = DeadLetterQueue(sqs, DEAD_LETTERS, self._clock)
        self._chance = sim.chance("operator")
        self._visits = 0
        self._expected = False
        self._replayed: set[str] = set()
        self.discarded: list[Command] = []

    def letter_arrived(self) -> None:
        """Schedule a visit for a new dead letter."""
        if not self._expected:
            self._expected = True
            self._visit("operator", self._work_off, self._leave, self._chance.randrange(5 * SECOND, 120 * SECOND))

    def recount(self, event_ids: Collection[str] | None, then: Callable[[], None]) -> None:
        """Check these events, or all, and repair their ledgers; call `then` when that is done or has failed."""

        def work() -> None:
            recounter = Recounter(self._dynamodb, self._clock, self._sim.tables.worker)
            mender = LedgerRepairer(recounter, self._sqs, QUEUE, self._clock, self._sim.new_id)
            mender.repair(recounter.recount(event_ids).findings)

        def ended(how: ProcessEnd) -> None:
            if how.error is not None and not isinstance(how.error, ClientError | BotoCoreError | Overloaded):
                raise how.error
            then()

        self._visit("recount", work, ended)

    def threw_away(self, command: Register | Cancel) -> bool:
        """Return whether this request was discarded."""
        what = (type(command), command.registration_id, command.generation)
        found = [other for other in self.discarded if isinstance(other, Register | Cancel)]
        return any((type(other), other.registration_id, other.generation) == what for other in found)

    def bereaved(self) -> set[str]:
        """Return the registrations with a discarded request."""
        return {command.registration_id for command in self.discarded if isinstance(command, Register | Cancel)}

    def _visit(self, name: str, work: Callable[[], None], then: Callable[[ProcessEnd], None], delay: int = 0) -> None:
        self._visits += 1
        name = f"{name}-{self._visits}"
        self._sim.scheduler.start(name, self._sim.chance(name), work, then, delay)

    def _sleep(self, seconds: float) -> None:
        self._sim.scheduler.current.pause(int(seconds * SECOND))

    def _leave(self, how: ProcessEnd) -> None:
        self._expected = False
        if how.error is not None and not isinstance(how.error, ClientError | BotoCoreError | CliError):
            raise how.error
        if self._sim.sqs.queue(DEAD_LETTERS).messages:
            self.letter_arrived()

    def _work_off(self) -> None:
        """Process the first ten dead letters, in order."""
        for letter in self._letters.receive():
            if self._is_hopeless(letter) or self._is_unwanted(letter):
                self._discard(letter)
            elif not self._replay(letter):
                break

    def _is_hopeless(self, letter: DeadLetter) -> bool:
        """Return whether a replay is hopeless: it would come back, or may be too old. Some are tried once anyway."""
        if isinstance(letter.command, Recount) or letter.reason.startswith(_HOPELESS):
            return letter.body in self._replayed or self._sim.scheduler.current.chance.random() < 0.5
        return False

    def _is_unwanted(self, letter: DeadLetter) -> bool:
        """Draw whether a request is discarded; cancellations more often than others."""
        chance, command = self._sim.scheduler.current.chance, letter.command
        times = 3 if isinstance(command, Cancel) else int(isinstance(command, Register))
        return any(self._sim.faults.happens(Fault.DISCARD, chance) for _ in range(times))

    def _replay(self, letter: DeadLetter) -> bool:
        """Replay a dead letter. Return False if it could not be sent: nothing may overtake it."""
        if self._sqs.send_message_batch(QueueUrl=QUEUE, Entries=[replay_entry("0", letter)])["Failed"]:
            return False
        self._replayed.add(letter.body)
        self._sim.count(Fault.REPLAY, letter.message_id)
        self._letters.delete({letter.message_id: letter.receipt_handle})
        return True

    def _discard(self, letter: DeadLetter) -> None:
        sim, why = self._sim, "it was not wanted"
        journal = cast("Journal", _Journal(self, letter))
        fate = discard(self._letters, self._dynamodb, sim.tables.registrations, journal, letter, why)
        sim.count(Fault.DISCARD, f"{letter.message_id}: {fate}")


class _Journal:
    """The journal of discards."""

    def __init__(self, operator: Operator, letter: DeadLetter) -> None:
        self._operator = operator
        self._letter = letter

    def note_discarded(self, _letter_id: str, _what: dict[str, object]) -> None:
        command = self._letter.command
        if not isinstance(command, Exception):
            self._operator.discarded.append(command)
