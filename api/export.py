"""A list of registrations as CSV (RFC 4180), to be opened by a spreadsheet without running anything.

A module of its own, so that no cold start loads it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from typing import Any

CSV_TYPE = "text/csv; charset=utf-8; header=present"

COLUMNS = (
    "registrationId", "eventId", "userId", "status", "registeredAt", "waitlistPosition", "code", "name", "email",
)  # fmt: skip

_OF_THE_USER = frozenset({"name", "email"})
_FORMULA = re.compile("[\\s']*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""What a spreadsheet may run, and what has been made harmless: then the way back is unambiguous."""


def table(entries: Iterable[Mapping[str, Any]]) -> str:
    """A header line, and a line for each entry of an event's list as it is shown in JSON."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    rows.writerows([_cell(_value(entry, column)) for column in COLUMNS] for entry in entries)
    return text.getvalue()


def _value(entry: Mapping[str, Any], column: str) -> object:
    return (entry["user"] if column in _OF_THE_USER else entry).get(column, "")


def _cell(value: object) -> str:
    """A leading apostrophe makes a text of what would be a formula."""
    text = str(value)
    return f"'{text}" if _FORMULA.match(text) else text
