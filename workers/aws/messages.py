"""The queue format: a command as the JSON body of a FIFO message, its group, its deduplication id."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from workers.domain.commands import VERSION, Cancel, Command, Configure, Promote, Register
from workers.domain.records import EventStatus, SeatSettings

_GROUP = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}\Z")

_MAX_COUNT = 2**53 - 1
"""Whole numbers above it are not the same in every JSON reader, and DynamoDB refuses those of more than 38 digits."""
_MAX_BYTES = 2048
"""What DynamoDB takes as a key. Longer ids, or text that is no UTF-8, would have the whole batch refused."""


class Unreadable(Exception):
    """A message body that is no command, or one of a version that this code does not know."""


def group_of(event_id: str) -> str:
    """The message group of an event: its id, hashed where SQS would not take it (1 to 128 visible ASCII characters)."""
    if _GROUP.match(event_id):
        return event_id
    return "sha256-" + hashlib.sha256(event_id.encode()).hexdigest()


def deduplication_id(command: Command) -> str:
    """What SQS recognises a repeated command by, for five minutes.

    Double clicks collapse: same registration, kind and generation. Register, cancel, register in a hurry does not: the
    generation differs. Two different changes of settings that make the same revision do not collapse either.
    """
    parts: tuple[object, ...]
    match command:
        case Register() | Cancel():
            parts = (command.registration_id, type(command).__name__, command.generation)
        case Promote():
            parts = (command.event_id, "Promote", command.ledger_version)
        case Configure():
            parts = (command.event_id, "Configure", command.revision, command.settings)
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


def encode(command: Command) -> str:
    """The message body."""
    body: dict[str, Any] = {
        "v": VERSION,
        "kind": type(command).__name__,
        "commandId": command.command_id,
        "eventId": command.event_id,
        "acceptedAt": command.accepted_at,
    }
    match command:
        case Register() | Cancel():
            body |= {"userId": command.user_id, "generation": command.generation}
            if command.key is not None:
                body["key"] = command.key
        case Promote():
            body["ledgerVersion"] = command.ledger_version
        case Configure():
            settings = command.settings
            body |= {
                "revision": command.revision,
                "capacity": settings.capacity,
                "hasWaitlist": settings.has_waitlist,
                "waitlistCapacity": settings.waitlist_capacity,
                "status": str(settings.status),
            }
    return json.dumps(body, separators=(",", ":"))


def decode(text: str) -> Command:
    """The command in a message body. Unreadable, with the reason, if it is none."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable("the body is not JSON") from error
    if not isinstance(body, dict):
        raise Unreadable("the body is not a JSON object")
    if body.get("v") != VERSION or isinstance(body.get("v"), bool):
        raise Unreadable(f"version {body.get('v')!r:.20} is not known")
    kind = body.get("kind")
    command_id, event_id = _text(body, "commandId"), _text(body, "eventId")
    accepted_at = _count(body, "acceptedAt")
    match kind:
        case "Register" | "Cancel":
            cls = Register if kind == "Register" else Cancel
            key = _text(body, "key") if "key" in body else None
            return cls(command_id, event_id, _text(body, "userId"), _count(body, "generation"), accepted_at, key)
        case "Promote":
            return Promote(command_id, event_id, _count(body, "ledgerVersion"), accepted_at)
        case "Configure":
            return Configure(command_id, event_id, _count(body, "revision"), _settings(body), accepted_at)
        case _:
            raise Unreadable(f"kind {kind!r:.40} is not known")


def _settings(body: dict[str, Any]) -> SeatSettings:
    has_waitlist, status = body.get("hasWaitlist"), body.get("status")
    if not isinstance(has_waitlist, bool):
        raise Unreadable("hasWaitlist is not true or false")
    if not isinstance(status, str) or status not in set(EventStatus):
        raise Unreadable("status is not that of an event")
    limit = None if body.get("waitlistCapacity") is None else _count(body, "waitlistCapacity")
    return SeatSettings(_count(body, "capacity"), has_waitlist, limit, EventStatus(status))


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 0 < _utf8_size(value) <= _MAX_BYTES:
        raise Unreadable(f"{name} is missing or not a text")
    return value


def _utf8_size(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:  # a lone surrogate, which JSON allows
        return 0


def _count(body: dict[str, Any], name: str) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_COUNT:
        raise Unreadable(f"{name} is missing or not a count")
    return value
