"""Has the registrar mend ledgers.

Only the registrar writes them, here as everywhere: what was counted goes to it as a `Recount` of that version.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING

from infra.cli.reconcile.findings import LedgerFinding
from infra.cli.reconcile.recount import Recounter
from infra.cli.reconcile.waiting import wait_for_registrar
from workers.aws.send import send, send_all
from workers.domain.commands import Recount
from workers.domain.records import Ledger
from workers.promoter import promotion

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from workers.aws.clock import Clock

_ROUNDS = 3
"""If a ledger moves on before its count is decided, another count is sent: so many at most."""


class LedgerRepairer:
    """Mends ledgers: sends what was counted, waits, and looks again."""

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

    def mend(self, found: Mapping[str, LedgerFinding]) -> dict[str, LedgerFinding]:
        """Mends what is due among the findings; answers what is found there afterwards.

        An event is left out of the answer if the registrar has not decided its count in time, which may still happen.
        Raises what the clients raise, and Overloaded.
        """
        due = {event_id: finding for event_id, finding in found.items() if finding.due}
        mended: dict[str, LedgerFinding] = {}
        for _ in range(_ROUNDS):
            versions = {event_id: finding.version for event_id, finding in due.items()}
            for finding in due.values():
                send(self._sqs, self._queue_url, self._command(finding))
            decided = sorted(versions.keys() - wait_for_registrar(partial(self._unmoved, versions), self._clock))
            if not decided:
                break
            self._promote(decided)
            looked = self._recounter.look(decided).findings
            mended |= looked
            due = {event_id: finding for event_id, finding in looked.items() if finding.due}
        return mended

    def _command(self, finding: LedgerFinding) -> Recount:
        assert finding.count is not None  # noqa: S101 - for the type checker: it is due
        return Recount(self._new_id(), finding.event_id, finding.version, finding.count, finding.at)

    def _unmoved(self, versions: Mapping[str, int]) -> set[str]:
        ledgers = self._recounter.readable(versions)
        return {key for key, version in versions.items() if key not in ledgers or ledgers[key].version == version}

    def _promote(self, event_ids: Collection[str]) -> None:
        """The ledger's stream asks for these promotions too, if it works. SQS takes them: their version is new."""

        def promotable() -> dict[str, Ledger]:
            return {key: ledger for key, ledger in self._recounter.readable(event_ids).items() if ledger.promotable}

        now = self._clock.now()
        send_all(self._sqs, self._queue_url, [promotion(key, one.version, now) for key, one in promotable().items()])
        wait_for_registrar(promotable, self._clock)
