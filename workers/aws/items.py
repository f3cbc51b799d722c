"""Table formats: registrations, ledgers, and the seat settings on event items, as DynamoDB attribute values."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from workers.domain.records import Ledger, Registration, Status
from workers.domain.seat_settings import SETTINGS, SeatSettings, Setting
from workers.domain.waitlist import Waitlist

T = TypeVar("T")

Item = dict[str, Any]
"""A DynamoDB item in the wire format: `{"eventId": {"S": "..."}}`."""

MAX_KEY_BYTES = 2048
"""DynamoDB's limit for a partition key."""

EVENT_INDEX = "EventRegistrationsIndex"
"""The index of registrations by `eventId` and STATUS_KEY."""
USER_INDEX = "UserRegistrationsIndex"
"""The index of registrations by `userId` and `registeredAt`."""
STATUS_KEY = "status#registeredAt"
"""The sort key of EVENT_INDEX. Within one status it follows the order of decisions."""
DATE_INDEX = "EventsByDateIndex"
"""The index of events by `status` and `date`."""

ERASED_AT = "erasedAt"
"""When the person was forgotten. The user item stays, so that nobody else gets their id and registrations."""

PROMOTABLE = "yes"
"""The value of a ledger's `promotable`, which is absent otherwise. The filter on the stream matches it."""

