"""Open the dead-letter queue of a deployment and its journal for one run of `turnstile dlq`."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from infra.cli.deployment import Deployment
from infra.cli.dlq.browser import QueueSnapshot, browse
from infra.cli.dlq.dead_letters import DeadLetterQueue
from infra.cli.dlq.journal import Journal
from infra.cli.dlq.preview import Outlook, outlooks
from infra.cli.dlq.recovery import recover
from infra.cli.errors import CliError
from infra.cli.processes import Interrupts
from infra.cli.state_dir import StateDir
from workers.aws.clients import Overloaded
from workers.aws.clock import SYSTEM_CLOCK
from workers.aws.dead_letters import DeadLetter


@dataclass(frozen=True, slots=True)
class DlqSession:
    """The queue that a subcommand works on, and its journal."""

    deployment: Deployment
    queue: DeadLetterQueue
    journal: Journal
    interrupts: Interrupts

    @contextmanager
    def browse(self, wanted: Collection[str] = (), groups: Collection[str] = ()) -> Iterator[QueueSnapshot]:
        """Take a snapshot of the queue, as `infra.cli.dlq.browser.browse` does."""
        hold = self.interrupts.hold
        with browse(self.queue, SYSTEM_CLOCK, self.journal, hold, wanted=wanted, groups=groups) as snapshot:
            _report_deleted(snapshot.deleted)
            yield snapshot

    def outlooks(self, messages: Sequence[DeadLetter]) -> dict[str, Outlook]:
        """Return, by message id, what replaying these messages in their order would do."""
        return outlooks(self.deployment.clients.dynamodb, SYSTEM_CLOCK, self.deployment.outputs.tables, messages)


@contextmanager
def open_session(stage: str) -> Iterator[DlqSession]:
    """Open the queue and its journal, and recover from a killed run."""
    deployment = Deployment.resolve(stage)
    queue = DeadLetterQueue(deployment.clients.sqs, deployment.outputs.dead_letter_queue_url, SYSTEM_CLOCK)
    try:
        with Interrupts() as interrupts, Journal(StateDir().path / f"dead-letters-{stage}.jsonl") as journal:
            _report_deleted(recover(queue, journal))
            yield DlqSession(deployment, queue, journal, interrupts)
    except (ClientError, BotoCoreError, Overloaded) as error:
        raise CliError(f"an AWS request failed: {error}") from error


def _report_deleted(number: int) -> None:
    if number:
        print(f"deleted {number} messages that an earlier run had sent", file=sys.stderr)
