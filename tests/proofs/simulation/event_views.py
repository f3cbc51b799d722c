"""Checks an event in an answer: its title, and its seats by one ledger."""

from __future__ import annotations

from typing import Any

from tests.proofs.simulation.state_history import LEDGER, EventHistory, between
from workers.domain.records import Ledger

SETTINGS = ("capacity", "hasWaitlist", "waitlistCapacity", "status")
_COUNTS = ("currentAttendees", "waitlistLength")


def are_true(history: EventHistory, shown: dict[str, Any], began: int, ended: int) -> bool:
    """Return whether title and seats were true at some instant between the two, the seats by one ledger."""
    if shown["title"] not in between(history.titles, began, ended):
        return False
    figures = tuple(shown.get(name) for name in (*SETTINGS, *_COUNTS))
    return any(figures == (*_settings(ledger), *_counts(ledger)) for ledger in history.ledgers_between(began, ended))


def were_true(history: EventHistory, shown: dict[str, Any], began: int, ended: int) -> bool:
    """Return the same for a list, which omits undecodable ledgers and may miss a new one.

    Without a ledger nobody is registered, and the settings are the event's, which may be newer.
    """
    if "capacity" not in shown:
        return history.damaged(LEDGER, began, ended)
    ledgers = history.ledgers_between(began, ended)
    settings, counts = tuple(shown.get(name) for name in SETTINGS), tuple(shown[name] for name in _COUNTS)
    not_made = any(ledger.version == 0 for ledger in ledgers) and counts == (0, 0)
    return are_true(history, shown, began, ended) or (not_made and settings in map(_settings, ledgers))


def _settings(ledger: Ledger) -> tuple[Any, ...]:
    settings = ledger.settings
    return settings.capacity, settings.has_waitlist, settings.waitlist_capacity, str(settings.status)


def _counts(ledger: Ledger) -> tuple[int, int]:
    return ledger.confirmed, len(ledger.waitlist)
