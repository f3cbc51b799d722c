"""A list of registrations as CSV (RFC 4180), for who asks for it: a spreadsheet opens it without running anything.

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
_FORMULA = re.compile("(^|[;\t])(?=[\\s']*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20])")
"""Where something begins that a spreadsheet may run, or that has been made harmless: then the way back is unambiguous.
Behind a semicolon or a tab, too: in half of Europe a spreadsheet begins a new cell there, whatever is quoted."""

_QUALITY = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


def prefers_csv(accept: str | None) -> bool:
    """Whether `Accept` puts CSV before JSON, which everybody gets who does not say so (RFC 9110, section 12.5.1).

    Of a media range, only type and quality count; what is none is passed over.
    """
    qualities = dict(_range(element) for element in (accept or "").split(","))
    csv, json = (
        next((qualities[name] for name in names if name in qualities), 0.0)
        for names in (("text/csv", "text/*", "*/*"), ("application/json", "application/*", "*/*"))
    )
    return csv > json


def _range(element: str) -> tuple[str, float]:
    media, *parameters = (part.strip().lower() for part in element.split(";"))
    quality = next((parameter[2:] for parameter in parameters if parameter.startswith("q=")), "1")
    return media, float(quality) if _QUALITY.fullmatch(quality) else 0.0


def to_csv(entries: Iterable[Mapping[str, Any]]) -> str:
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
    return _FORMULA.sub(r"\1'", str(value))
