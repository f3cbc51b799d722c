"""Have the registrar repair ledgers.

Only the registrar writes ledgers, here as everywhere: it receives the counts as a `Recount` of one ledger version.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING

from infra.cli.reconcile.findings import LedgerFinding
from infra.cli.reconcile.recount import Recounter
from infra.cli.reconcile.waiting import wait_for_registrar
from workers.aws.send import promotion, send, send_all
from workers.domain.commands import Recount
from workers.domain.records import Ledger

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from workers.aws.clock import Clock

_ROUNDS = 3
"""The most counts that are sent for a ledger that changes before its count is decided."""


class LedgerRepairer:
    """Repairs ledgers: sends the counts, waits, and counts again."""

    def __init__(
        self,
        recounter: Recounter,
        sqs: SQSClient,
        queue_url: str,
        clock: Clock,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._recounter = recounter
        self._sqs = sqs
        self._queue_url = queue_url
        self._clock = clock
        self._new_id = new_id

    def repair(self, found: Mapping[str, LedgerFinding]) -> dict[str, LedgerFinding]:
        """Repair the repairable findings, and return the findings of these events afterwards.

        An event is missing from the result if the registrar has not decided its count in time; it may still do so.
        Raises what the clients raise, and Overloaded.
        """
        due = {event_id: finding for event_id, finding in found.items() if finding.repairable}
        repaired: dict[str, LedgerFinding] = {}
        for _ in range(_ROUNDS):
            versions = {event_id: finding.version for event_id, finding in due.items()}
            for finding in due.values():
                send(self._sqs, self._queue_url, self._command(finding))
            decided = sorted(versions.keys() - wait_for_registrar(partial(self._unmoved, versions), self._clock))
            if not decided:
                break
            self._promote(decided)
            after = self._recounter.recount(decided).findings
            repaired |= after
            due = {event_id: finding for event_id, finding in after.items() if finding.repairable}
        return repaired

    def _command(self, finding: LedgerFinding) -> Recount:
        assert finding.count is not None  # noqa: S101 - for the type checker: it is repairable
        return Recount(self._new_id(), finding.event_id, finding.version, finding.count, finding.at)

    def _unmoved(self, versions: Mapping[str, int]) -> set[str]:
        ledgers = self._recounter.readable(versions)
        return {key for key, version in versions.items() if key not in ledgers or ledgers[key].version == version}

    def _promote(self, event_ids: Collection[str]) -> None:
        """Send due promotions, in case the ledger stream does not work. SQS drops duplicates of the stream's."""

        def promotable() -> dict[str, Ledger]:
            return {key: ledger for key, ledger in self._recounter.readable(event_ids).items() if ledger.promotable}

        now = self._clock.now()
        send_all(
            self._sqs, self._queue_url, [promotion(key, ledger.version, now) for key, ledger in promotable().items()]
        )
        wait_for_registrar(promotable, self._clock)
