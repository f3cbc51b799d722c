"""Does each ledger say what its event's registrations add up to? And if not, has the registrar mend it.

A look sees one state of an event, although it reads many items: registrations that count change only in one
transaction with their ledger, so none has changed between two readings of a ledger that is the same both times. The
table itself is read, strongly consistent: an index may lag, and whom a count misses loses her seat to somebody else.

Only the registrar writes ledgers, here as everywhere: what was counted goes to it as a `Recount` of that version.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from workers.aws.items import (
    NOT_READABLE,
    Item,
    event_key,
    ledger_from_event,
    ledger_from_item,
    ledger_from_rest,
    registration_from_item,
)
from workers.aws.load import Tables, batch_get
from workers.aws.send import send, send_all
from workers.domain.commands import Recount
from workers.domain.records import Ledger
from workers.domain.recount import Count, Tally, differences, recounted
from workers.promoter import promotion

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

    from workers.aws.clock import Clock
_PAUSE = 1.0
"""Seconds before the registrations are read, and after them if anything seems wrong. A transaction is visible item by
item, and a seat that has just become free has its promotion on the way."""
_LOOKS = 3
"""So often an event is looked at before it is called busy."""
_WAIT = 30_000_000
"""Microseconds for the registrar to decide. If a ledger moves on before it does, another count is sent."""
_INTERVAL = 0.2


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found at one event.

    `version` is that of the stored ledger, 0 without one; `ledger` is None if there is none, or it cannot be read.
    `should` is what the ledger must be by `count`; both are None where that cannot be said: `flaws` has the reasons, or
    the event is `busy`, its ledger never the same twice.
    """

    event_id: str
    version: int = 0
    ledger: Ledger | None = None
    count: Count | None = None
    should: Ledger | None = None
    differences: tuple[str, ...] = ()
    flaws: tuple[str, ...] = ()
    busy: bool = False

    @property
    def free_seats(self) -> int:
        """How many seats are free beside somebody who waits for one."""
        should = self.should
        return min(should.free_seats, len(should.line)) if should is not None and should.promotable else 0

    @property
    def sound(self) -> bool:
        """True when there is nothing to say."""
        return not (self.differences or self.flaws or self.free_seats or self.busy)

    @property
    def due(self) -> bool:
        """True when a recount would mend it."""
        return self.count is not None and not self.sound


@dataclass(frozen=True, slots=True)
class Look:
    """What was found, by event id (an event that nobody knows is not there); how many registrations were read; which of
    them name no event."""

    findings: Mapping[str, Finding]
    registrations: int
    strays: tuple[str, ...]


