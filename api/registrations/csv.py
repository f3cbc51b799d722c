"""A list of registrations as CSV (RFC 4180), which a spreadsheet opens without running anything in it.

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
"""The start of a formula, or of a text that was escaped as one, so that unescaping is unambiguous. Also after a
semicolon or a tab: in many European locales a spreadsheet starts a new cell there, quoted or not."""

_QUALITY = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


def prefers_csv(accept: str | None) -> bool:
    """Return whether `Accept` prefers CSV to JSON, which is the default (RFC 9110, section 12.5.1).

    Only the type and the quality of a media range count; anything else is ignored.
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
    """Convert the entries of an event's list, as they are in JSON, to a header line and a line for each."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    rows.writerows([_cell(_value(entry, column)) for column in COLUMNS] for entry in entries)
    return text.getvalue()


def _value(entry: Mapping[str, Any], column: str) -> object:
    return (entry["user"] if column in _OF_THE_USER else entry).get(column, "")


def _cell(value: object) -> str:
    """Put an apostrophe before every formula, which makes it text."""
    return _FORMULA.sub(r"\1'", str(value))