DECODE_ERRORS = (KeyError, ValueError, TypeError)
"""The exceptions that reading a malformed item raises."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER = (datetime(2200, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_RAW, _ZLIB = b"\0", b"\1"
_ATTRIBUTE_TYPES: dict[type, str] = {int: "N", bool: "BOOL", str: "S"}
"""The attribute type of each JSON type that a seat setting has."""


def timestamp(microseconds: int) -> str:
    """Return microseconds since 1970 as `2026-01-02T03:04:05.678901Z`: the fixed width makes text order time order."""
    moment = _EPOCH + timedelta(microseconds=microseconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def microseconds(text: str) -> int:
    """Return the microseconds since 1970 of such a timestamp. Raises ValueError for other text."""
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)


def status_key(status: Status, registered_at: str) -> str:
    """Return the value of STATUS_KEY."""
    return f"{status}#{registered_at}"


def is_key(value: str, max_bytes: int = MAX_KEY_BYTES) -> bool:
    """Return whether the text can be a key in a table, of at most `max_bytes`."""
    try:
        return 0 < len(value.encode()) <= max_bytes
    except UnicodeEncodeError:  # half a surrogate pair, which JSON allows
        return False


def registration_key(registration_id: str) -> Item:
    """Return the key of a registration."""
    return {"registrationId": {"S": registration_id}}


def event_key(event_id: str) -> Item:
    """Return the key of an event, in the events table and in the ledger table."""
    return {"eventId": {"S": event_id}}


def registration_to_item(record: Registration) -> Item:
    """Return the item of a registration, with the keys of both indexes."""
    at = timestamp(record.registered_at)
    item: Item = {
        "registrationId": {"S": record.registration_id},
        "eventId": {"S": record.event_id},
        "userId": {"S": record.user_id},
        "status": {"S": str(record.status)},
        "registeredAt": {"S": at},
        STATUS_KEY: {"S": status_key(record.status, at)},
        "generation": {"N": str(record.generation)},
        "version": {"N": str(record.version)},
    }
    if record.ticket is not None:
        item["ticket"] = {"N": str(record.ticket)}
    texts = {
        "code": record.code,
        "note": record.note,
        "postKey": " ".join(record.post_keys) or None,
        "deleteKey": " ".join(record.delete_keys) or None,
        "resentAt": None if record.resent_at is None else timestamp(record.resent_at),
    }
    for name, value in texts.items():
        if value is not None:
            item[name] = {"S": value}
    if record.cancelling:
        item["cancelling"] = {"BOOL": True}
    return item


def registration_from_item(item: Item) -> Registration:
    """Return the registration in an item. Raises one of DECODE_ERRORS if the item is malformed."""
    ticket, resent_at = item.get("ticket"), _text(item, "resentAt")
    return Registration(
        event_id=item["eventId"]["S"],
        user_id=item["userId"]["S"],
        status=Status(item["status"]["S"]),
        generation=int(item["generation"]["N"]),
        version=int(item["version"]["N"]),
        registered_at=microseconds(item["registeredAt"]["S"]),
        ticket=int(ticket["N"]) if ticket else None,
        code=_text(item, "code"),
        post_keys=_words(item, "postKey"),
        delete_keys=_words(item, "deleteKey"),
        cancelling=bool(item.get("cancelling", {}).get("BOOL", False)),
        note=_text(item, "note"),
        resent_at=None if resent_at is None else microseconds(resent_at),
    )


def seat_settings_to_attributes(settings: SeatSettings) -> Item:
    """Return the attributes that ledger and event item share; a setting that is None has no attribute."""
    return {name: _attribute(value) for name, value in settings.to_json().items()}


def seat_settings_from_item(item: Item) -> SeatSettings:
    """Return the seat settings of a ledger or an event item, also of one written before the waiting list existed.

    Absent: no seats, no waiting list, no limit, active. An unknown status counts as active.
    """
    return SeatSettings(**{name: setting.restore(_stored(item, setting)) for name, setting in SETTINGS.items()})


def _attribute(value: int | bool | str) -> Item:
    attribute_type = _ATTRIBUTE_TYPES[type(value)]
    return {attribute_type: str(value) if attribute_type == "N" else value}


def _stored(item: Item, setting: Setting) -> int | bool | str | None:
    attribute_type = _ATTRIBUTE_TYPES[setting.kind.json_type]
    value: Any = item.get(setting.wire_name, {}).get(attribute_type)
    return int(float(value)) if attribute_type == "N" and value is not None else value


def ledger_to_item(ledger: Ledger) -> Item:
    """Return the item of a ledger, with `promotable` exactly while a seat is free and somebody waits for it."""
    item: Item = {
        "eventId": {"S": ledger.event_id},
        "version": {"N": str(ledger.version)},
        "revisions": {"M": {name: {"N": str(revision)} for name, revision in sorted(ledger.revisions.items())}},
        "confirmed": {"N": str(ledger.confirmed)},
        "nextTicket": {"N": str(ledger.next_ticket)},
        "lastRegisteredAt": {"N": str(ledger.last_registered_at)},
        **seat_settings_to_attributes(ledger.settings),
    }
    if ledger.waitlist:
        item["lineOffset"] = {"N": str(ledger.waitlist.offset)}
        item["line"] = {"B": _pack(ledger.waitlist.bits)}
    if ledger.promotable:
        item["promotable"] = {"S": PROMOTABLE}
    if ledger.free_since is not None:
        item["freeSince"] = {"N": str(ledger.free_since)}
    return item


def ledger_from_item(item: Item) -> Ledger:
    """Return the ledger in an item. Raises one of DECODE_ERRORS if the item is malformed."""
    waitlist = Waitlist(int(item["lineOffset"]["N"]), _unpack(item["line"]["B"])) if "line" in item else Waitlist()
    return Ledger(
        event_id=item["eventId"]["S"],
        settings=seat_settings_from_item(item),
        version=_version(item),
        revisions=_revisions(item),
        confirmed=int(item["confirmed"]["N"]),
        next_ticket=int(item["nextTicket"]["N"]),
        last_registered_at=_last_registered_at(item),
        waitlist=waitlist,
        free_since=int(item["freeSince"]["N"]) if "freeSince" in item else None,
    )


def ledger_from_event(item: Item) -> Ledger:
    """Return the first ledger of an event: empty, with the settings of the event item."""
    return Ledger(event_id=item["eventId"]["S"], settings=seat_settings_from_item(item))


def salvage_ledger(item: Item, event: Item | None) -> Ledger:
    """Return what is left of a malformed ledger: its version and settings, with nothing counted.

    The settings are those of the event item. If there is none, they are the ledger's own, which must have a capacity.
    Raises one of DECODE_ERRORS if too little is left.
    """
    if event is None:
        event = {name: item[name] for name in item.keys() | {"capacity"}}
    return Ledger(
        event_id=item["eventId"]["S"],
        settings=seat_settings_from_item(event),
        version=_version(item),
        revisions=_or_default(lambda: _revisions(item), {}),
        next_ticket=_or_default(lambda: int(item["nextTicket"]["N"]), 1),
        last_registered_at=_or_default(lambda: _last_registered_at(item), 0),
    )


def _revisions(item: Item) -> dict[str, int]:
    return {name: int(value["N"]) for name, value in item["revisions"]["M"].items()}


def _version(item: Item) -> int:
    """Return the version, which is at least 1 in a stored ledger."""
    version = int(item["version"]["N"])
    if version < 1:
        raise ValueError(f"version {version}")
    return version


def _last_registered_at(item: Item) -> int:
    """Return the time of the last decision. The next decision is later, and must still be a valid time."""
    at = int(item["lastRegisteredAt"]["N"])
    if not 0 <= at < _NEVER:
        raise ValueError(f"lastRegisteredAt {at}")
    return at


def _or_default(read: Callable[[], T], default: T) -> T:
    try:
        return read()
    except DECODE_ERRORS:
        return default


def _pack(bits: int) -> bytes:
    raw = bits.to_bytes((bits.bit_length() + 7) // 8, "little")
    packed = zlib.compress(raw, 9)
    return _ZLIB + packed if len(packed) < len(raw) else _RAW + raw


def _unpack(packed: bytes) -> int:
    try:
        raw = zlib.decompress(packed[1:]) if packed[:1] == _ZLIB else packed[1:]
    except zlib.error as error:
        raise ValueError("the waiting list cannot be decompressed") from error
    return int.from_bytes(raw, "little")


def _text(item: Item, name: str) -> str | None:
    value: str | None = item.get(name, {}).get("S")
    return value


def _words(item: Item, name: str) -> tuple[str, ...]:
    return tuple((_text(item, name) or "").split())
