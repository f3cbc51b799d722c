"""Totals the registrations of events, and judge their ledgers by the counts.

A count sees one state of an event although it reads many items: registrations that matter change only in one
transaction with their ledger, so none has changed between two readings of the same ledger version. The table itself is
read, strongly consistent, because an index may lag, and a person whom the count misses would lose the seat to someone
else. For the same reason every registration is read, even if it names no event or a wrong one: a registration's id
derives from its event and its user, so the id shows whether it belongs to an event, whatever the item says.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from infra.cli.reconcile.findings import LedgerFinding, judge, open_ledger, with_doubts
from workers.aws.items import (
    DECODE_ERRORS,
    Item,
    event_key,
    registration_from_item,
)
from workers.aws.load import DecisionTables, batch_get
from workers.domain.records import Ledger, Registration, registration_id
from workers.domain.recount import TotalsBuilder

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from workers.aws.clock import Clock

_PAUSE = 1.0
"""Seconds before the registrations are read, and after that if anything seems wrong: a transaction becomes visible item
by item, and the promotion for a seat that was just released is on its way."""
_ATTEMPTS = 3
"""The number of times that an event is counted before it is reported as busy."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The findings by event id, without unknown events, and the number of registrations that were read.

    `strays` says which registrations name no event and belong to none (only if all events were counted). `erased` are
    the active registrations of erased users.
    """

    findings: Mapping[str, LedgerFinding]
    registrations: int
    strays: tuple[str, ...]
    erased: tuple[Registration, ...] = ()


@dataclass(frozen=True, slots=True)
class _MisfiledRegistration:
    """A registration whose id does not match the event and the user that its item names, if it names them."""

    key: str
    event_id: str | None
    user_id: str | None

    def belongs_to(self, event_id: str) -> bool:
        """Tell whether it belongs to this event, although its item does not say so."""
        if self.user_id is None or self.event_id == event_id:
            return False
        return registration_id(event_id, self.user_id) == self.key

    @property
    def nameless(self) -> bool:
        """Tell whether it may belong to any event and user."""
        return self.event_id is None and self.user_id is None


@dataclass(slots=True)
class Accumulator:
    """Adds registrations up by event."""

    erased_users: Collection[str] = ()
    tallies: dict[str, TotalsBuilder] = field(default_factory=dict)
    misfiled: list[_MisfiledRegistration] = field(default_factory=list)
    erased: list[Registration] = field(default_factory=list)
    read: int = 0

    def add(self, item: Item, wanted: Collection[str] | None) -> None:
        """Totals a registration if its event is wanted."""
        key = item["registrationId"]["S"]
        event_id, user_id = (item.get(name, {}).get("S") for name in ("eventId", "userId"))
        self.read += 1
        if event_id is None or user_id is None or registration_id(event_id, user_id) != key:
            self.misfiled.append(_MisfiledRegistration(key, event_id, user_id))
        if event_id is None or (wanted is not None and event_id not in wanted):
            return
        try:
            record = registration_from_item(item)
        except DECODE_ERRORS as error:
            self.tally(event_id).add_undecodable(key, error)
            return
        self.tally(event_id).add(key, record)
        if record.is_active and user_id in self.erased_users:
            self.erased.append(record)

    def tally(self, event_id: str) -> TotalsBuilder:
        """Return the tally of one event, which is empty if it has no registrations."""
        return self.tallies.setdefault(event_id, TotalsBuilder())

    def reassign(self, event_ids: Collection[str]) -> list[_MisfiledRegistration]:
        """Add misfiled registrations to the tallies of these events, and return those that belong to none of them."""
        left = []
        for record in self.misfiled:
            owners = [event_id for event_id in event_ids if record.belongs_to(event_id)]
            for event_id in owners:
                self.tally(event_id).add_stray(record.key, record.event_id)
            left += [] if owners else [record]
        return left


class Recounter:
    """Counts the registrations in the tables of one deployment.

    `note` receives the number of registrations read so far; `erased` are users who must not have any.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        clock: Clock,
        tables: DecisionTables,
        note: Callable[[int], None] = lambda _: None,
        erased: Collection[str] = (),
    ) -> None:
        self._client = client
        self._clock = clock
        self._tables = tables
        self._note = note
        self._erased = erased

    def recount(self, event_ids: Collection[str] | None = None, attempts: int = _ATTEMPTS) -> Reconciliation:
        """Totals the registrations of some events, or of all.

        Either way this reads the whole registrations table, and up to `attempts` times if ledgers change meanwhile.
        Raises what the client raises, and Overloaded.
        """
        before = self.ledgers(event_ids)
        self._clock.sleep(_PAUSE)
        counted = self._read(event_ids)
        ids = sorted(before.keys() | counted.tallies.keys() | set(event_ids or ()))
        misfiled = counted.reassign(ids)
        found = with_doubts(self._judge(ids, before, counted), [record.key for record in misfiled if record.nameless])
        if not all(finding.sound for finding in found.values()):
            self._clock.sleep(_PAUSE)
        after, now = self.ledgers(event_ids), self._clock.now()
        moved = {event_id for event_id in ids if before.get(event_id) != after.get(event_id)}
        again = Reconciliation({event_id: LedgerFinding(event_id, busy=True) for event_id in moved}, 0, ())
        if moved and attempts > 1:
            again = self.recount(sorted(moved), attempts - 1)
        still = {event_id: replace(finding, at=now) for event_id, finding in found.items() if event_id not in moved}
        strays = [f"registration {record.key} names no event" for record in misfiled if record.event_id is None]
        erased = [record for record in counted.erased if record.event_id not in moved]
        return Reconciliation(
            {**still, **again.findings},
            counted.read,
            tuple(strays) if event_ids is None else (),
            (*erased, *again.erased),
        )

    def ledgers(self, event_ids: Collection[str] | None) -> dict[str, Item]:
        """Return the stored ledgers of some events, or of all."""
        table = self._tables.ledger
        if event_ids is not None:
            keys = [event_key(event_id) for event_id in event_ids]
            items = batch_get(self._client, self._clock, {table: keys})[table]
        else:
            pages = self._client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
            items = [item for page in pages for item in page["Items"]]
        return {item["eventId"]["S"]: item for item in items}

    def readable(self, event_ids: Collection[str]) -> dict[str, Ledger]:
        """Return the ledgers of these events, without those that are missing or cannot be read."""
        ledgers = {event_id: open_ledger(item) for event_id, item in self.ledgers(event_ids).items()}
        return {event_id: ledger for event_id, ledger in ledgers.items() if isinstance(ledger, Ledger)}

    def _read(self, event_ids: Collection[str] | None) -> Accumulator:
        counted, table = Accumulator(self._erased), self._tables.registrations
        pages = self._client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        for page in pages:
            for item in page["Items"]:
                counted.add(item, event_ids)
            self._note(counted.read)
        return counted

    def _judge(
        self, event_ids: Collection[str], ledgers: Mapping[str, Item], counted: Accumulator
    ) -> dict[str, LedgerFinding]:
        """Judge each event, and leave out unknown ones."""
        table = self._tables.events
        keys = [event_key(event_id) for event_id in event_ids]
        items = batch_get(self._client, self._clock, {table: keys})[table] if keys else []
        events = {item["eventId"]["S"]: item for item in items}
        found: dict[str, LedgerFinding] = {}
        for event_id in event_ids:
            finding = judge(event_id, ledgers.get(event_id), events.get(event_id), counted.tally(event_id))
            if finding is not None:
                found[event_id] = finding
        return found
