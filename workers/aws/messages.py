"""The queue format of commands: the JSON body of the FIFO message, its group and its deduplication id."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, assert_never

from workers.aws.items import is_key
from workers.domain.commands import VERSION, Cancel, Command, Configure, Promote, Recount, Register
from workers.domain.records import Totals
from workers.domain.seat_settings import SEATS, SETTINGS, SeatChanges, parse_count
from workers.domain.waitlist import Waitlist

_GROUP = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}\Z")

_HEX = re.compile(r"[0-9a-f]+\Z")


class UndecodableMessage(Exception):
    """The body of a message is not a command, or has an unknown version."""


def event_group(event_id: str) -> str:
    """Return the message group of an event: its id, or a hash if SQS would not accept that as a group.

    SQS accepts 1 to 128 visible ASCII characters.
    """
    if _GROUP.match(event_id):
        return event_id
    return "sha256-" + hashlib.sha256(event_id.encode()).hexdigest()


def command_group(command: Command) -> str:
    """Return the message group of a command: that of its event, except for a `Recount`, which has a group of its own.

    A `Recount` does not depend on the order (the ledger's version decides), and it may repair the very damage that
    blocks the event's group.
    """
    return recount_group(command.event_id) if isinstance(command, Recount) else event_group(command.event_id)


def recount_group(event_id: str) -> str:
    """Return the message group of an event's recounts."""
    return "recount-" + hashlib.sha256(event_id.encode()).hexdigest()


def deduplication_id(command: Command) -> str:
    """Return the id by which SQS drops a repeated command for five minutes.

    A double click is one command: same registration, kind and generation. Register, cancel and register again in quick
    succession are three, because the generation differs. Each revision of an event belongs to one command. A Recount
    has its own id, because a second one for the same ledger is a new attempt.
    """
    parts: tuple[object, ...]
    match command:
        case Register() | Cancel():
            parts = (command.registration_id, type(command).__name__, command.generation)
        case Promote():
            parts = (command.event_id, "Promote", command.ledger_version)
        case Configure():
            parts = (command.event_id, "Configure", command.revision)
        case Recount():
            parts = (command.event_id, "Recount", command.command_id)
        case _:
            assert_never(command)
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


def encode(command: Command) -> str:
    """Return the message body of a command."""
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
            changes = {
                SETTINGS[name].wire_name: SETTINGS[name].render(value) for name, value in command.changes.items()
            }
            body |= {"revision": command.revision, "changes": changes}
        case Recount():
            body |= {"ledgerVersion": command.ledger_version, **_totals_to_json(command.totals)}
        case _:
            assert_never(command)
    return json.dumps(body, separators=(",", ":"))


def decode(text: str) -> Command:
    """Return the command in a message body. Raises UndecodableMessage, which says what is wrong, if there is none."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UndecodableMessage("the body is not JSON") from error
    if not isinstance(body, dict):
        raise UndecodableMessage("the body is not a JSON object")
    if body.get("v") != VERSION or isinstance(body.get("v"), bool):
        raise UndecodableMessage(_unknown(body, "v", "version"))
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
            return Configure(command_id, event_id, _count(body, "revision"), _changes(body), accepted_at)
        case "Recount":
            return Recount(command_id, event_id, _count(body, "ledgerVersion"), _totals(body), accepted_at)
        case _:
            raise UndecodableMessage(_unknown(body, "kind", "kind"))


def _totals_to_json(totals: Totals) -> dict[str, Any]:
    line = {"lineOffset": totals.waitlist.offset, "line": f"{totals.waitlist.bits:x}"}
    return {"confirmed": totals.confirmed, **line, "lastRegisteredAt": totals.last_registered_at}


def _totals(body: dict[str, Any]) -> Totals:
    offset, bits = _count(body, "lineOffset"), body.get("line")
    if not isinstance(bits, str) or not _HEX.match(bits):
        raise UndecodableMessage("line is missing or not a bitmap")
    line = Waitlist(offset, int(bits, 16))
    if line != Waitlist() and not (line.offset and line.bits & 1):
        raise UndecodableMessage("line does not begin with a ticket")
    return Totals(_count(body, "confirmed"), line, _count(body, "lastRegisteredAt"))


def _changes(body: dict[str, Any]) -> SeatChanges:
    given = body.get("changes")
    known = {setting.wire_name: setting for setting in SETTINGS.values()}
    if not isinstance(given, dict) or not given or not given.keys() <= known.keys():
        raise UndecodableMessage("changes is missing or names no settings")
    changes: SeatChanges = {}
    for wire_name, setting in known.items():
        if wire_name in given:
            try:
                changes[setting.name] = setting.parse(given[wire_name])
            except ValueError as error:
                raise UndecodableMessage(f"{wire_name} {setting.kind.problem}") from error
    return changes


def _unknown(body: dict[str, Any], name: str, label: str) -> str:
    return f"{label} {json.dumps(body[name]):.40} is not known" if name in body else f"{name} is missing"


def _text(body: dict[str, Any], name: str) -> str:
    """Return a text that can be a key: DynamoDB would refuse the whole batch for a longer one, or invalid UTF-8."""
    value = body.get(name)
    if not isinstance(value, str) or not is_key(value):
        raise UndecodableMessage(f"{name} is missing or not a string")
    return value


def _count(body: dict[str, Any], name: str) -> int:
    try:
        return parse_count(body.get(name))
    except ValueError as error:
        raise UndecodableMessage(f"{name} {SEATS.problem}") from error
