"""Compare the ledger of an event with the count of its registrations and with the event item."""

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
from workers.domain.damage import describe_damage
from workers.domain.records import Ledger, Totals
from workers.domain.recount import TotalsBuilder, differences, settings_differences


@dataclass(frozen=True, slots=True)
class LedgerFinding:
    """The result for one event.

    `at` is the time of the count (microseconds since 1970). `version` is that of the stored ledger, 0 without one;
    `ledger` is None if there is none, or if it cannot be read. `expected` is the ledger according to `count`. Both are
    None if that is unknown: `flaws` has the reasons, or the event is `busy`, so that its ledger changed during every
    count. `differences` can be repaired by a recount, `flaws` cannot.
    """

    event_id: str
    version: int = 0
    ledger: Ledger | None = None
    at: int = 0
    count: Totals | None = None
    expected: Ledger | None = None
    differences: tuple[str, ...] = ()
    flaws: tuple[str, ...] = ()
    busy: bool = False

    @property
    def free_seats(self) -> int:
        """Return the number of free seats that people on the waiting list could have."""
        ledger = self.expected
        return min(ledger.free_seats, len(ledger.waitlist)) if ledger is not None and ledger.promotable else 0

    @property
    def sound(self) -> bool:
        """Tell whether nothing is wrong."""
        return not (self.differences or self.flaws or self.free_seats or self.busy)

    @property
    def repairable(self) -> bool:
        """Tell whether a recount would repair what is wrong."""
        return self.count is not None and not self.sound


def judge(event_id: str, item: Item | None, event: Item | None, tally: TotalsBuilder) -> LedgerFinding | None:
    """Judge one event by the `item` of its ledger, its `event` item and the `tally` of its registrations.

    Return None if there is no such event.
    """
    ledger = None if item is None else open_ledger(item)
    if isinstance(ledger, Ledger):
        return _compared(ledger, event, tally)
    if ledger is not None and item is not None:
        return _unreadable(item, ledger, event, tally)
    return _missing(event_id, event, tally) if event is not None or tally.registrations else None


def open_ledger(item: Item) -> Ledger | Exception:
    """Return the ledger, or the reason why it cannot be read."""
    try:
        return ledger_from_item(item)
    except DECODE_ERRORS as error:
        return error


def with_doubts(found: Mapping[str, LedgerFinding], nameless: Sequence[str]) -> dict[str, LedgerFinding]:
    """Mark repairable findings as doubtful if a registration that may belong to any event could explain them."""
    flaws = tuple(f"registration {key} names neither event nor user, and may belong to this event" for key in nameless)
    return {
        event_id: replace(finding, count=None, expected=None, flaws=flaws) if flaws and finding.repairable else finding
        for event_id, finding in found.items()
    }


def _compared(ledger: Ledger, event: Item | None, tally: TotalsBuilder) -> LedgerFinding:
    """Compare a ledger with the count, and with the event item, which is written together with it."""
    found = LedgerFinding(ledger.event_id, ledger.version, ledger)
    flaws: tuple[str, ...] = ("there is a ledger, but no event with this id",)
    if event is not None:
        flaws = settings_differences(ledger.settings, seat_settings_from_item(event))
    return replace(found, flaws=(*flaws, *tally.flaws())) if flaws else _finding(found, ledger, tally)


def _finding(found: LedgerFinding, base: Ledger, tally: TotalsBuilder) -> LedgerFinding:
    """Complete a finding by a count, which is compared with the ledger `base`."""
    if flaws := tally.flaws():
        return replace(found, flaws=flaws)
    count = tally.totals()
    wrong = found.differences or (differences(base, count) if found.ledger is not None else ())
    return replace(found, count=count, expected=base.recount(count), differences=wrong)


def _unreadable(item: Item, error: Exception, event: Item | None, tally: TotalsBuilder) -> LedgerFinding:
    event_id, unreadable = item["eventId"]["S"], f"the ledger cannot be read: {describe_damage(error)}"
    try:
        rest = salvage_ledger(item, event)
    except DECODE_ERRORS as why:
        needs = "it needs a version, and a capacity if there is no event item"
        hint = f"and too little of it is left ({describe_damage(why)}): {needs}"
        return LedgerFinding(event_id, flaws=(f"{unreadable}, {hint}", *tally.flaws()))
    return _finding(LedgerFinding(event_id, rest.version, differences=(unreadable,)), rest, tally)


def _missing(event_id: str, event: Item | None, tally: TotalsBuilder) -> LedgerFinding:
    if event is None:
        flaw = f"there are {tally.registrations} registrations, but neither a ledger nor an event with this id"
        return LedgerFinding(event_id, flaws=(flaw, *tally.flaws()))
    try:
        fresh = ledger_from_event(event)
    except DECODE_ERRORS as error:
        return LedgerFinding(
            event_id,
            flaws=(f"there is no ledger, and the event cannot be read: {describe_damage(error)}", *tally.flaws()),
        )
    lost = ("there is no ledger, but registrations were decided",) if tally.needs_ledger else ()
    return _finding(LedgerFinding(event_id, differences=lost), fresh, tally)
