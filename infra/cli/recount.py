"""Does each ledger say what its event's registrations add up to? And if not, has the registrar mend it.

A look sees one state of an event, although it reads many items: registrations that count change only in one
transaction with their ledger, so none has changed between two readings of a ledger that is the same both times. The
table itself is read, strongly consistent: an index may lag, and whom a count misses loses her seat to somebody else.
For that reason every registration is looked at, also those that name no event or another one: a registration's id is
made of its event and its user, so it tells whether it belongs to an event, whatever its item says.

Only the registrar writes ledgers, here as everywhere: what was counted goes to it as a `Recount` of that version.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from workers.aws.items import (
    NOT_READABLE,
    Item,
    event_key,
    ledger_from_event,
    ledger_from_item,
    ledger_from_rest,
    registration_from_item,
    seat_settings_from_item,
)
from workers.aws.load import Tables, batch_get
from workers.aws.send import send, send_all
from workers.domain.commands import Recount
from workers.domain.records import Ledger, Registration, registration_id
from workers.domain.recount import Count, Tally, differences, disagreements, recounted
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
"""Microseconds for the registrar to decide."""
_ROUNDS = 3
"""If a ledger moves on before its count is decided, another count is sent: so many at most."""
_INTERVAL = 0.2


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found at one event.

    `at` is when (microseconds since 1970). `version` is that of the stored ledger, 0 without one; `ledger` is None if
    there is none, or it cannot be read.
    `should` is what the ledger must be by `count`; both are None where that cannot be said: `flaws` has the reasons, or
    the event is `busy`, its ledger never the same twice.
    """

    event_id: str
    version: int = 0
    ledger: Ledger | None = None
    at: int = 0
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
    """What was found, by event id (an event that nobody knows is not there); how many registrations were read; in a
    look at all events, which of them name no event and belong to none of these; and the active ones of people who were
    forgotten."""

    findings: Mapping[str, Finding]
    registrations: int
    strays: tuple[str, ...]
    erased: tuple[Registration, ...] = ()


