"""What is to be said of an event: its ledger against what its registrations add up to, and against the event item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from workers.aws.items import (
    DECODE_ERRORS,
    Item,
    ledger_from_event,
    ledger_from_item,
    salvage_ledger,
    seat_settings_from_item,
)
from workers.domain.records import Ledger, Totals
from workers.domain.recount import TotalsBuilder, differences, settings_differences


@dataclass(frozen=True, slots=True)
class LedgerFinding:
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
    count: Totals | None = None
    should: Ledger | None = None
    differences: tuple[str, ...] = ()
    flaws: tuple[str, ...] = ()
    busy: bool = False

    @property
    def free_seats(self) -> int:
        """How many seats are free beside somebody who waits for one."""
        should = self.should
        return min(should.free_seats, len(should.waitlist)) if should is not None and should.promotable else 0

    @property
    def sound(self) -> bool:
        """True when there is nothing to say."""
        return not (self.differences or self.flaws or self.free_seats or self.busy)

    @property
    def due(self) -> bool:
        """True when a recount would mend it."""
        return self.count is not None and not self.sound


def judge(event_id: str, item: Item | None, event: Item | None, tally: TotalsBuilder) -> LedgerFinding | None:
    """What is to be said of one event: of its ledger's `item`, its `event` item, and the `tally` of its registrations;
    None if nobody knows it."""
    ledger = None if item is None else open_ledger(item)
    if isinstance(ledger, Ledger):
        return _held(ledger, event, tally)
    if ledger is not None and item is not None:
        return _unreadable(item, ledger, event, tally)
    return _missing(event_id, event, tally) if event is not None or tally.registrations else None


def open_ledger(item: Item) -> Ledger | Exception:
    """The ledger, or why it cannot be read."""
    try:
        return ledger_from_item(item)
    except DECODE_ERRORS as error:
        return error


def with_doubts(found: Mapping[str, LedgerFinding], nameless: Sequence[str]) -> dict[str, LedgerFinding]:
    """A registration that may be anybody's: where anything does not add up, it may be what is missing."""
    flaws = tuple(f"registration {key} names neither event nor user: it may be one of this event's" for key in nameless)
    return {
        event_id: replace(finding, count=None, should=None, flaws=flaws) if flaws and finding.due else finding
        for event_id, finding in found.items()
    }


def _held(ledger: Ledger, event: Item | None, tally: TotalsBuilder) -> LedgerFinding:
    """A ledger against the count; and against the event item, which is written together with it."""
    found = LedgerFinding(ledger.event_id, ledger.version, ledger)
    flaws: tuple[str, ...] = ("there is a ledger, but no event of this id",)
    if event is not None:
        flaws = settings_differences(ledger.settings, seat_settings_from_item(event))
    return replace(found, flaws=(*flaws, *tally.flaws())) if flaws else _finding(found, ledger, tally)


def _finding(found: LedgerFinding, base: Ledger, tally: TotalsBuilder) -> LedgerFinding:
    """Completes what was found by a count. `base` is the ledger that the count is held against."""
    if flaws := tally.flaws():
        return replace(found, flaws=flaws)
    count = tally.totals()
    said = found.differences or (differences(base, count) if found.ledger is not None else ())
    return replace(found, count=count, should=base.recount(count), differences=said)


def _unreadable(item: Item, error: Exception, event: Item | None, tally: TotalsBuilder) -> LedgerFinding:
    event_id, sentence = item["eventId"]["S"], f"the ledger cannot be read: {error!r}"
    try:
        rest = salvage_ledger(item, event)
    except DECODE_ERRORS as why:
        hint = f"and too little is left of it ({why!r}): it needs a version, and without an event item a capacity"
        return LedgerFinding(event_id, flaws=(f"{sentence}, {hint}", *tally.flaws()))
    return _finding(LedgerFinding(event_id, rest.version, differences=(sentence,)), rest, tally)


def _missing(event_id: str, event: Item | None, tally: TotalsBuilder) -> LedgerFinding:
    if event is None:
        sentence = f"there are {tally.registrations} registrations, but neither a ledger nor an event of this id"
        return LedgerFinding(event_id, flaws=(sentence, *tally.flaws()))
    try:
        fresh = ledger_from_event(event)
    except DECODE_ERRORS as error:
        return LedgerFinding(
            event_id, flaws=(f"there is no ledger, and the event cannot be read: {error!r}", *tally.flaws())
        )
    lost = ("there is no ledger, but registrations were decided",) if tally.needs_ledger else ()
    return _finding(LedgerFinding(event_id, differences=lost), fresh, tally)
