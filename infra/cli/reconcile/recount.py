"""Does each ledger say what its event's registrations add up to?

A look sees one state of an event, although it reads many items: registrations that count change only in one
transaction with their ledger, so none has changed between two readings of a ledger that is the same both times. The
table itself is read, strongly consistent: an index may lag, and whom a count misses loses her seat to somebody else.
For that reason every registration is looked at, also those that name no event or another one: a registration's id is
made of its event and its user, so it tells whether it belongs to an event, whatever its item says.
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
from workers.aws.load import Tables, batch_get
from workers.domain.records import Ledger, Registration, registration_id
from workers.domain.recount import TotalsBuilder

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from workers.aws.clock import Clock

_PAUSE = 1.0
"""Seconds before the registrations are read, and after them if anything seems wrong. A transaction is visible item by
item, and a seat that has just become free has its promotion on the way."""
_LOOKS = 3
"""So often an event is looked at before it is called busy."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What was found, by event id (an event that nobody knows is not there); how many registrations were read; in a
    look at all events, which of them name no event and belong to none of these; and the active ones of people who were
    forgotten."""

    findings: Mapping[str, LedgerFinding]
    registrations: int
    strays: tuple[str, ...]
    erased: tuple[Registration, ...] = ()


@dataclass(frozen=True, slots=True)
class _MisfiledRegistration:
    """A registration whose id is not that of the event and the user that it names, if it names them."""

    key: str
    event_id: str | None
    user_id: str | None

    def belongs_to(self, event_id: str) -> bool:
        """True if it is one of this event's, although it does not say so."""
        if self.user_id is None or self.event_id == event_id:
            return False
        return registration_id(event_id, self.user_id) == self.key

    @property
    def nameless(self) -> bool:
        """True if nobody can say whose it is."""
        return self.event_id is None and self.user_id is None


@dataclass(slots=True)
class Accumulator:
    """Registrations, added up by event."""

    forgotten: Collection[str] = ()
    tallies: dict[str, TotalsBuilder] = field(default_factory=dict)
    astray: list[_MisfiledRegistration] = field(default_factory=list)
    erased: list[Registration] = field(default_factory=list)
    read: int = 0

    def add(self, item: Item, wanted: Collection[str] | None) -> None:
        """Counts one, if its event is wanted."""
        key = item["registrationId"]["S"]
        event_id, user_id = (item.get(name, {}).get("S") for name in ("eventId", "userId"))
        self.read += 1
        if event_id is None or user_id is None or registration_id(event_id, user_id) != key:
            self.astray.append(_MisfiledRegistration(key, event_id, user_id))
        if event_id is None or (wanted is not None and event_id not in wanted):
            return
        try:
            record = registration_from_item(item)
        except DECODE_ERRORS as error:
            self.tally(event_id).add_undecodable(key, error)
            return
        self.tally(event_id).add(key, record)
        if record.is_active and user_id in self.forgotten:
            self.erased.append(record)

    def tally(self, event_id: str) -> TotalsBuilder:
        """That of one event; empty if nobody came."""
        return self.tallies.setdefault(event_id, TotalsBuilder())

    def bring_home(self, event_ids: Collection[str]) -> list[_MisfiledRegistration]:
        """Tells these events of those that are theirs and do not say so; answers those that are none of theirs."""
        left = []
        for one in self.astray:
            homes = [event_id for event_id in event_ids if one.belongs_to(event_id)]
            for event_id in homes:
                self.tally(event_id).add_stray(one.key, one.event_id)
            left += [] if homes else [one]
        return left


class Recounter:
    """Looks at the tables of one deployment.

    `note` hears how many registrations were read so far; `forgotten` are users who must not have any.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        clock: Clock,
        tables: Tables,
        note: Callable[[int], None] = lambda _: None,
        forgotten: Collection[str] = (),
    ) -> None:
        self._client = client
        self._clock = clock
        self._tables = tables
        self._note = note
        self._forgotten = forgotten

    def look(self, event_ids: Collection[str] | None = None, looks: int = _LOOKS) -> Reconciliation:
        """Recounts some events, or all. Either way it reads the whole table of registrations, and again, up to `looks`
        times, for events whose ledgers moved meanwhile. Raises what the client raises, and Overloaded."""
        before = self.ledgers(event_ids)
        self._clock.sleep(_PAUSE)
        pile = self._read(event_ids)
        ids = sorted(before.keys() | pile.tallies.keys() | set(event_ids or ()))
        astray = pile.bring_home(ids)
        found = with_doubts(self._judge(ids, before, pile), [one.key for one in astray if one.nameless])
        if not all(finding.sound for finding in found.values()):
            self._clock.sleep(_PAUSE)
        after, now = self.ledgers(event_ids), self._clock.now()
        moved = {event_id for event_id in ids if before.get(event_id) != after.get(event_id)}
        again = Reconciliation({event_id: LedgerFinding(event_id, busy=True) for event_id in moved}, 0, ())
        if moved and looks > 1:
            again = self.look(sorted(moved), looks - 1)
        still = {event_id: replace(finding, at=now) for event_id, finding in found.items() if event_id not in moved}
        strays = [f"registration {one.key} names no event" for one in astray if one.event_id is None]
        erased = [record for record in pile.erased if record.event_id not in moved]
        return Reconciliation(
            {**still, **again.findings},
            pile.read,
            tuple(strays) if event_ids is None else (),
            (*erased, *again.erased),
        )

    def ledgers(self, event_ids: Collection[str] | None) -> dict[str, Item]:
        """The ledgers of some events, or all, as they are stored."""
        table = self._tables.ledger
        if event_ids is not None:
            keys = [event_key(event_id) for event_id in event_ids]
            items = batch_get(self._client, self._clock, {table: keys})[table]
        else:
            pages = self._client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
            items = [item for page in pages for item in page["Items"]]
        return {item["eventId"]["S"]: item for item in items}

    def readable(self, event_ids: Collection[str]) -> dict[str, Ledger]:
        """Those of their ledgers that are there and can be read."""
        ledgers = {event_id: open_ledger(item) for event_id, item in self.ledgers(event_ids).items()}
        return {event_id: ledger for event_id, ledger in ledgers.items() if isinstance(ledger, Ledger)}

    def _read(self, event_ids: Collection[str] | None) -> Accumulator:
        pile, table = Accumulator(self._forgotten), self._tables.registrations
        pages = self._client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        for page in pages:
            for item in page["Items"]:
                pile.add(item, event_ids)
            self._note(pile.read)
        return pile

    def _judge(
        self, event_ids: Collection[str], ledgers: Mapping[str, Item], pile: Accumulator
    ) -> dict[str, LedgerFinding]:
        """What is to be said of each event; nothing of those that nobody knows."""
        table = self._tables.events
        keys = [event_key(event_id) for event_id in event_ids]
        items = batch_get(self._client, self._clock, {table: keys})[table] if keys else []
        events = {item["eventId"]["S"]: item for item in items}
        found: dict[str, LedgerFinding] = {}
        for event_id in event_ids:
            finding = judge(event_id, ledgers.get(event_id), events.get(event_id), pile.tally(event_id))
            if finding is not None:
                found[event_id] = finding
        return found
