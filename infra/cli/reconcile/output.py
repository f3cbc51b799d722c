"""Format the result of `turnstile reconcile` for a terminal and for scripts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.cli.hints import suggest
from infra.cli.text import count_of

if TYPE_CHECKING:
    from infra.cli.reconcile.findings import LedgerFinding
    from infra.cli.reconcile.recount import Reconciliation
    from workers.domain.records import Ledger, Registration

MENDED, PROMOTING, NOT_MENDED, NOT_DECIDED = "mended", "promotion asked for", "not mended", "not decided"
"""The values of `repair` in the JSON output; only the first means that nothing remains to be done."""
CANCELLED = "cancelled"

_BUSY = "its ledger changed during every count, so its state is unknown; try again at a quieter time"


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    """A reconciliation and what a repair achieved; `repaired` and `cancelled` are None if none was requested.

    `repaired` has the findings after the repair, `cancelled` the ids of the registrations of erased users that are
    cancelled. A report on a single event includes a sound one.
    """

    found: Reconciliation
    repaired: Mapping[str, LedgerFinding] | None
    cancelled: Collection[str] | None
    single: bool

    @property
    def findings(self) -> list[LedgerFinding]:
        """Return the findings to print."""
        return [finding for _, finding in sorted(self.found.findings.items()) if self.single or not finding.sound]

    @property
    def done(self) -> bool:
        """Tell whether nothing is wrong, or everything that was is repaired."""
        sound = all(finding.sound or self._repair(finding) == MENDED for finding in self.findings)
        erased = all(record.registration_id in (self.cancelled or ()) for record in self.found.erased)
        return sound and erased and not self.found.strays

    def as_json(self) -> dict[str, Any]:
        """Return the object that `turnstile reconcile --json` prints, without the stage."""
        return {
            "findings": [self._finding_as_json(finding) for finding in self.findings],
            "events": len(self.found.findings),
            "registrations": self.found.registrations,
            "strays": list(self.found.strays),
            "erased": [self._erased_as_json(record) for record in self.found.erased],
        }

    def lines(self) -> Iterator[str]:
        """Return the report as lines of text."""
        for finding in self.findings:
            yield from self._describe(finding)
        for record in self.found.erased:
            name = f"registration {record.registration_id} at event {record.event_id!r}"
            repair = self._cancellation(record)
            yield f"{name} is {record.status}, of an erased user" + (f": {repair}" if repair else "")
        yield from self.found.strays
        wrong = [finding for finding in self.findings if not finding.sound]
        if not self.single:
            events = f"{count_of(len(wrong), 'event')} not sound" if wrong else "all events sound"
            erased = (
                f", {count_of(len(self.found.erased), 'registration')} of erased users" if self.found.erased else ""
            )
            strays = f", {count_of(len(self.found.strays), 'stray item')}" if self.found.strays else ""
            read = (
                f"{count_of(len(self.found.findings), 'event')}, {count_of(self.found.registrations, 'registration')}"
            )
            yield f"{read}: {events}{erased}{strays}"
        if self.repaired is None and any(finding.repairable for finding in wrong):
            yield "Nothing was changed; use --repair to have the registrar repair it."
        elif self.repaired is None and self.found.erased:
            yield "Nothing was changed; use --repair to have the registrar cancel it."

    def _repair(self, finding: LedgerFinding) -> str | None:
        """Return the result of the repair of one event, None if there was none."""
        if self.repaired is None or finding.sound:
            return None
        if not finding.repairable:
            return NOT_MENDED
        after = self.repaired.get(finding.event_id)
        if after is None:
            return NOT_DECIDED
        if after.free_seats and not after.differences:
            return PROMOTING
        return MENDED if after.sound else NOT_MENDED

    def _cancellation(self, record: Registration) -> str | None:
        """Return the result for a registration of an erased user, None if no repair was requested."""
        if self.cancelled is None:
            return None
        return CANCELLED if record.registration_id in self.cancelled else NOT_DECIDED

    def _describe(self, finding: LedgerFinding) -> Iterator[str]:
        name = f"event {finding.event_id!r}"
        if finding.sound:
            yield f"{name} is sound: {'it has no ledger yet' if finding.ledger is None else _seats(finding.ledger)}"
            return
        if finding.busy:
            yield f"{name}: {_BUSY}"
            return
        yield f"{name}: {_seats(finding.ledger)}"
        yield from (f"  {sentence}" for sentence in _wrong(finding))
        yield from self._describe_repair(finding)

    def _describe_repair(self, finding: LedgerFinding) -> Iterator[str]:
        repair, after = self._repair(finding), (self.repaired or {}).get(finding.event_id, finding)
        if repair == MENDED:
            yield f"  repaired: {_seats(after.ledger)}"
        elif repair == PROMOTING:
            yield f"  the ledger is repaired: {_seats(after.ledger)}; the promotion is queued behind other commands"
        elif repair == NOT_DECIDED:
            why = "has not decided it in time, or refused it because the clock of this machine is slow"
            yield f"  not repaired: the registrar {why}; see {suggest('top')} and {suggest('dlq list')}"
        elif repair == NOT_MENDED and finding.repairable:
            yield "  not repaired; afterwards:"
            yield from (f"    {sentence}" for sentence in _wrong(after))
        elif repair == NOT_MENDED:
            yield "  not repaired: a recount cannot repair this"

    def _finding_as_json(self, finding: LedgerFinding) -> dict[str, Any]:
        after = (self.repaired or {}).get(finding.event_id)
        return {
            "eventId": finding.event_id,
            "sound": finding.sound,
            "busy": finding.busy,
            "ledger": _ledger_as_json(finding.ledger),
            "counted": _ledger_as_json(finding.expected),
            "differences": list(finding.differences),
            "flaws": list(finding.flaws),
            "freeSeats": finding.free_seats,
            "repair": self._repair(finding),
            "ledgerAfter": _ledger_as_json(after.ledger if after is not None else None),
        }

    def _erased_as_json(self, record: Registration) -> dict[str, Any]:
        return {
            "registrationId": record.registration_id,
            "eventId": record.event_id,
            "status": str(record.status),
            "repair": self._cancellation(record),
        }


def _wrong(finding: LedgerFinding) -> Iterator[str]:
    yield from finding.differences
    yield from finding.flaws
    if finding.free_seats:
        waiting = len(finding.expected.waitlist) if finding.expected is not None else 0
        yield f"seats that are free while people are waiting: {finding.free_seats}, with {waiting} waiting"
    if finding.busy:
        yield _BUSY


def _seats(ledger: Ledger | None) -> str:
    if ledger is None:
        return "no readable ledger"
    taken = f"{ledger.confirmed} of {ledger.settings.capacity} seats taken"
    return f"{taken}, {len(ledger.waitlist)} waiting, ledger version {ledger.version}"


def _ledger_as_json(ledger: Ledger | None) -> dict[str, Any] | None:
    if ledger is None:
        return None
    return {
        "version": ledger.version,
        "capacity": ledger.settings.capacity,
        "confirmed": ledger.confirmed,
        "waiting": len(ledger.waitlist),
        "nextTicket": ledger.next_ticket,
    }