@dataclass(frozen=True, slots=True)
class _Astray:
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
class _Pile:
    """Registrations, added up by event."""

    forgotten: Collection[str] = ()
    tallies: dict[str, Tally] = field(default_factory=dict)
    astray: list[_Astray] = field(default_factory=list)
    erased: list[Registration] = field(default_factory=list)
    read: int = 0

    def add(self, item: Item, wanted: Collection[str] | None) -> None:
        """Counts one, if its event is wanted."""
        key = item["registrationId"]["S"]
        event_id, user_id = (item.get(name, {}).get("S") for name in ("eventId", "userId"))
        self.read += 1
        if event_id is None or user_id is None or registration_id(event_id, user_id) != key:
            self.astray.append(_Astray(key, event_id, user_id))
        if event_id is None or (wanted is not None and event_id not in wanted):
            return
        try:
            record = registration_from_item(item)
        except NOT_READABLE as error:
            self.tally(event_id).add_unreadable(key, error)
            return
        self.tally(event_id).add(key, record)
        if record.alive and user_id in self.forgotten:
            self.erased.append(record)

    def tally(self, event_id: str) -> Tally:
        """That of one event; empty if nobody came."""
        return self.tallies.setdefault(event_id, Tally())

    def bring_home(self, event_ids: Collection[str]) -> list[_Astray]:
        """Tells these events of those that are theirs and do not say so; answers those that are none of theirs."""
        left = []
        for one in self.astray:
            homes = [event_id for event_id in event_ids if one.belongs_to(event_id)]
            for event_id in homes:
                self.tally(event_id).add_astray(one.key, one.event_id)
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

    def look(self, event_ids: Collection[str] | None = None, looks: int = _LOOKS) -> Look:
        """Recounts some events, or all. Either way it reads the whole table of registrations, and again, up to `looks`
        times, for events whose ledgers moved meanwhile. Raises what the client raises, and Overloaded."""
        before = self.ledgers(event_ids)
        self._clock.sleep(_PAUSE)
        pile = self._read(event_ids)
        ids = before.keys() | pile.tallies.keys() | set(event_ids or ())
        astray = pile.bring_home(ids)
        found = _doubted(self._judge(ids, before, pile), [one.key for one in astray if one.nameless])
        if not all(finding.sound for finding in found.values()):
            self._clock.sleep(_PAUSE)
        after, now = self.ledgers(event_ids), self._clock.now()
        moved = {event_id for event_id in ids if before.get(event_id) != after.get(event_id)}
        again = Look({event_id: Finding(event_id, busy=True) for event_id in moved}, 0, ())
        if moved and looks > 1:
            again = self.look(moved, looks - 1)
        still = {event_id: replace(finding, at=now) for event_id, finding in found.items() if event_id not in moved}
        strays = [f"registration {one.key} names no event" for one in astray if one.event_id is None]
        erased = [record for record in pile.erased if record.event_id not in moved]
        return Look(
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
        opened = {event_id: _opened(item) for event_id, item in self.ledgers(event_ids).items()}
        return {event_id: ledger for event_id, ledger in opened.items() if isinstance(ledger, Ledger)}

    def _read(self, event_ids: Collection[str] | None) -> _Pile:
        pile, table = _Pile(self._forgotten), self._tables.registrations
        pages = self._client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        for page in pages:
            for item in page["Items"]:
                pile.add(item, event_ids)
            self._note(pile.read)
        return pile

    def _judge(self, event_ids: Collection[str], ledgers: Mapping[str, Item], pile: _Pile) -> dict[str, Finding]:
        """What is to be said of each event; nothing of those that nobody knows."""
        table = self._tables.events
        keys = [event_key(event_id) for event_id in event_ids]
        items = batch_get(self._client, self._clock, {table: keys})[table] if keys else []
        events = {item["eventId"]["S"]: item for item in items}
        found: dict[str, Finding] = {}
        for event_id in event_ids:
            item, event, tally = ledgers.get(event_id), events.get(event_id), pile.tally(event_id)
            ledger = None if item is None else _opened(item)
            if isinstance(ledger, Ledger):
                found[event_id] = _held(ledger, event, tally)
            elif ledger is not None and item is not None:
                found[event_id] = _unreadable(item, ledger, event, tally)
            elif event is not None or tally.registrations:
                found[event_id] = _missing(event_id, event, tally)
        return found


def _opened(item: Item) -> Ledger | Exception:
    try:
        return ledger_from_item(item)
    except NOT_READABLE as error:
        return error


def _doubted(found: Mapping[str, Finding], nameless: Sequence[str]) -> dict[str, Finding]:
    """A registration that may be anybody's: where anything does not add up, it may be what is missing."""
    flaws = tuple(f"registration {key} names neither event nor user: it may be one of this event's" for key in nameless)
    return {
        event_id: replace(finding, count=None, should=None, flaws=flaws) if flaws and finding.due else finding
        for event_id, finding in found.items()
    }


def _held(ledger: Ledger, event: Item | None, tally: Tally) -> Finding:
    """A ledger against the count; and against the event item, which is written together with it."""
    found = Finding(ledger.event_id, ledger.version, ledger)
    flaws: tuple[str, ...] = ("there is a ledger, but no event of this id",)
    if event is not None:
        flaws = disagreements(ledger.settings, seat_settings_from_item(event))
    return replace(found, flaws=(*flaws, *tally.flaws())) if flaws else _finding(found, ledger, tally)


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

    def mend(self, found: Mapping[str, Finding]) -> dict[str, Finding]:
        """Mends what is due among the findings; answers what is found there afterwards.

        An event is left out of the answer if the registrar has not decided its count in time, which may still happen.
        Raises what the clients raise, and Overloaded.
        """
        due = {event_id: finding for event_id, finding in found.items() if finding.due}
        mended: dict[str, Finding] = {}
        for _ in range(_ROUNDS):
            versions = {event_id: finding.version for event_id, finding in due.items()}
            for finding in due.values():
                send(self._sqs, self._queue_url, self._command(finding))
            decided = versions.keys() - self._wait(partial(self._unmoved, versions))
            if not decided:
                break
            self._promote(decided)
            looked = self._recounter.look(decided).findings
            mended |= looked
            due = {event_id: finding for event_id, finding in looked.items() if finding.due}
        return mended

    def _command(self, finding: Finding) -> Recount:
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
        self._wait(promotable)

    def _wait(self, left: Callable[[], Collection[str]]) -> Collection[str]:
        """Waits until nothing is left, or for too long; answers what is left."""
        deadline = self._clock.now() + _WAIT
        while (still := left()) and self._clock.now() < deadline:
            self._clock.sleep(_INTERVAL)
        return still