@dataclass(slots=True)
class _Pile:
    """Registrations, added up by event."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    strays: list[str] = field(default_factory=list)
    read: int = 0

    def add(self, item: Item, wanted: Collection[str] | None) -> None:
        """Counts one, if its event is wanted."""
        key, event_id = item["registrationId"]["S"], item.get("eventId", {}).get("S")
        self.read += 1
        if event_id is None:
            self.strays.append(f"registration {key} names no event")
        if event_id is None or (wanted is not None and event_id not in wanted):
            return
        tally = self.tallies.setdefault(event_id, Tally())
        try:
            tally.add(key, registration_from_item(item))
        except NOT_READABLE as error:
            tally.add_unreadable(key, error)


class Recounter:
    """Looks at the tables of one deployment. `note` hears how many registrations were read so far."""

    def __init__(
        self, client: DynamoDBClient, clock: Clock, tables: Tables, note: Callable[[int], None] = lambda _: None
    ) -> None:
        self._client = client
        self._clock = clock
        self._tables = tables
        self._note = note

    def look(self, event_ids: Collection[str] | None = None, looks: int = _LOOKS) -> Look:
        """Recounts some events, or all. Either way it reads the whole table of registrations, and again, up to `looks`
        times, for events whose ledgers moved meanwhile. Raises what the client raises, and Overloaded."""
        before = self.ledgers(event_ids)
        self._clock.sleep(_PAUSE)
        pile = self._read(event_ids)
        ids = before.keys() | pile.tallies.keys() | set(event_ids or ())
        found = self._judge(ids, before, pile.tallies)
        if not all(finding.sound for finding in found.values()):
            self._clock.sleep(_PAUSE)
        after = self.ledgers(event_ids)
        moved = {event_id for event_id in ids if before.get(event_id) != after.get(event_id)}
        again: Mapping[str, Finding] = {event_id: Finding(event_id, busy=True) for event_id in moved}
        if moved and looks > 1:
            again = self.look(moved, looks - 1).findings
        still = {event_id: finding for event_id, finding in found.items() if event_id not in moved}
        return Look({**still, **again}, pile.read, tuple(pile.strays))

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
        opened = {event_id: _opened(item) for event_id, item in self.ledgers(event_ids).items()}
        return {event_id: ledger for event_id, ledger in opened.items() if isinstance(ledger, Ledger)}

    def _read(self, event_ids: Collection[str] | None) -> _Pile:
        pile = _Pile()
        only: dict[str, Any] = {}
        if event_ids is not None and len(event_ids) == 1:  # DynamoDB reads as much, but sends less
            (event_id,) = event_ids
            only = {"FilterExpression": "eventId = :event", "ExpressionAttributeValues": {":event": {"S": event_id}}}
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._tables.registrations, ConsistentRead=True, **only
        )
        for page in pages:
            for item in page["Items"]:
                pile.add(item, event_ids)
            self._note(pile.read)
        return pile

    def _judge(
        self, event_ids: Collection[str], ledgers: Mapping[str, Item], tallies: Mapping[str, Tally]
    ) -> dict[str, Finding]:
        """What is to be said of each event; nothing of those that nobody knows."""
        read = {event_id: _opened(item) for event_id, item in ledgers.items()}
        without = [event_key(key) for key in event_ids if not isinstance(read.get(key), Ledger)]
        table = self._tables.events
        items = batch_get(self._client, self._clock, {table: without})[table] if without else []
        events = {item["eventId"]["S"]: item for item in items}
        found: dict[str, Finding] = {}
        for event_id in event_ids:
            ledger, event, tally = read.get(event_id), events.get(event_id), tallies.get(event_id, Tally())
            if isinstance(ledger, Ledger):
                found[event_id] = _finding(Finding(event_id, ledger.version, ledger), ledger, tally)
            elif ledger is not None:
                found[event_id] = _unreadable(ledgers[event_id], ledger, event, tally)
            elif event is not None or tally.registrations:
                found[event_id] = _missing(event_id, event, tally)
        return found


def _opened(item: Item) -> Ledger | Exception:
    try:
        return ledger_from_item(item)
    except NOT_READABLE as error:
        return error


def _finding(found: Finding, base: Ledger, tally: Tally) -> Finding:
    """Completes what was found by a count. `base` is the ledger that the count is held against."""
    if flaws := tally.flaws():
        return replace(found, flaws=flaws)
    count = tally.count()
    said = found.differences or (differences(base, count) if found.ledger is not None else ())
    return replace(found, count=count, should=recounted(base, count), differences=said)


def _unreadable(item: Item, error: Exception, event: Item | None, tally: Tally) -> Finding:
    event_id, sentence = item["eventId"]["S"], f"the ledger cannot be read: {error!r}"
    try:
        rest = ledger_from_rest(item, event)
    except NOT_READABLE as why:
        hint = f"and too little is left of it ({why!r}): it needs a version, and without an event item a capacity"
        return Finding(event_id, flaws=(f"{sentence}, {hint}", *tally.flaws()))
    return _finding(Finding(event_id, rest.version, differences=(sentence,)), rest, tally)


def _missing(event_id: str, event: Item | None, tally: Tally) -> Finding:
    if event is None:
        sentence = f"there are {tally.registrations} registrations, but neither a ledger nor an event of this id"
        return Finding(event_id, flaws=(sentence, *tally.flaws()))
    try:
        fresh = ledger_from_event(event)
    except NOT_READABLE as error:
        return Finding(event_id, flaws=(f"there is no ledger, and the event cannot be read: {error!r}", *tally.flaws()))
    lost = ("there is no ledger, but registrations were decided",) if tally.needs_ledger else ()
    return _finding(Finding(event_id, differences=lost), fresh, tally)


class Mender:
    """Has the registrar mend ledgers: sends what was counted, waits, and looks again."""

    def __init__(self, recounter: Recounter, sqs: SQSClient, queue_url: str, clock: Clock) -> None:
        self._recounter = recounter
        self._sqs = sqs
        self._queue_url = queue_url
        self._clock = clock

    def mend(self, found: Mapping[str, Finding]) -> dict[str, Finding]:
        """Mends what is due among the findings; answers what is found there afterwards.

        An event is left out of the answer if the registrar has not decided its count in time, which may still happen.
        Raises what the clients raise, and Overloaded.
        """
        deadline = self._clock.now() + _WAIT
        due = {event_id: finding for event_id, finding in found.items() if finding.due}
        mended: dict[str, Finding] = {}
        while due and self._clock.now() < deadline:
            versions = {event_id: finding.version for event_id, finding in due.items()}
            for finding in due.values():
                send(self._sqs, self._queue_url, self._command(finding))
            decided = versions.keys() - self._wait(deadline, partial(self._unmoved, versions))
            if not decided:
                break
            self._promote(decided, deadline)
            looked = self._recounter.look(decided).findings
            mended |= looked
            due = {event_id: finding for event_id, finding in looked.items() if finding.due}
        return mended

    def _command(self, finding: Finding) -> Recount:
        assert finding.count is not None  # noqa: S101 - for the type checker: it is due
        return Recount(str(uuid.uuid4()), finding.event_id, finding.version, finding.count, self._clock.now())

    def _unmoved(self, versions: Mapping[str, int]) -> set[str]:
        ledgers = self._recounter.readable(versions)
        return {key for key, version in versions.items() if key not in ledgers or ledgers[key].version == version}

    def _promote(self, event_ids: Collection[str], deadline: int) -> None:
        """The ledger's stream asks for these promotions too, if it works. SQS takes them: their version is new."""

        def promotable() -> dict[str, Ledger]:
            return {key: ledger for key, ledger in self._recounter.readable(event_ids).items() if ledger.promotable}

        now = self._clock.now()
        send_all(self._sqs, self._queue_url, [promotion(key, one.version, now) for key, one in promotable().items()])
        self._wait(deadline, promotable)

    def _wait(self, deadline: int, left: Callable[[], Collection[str]]) -> Collection[str]:
        """Waits until nothing is left, or for too long; answers what is left."""
        while (still := left()) and self._clock.now() < deadline:
            self._clock.sleep(_INTERVAL)
        return still
