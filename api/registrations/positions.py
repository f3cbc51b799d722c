"""Make the waiters of a list and the ledgers agree, so that each entry that says `waitlisted` has its position.

Records and ledgers are read at different moments. Meanwhile people join, leave and come back, so a record may be newer
than the ledger beside it, or older. Every change of a waiter is committed together with the ledger: if the ledger is
read after the record and does not have its ticket, the record is the older one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from api.events.responses import Ledgers
from workers.aws.items import Item, event_key, registration_from_item, registration_key
from workers.domain.records import Registration, Status, waitlist_position

_MAX_READS = 5
"""The most times that records are read again. Each time, the person must have moved again within some milliseconds."""

Read = Callable[[dict[str, list[Item]]], dict[str, list[Item]]]
"""Reads items by table and key, strongly consistent."""


def settle_positions(
    records: Sequence[Registration],
    ledgers: Ledgers,
    belongs: Callable[[Registration, Registration], bool],
    read: Read,
    tables: tuple[str, str],
) -> tuple[list[Registration], Ledgers]:
    """Return the records and the ledgers, read again where a waiter has no position.

    `tables` are those of registrations and ledgers. `belongs` says whether a record that was read again (the first
    argument, instead of the second) still belongs to the page; others are left out. A waiter whose record has not
    changed, and who is not in a ledger that was read after it, is there without a position: that is damage, not a
    moment, as is a ledger that cannot be read or is lost.
    """
    registrations, ledger_table = tables
    found = list(records)
    damaged: set[Registration] = set()
    for number in range(_MAX_READS):
        lacking = (record for record in found if record not in damaged and _lacks_position(record, ledgers))
        stale = {record.registration_id: record for record in lacking}
        if not stale:
            return found, ledgers
        items = read({registrations: [registration_key(key) for key in stale]})[registrations]
        again = {record.registration_id: record for record in map(registration_from_item, items)}
        found = [
            again.get(record.registration_id, record)
            for record in found
            if record.registration_id not in again or belongs(again[record.registration_id], record)
        ]
        if number:  # the last ledger was read after the last record
            damaged.update(record for key, record in again.items() if record == stale[key])
        events = {record.event_id for record in stale.values()}
        ledgers = _read_again(ledgers, read, ledger_table, events)
    return [record for record in found if record in damaged or not _lacks_position(record, ledgers)], ledgers


def _read_again(ledgers: Ledgers, read: Read, table: str, events: set[str]) -> Ledgers:
    fresh = Ledgers.of(read({table: [event_key(event_id) for event_id in sorted(events)]})[table])
    return Ledgers(ledgers.decoded | fresh.decoded, ledgers.damaged | (events - fresh.decoded.keys()))


def _lacks_position(record: Registration, ledgers: Ledgers) -> bool:
    waits = record.status is Status.WAITLISTED and record.event_id not in ledgers.damaged
    return waits and waitlist_position(record, ledgers.decoded.get(record.event_id)) is None
