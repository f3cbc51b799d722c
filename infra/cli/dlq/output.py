"""Format dead-letter messages for a terminal and for scripts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from infra.cli.dlq.lookup import hidden
from infra.cli.text import count_of, plain
from workers.aws.dead_letters import MOVED, DeadLetter
from workers.aws.items import timestamp
from workers.aws.messages import UndecodableMessage
from workers.domain.commands import Command

if TYPE_CHECKING:
    from infra.cli.dlq.browser import QueueSnapshot
    from infra.cli.dlq.preview import Outlook, Preview

_HEADER = ("ID", "AGE", "EVENT", "COMMAND", "USER", "RECEIVED", "REASON", "A REPLAY WOULD")

_LABELS = {
    "user_id": "user",
    "generation": "generation",
    "revision": "revision",
    "ledger_version": "ledger version",
}
"""The attributes by which a command is described, where it has them."""


def as_json(message: DeadLetter, now: int) -> dict[str, Any]:
    """Return a message as `list --json` prints it."""
    command = None if isinstance(message.command, UndecodableMessage) else message.command
    return {
        "id": message.message_id,
        "ageSeconds": max(0, now - message.sent_at) // 1_000_000,
        "diedAt": timestamp(message.sent_at),
        "eventId": message.event_id,
        "command": type(command).__name__ if command else None,
        "commandId": command.command_id if command else None,
        "userId": getattr(command, "user_id", None),
        "registrationId": getattr(command, "registration_id", None),
        "receives": message.receives,
        "reason": message.reason,
        "replayOf": message.replay_of,
        "mainId": message.main_id,
    }


def table(messages: Sequence[DeadLetter], now: int, outlooks: Mapping[str, Outlook] | None = None) -> str:
    """Return a table with one line per message, under a header; with `outlooks`, what a replay of each would do."""
    rows = [_HEADER, *((*_row(message, now), _would(message, outlooks or {})) for message in messages)]
    rows = rows if outlooks is not None else [row[:-1] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)


def counted(snapshot: QueueSnapshot, shown: int) -> str:
    """Return the line below a table: how many messages it shows, of how many."""
    return f"{shown} shown of {len(snapshot.messages) + snapshot.hidden}{hidden(snapshot)}"


def describe(message: DeadLetter, snapshot: QueueSnapshot, preview: Preview) -> str:
    """Return everything about one message as text."""
    before = snapshot.before(message)
    age, record, ledger = _age(snapshot.now - message.sent_at), preview.registration, preview.ledger
    lines = [
        ("message id", message.message_id),
        ("event", plain(message.event_id)),
        ("command", plain(_described(message.command))),
        ("died", f"{age} ago, {timestamp(message.sent_at)}, received {count_of(message.receives, 'time')}"),
        ("reason", plain(message.reason)),
        ("before it", ", ".join(other.message_id for other in before) or "nothing in its group"),
    ]
    if message.replay_of:
        lines.append(("replay of", message.replay_of))
    if isinstance(record, str):
        registered = record
    else:
        ticket = "" if record.ticket is None else f", ticket {record.ticket}"
        registered = f"{record.registration_id}: {record.status}, generation {record.generation}{ticket}"
    if isinstance(ledger, str):
        seats = ledger
    else:
        waiting = (
            f"{len(ledger.waitlist)} waiting" if ledger.settings.has_waitlist or ledger.waitlist else "no waiting list"
        )
        taken = f"{ledger.confirmed} of {ledger.settings.capacity} seats taken"
        seats = f"version {ledger.version}: {taken}, {waiting}, {ledger.settings.status}"
    lines += [
        ("registration", plain(registered)),
        ("ledger", plain(seats)),
        ("replaying it", plain(f"would {preview.would}")),
    ]
    text = "\n".join(f"{name:<14}{value}" for name, value in lines)
    body = json.dumps(_body(message), indent=2)
    return f"{text}\n\nmessage\n{body}" + (f"\n\n{_log_hint(message)}" if message.reason == MOVED else "")


def details_as_json(message: DeadLetter, snapshot: QueueSnapshot, preview: Preview) -> dict[str, Any]:
    """Return everything about one message as `show --json` prints it."""
    record, ledger = preview.registration, preview.ledger
    return as_json(message, snapshot.now) | {
        "group": message.group,
        "message": _body(message),
        "before": [other.message_id for other in snapshot.before(message)],
        "registration": None
        if isinstance(record, str)
        else {
            "registrationId": record.registration_id,
            "status": str(record.status),
            "generation": record.generation,
            "version": record.version,
            "registeredAt": timestamp(record.registered_at),
            "ticket": record.ticket,
            "code": record.code,
        },
        "ledger": None
        if isinstance(ledger, str)
        else {
            "version": ledger.version,
            "capacity": ledger.settings.capacity,
            "confirmed": ledger.confirmed,
            "waiting": len(ledger.waitlist),
            "status": str(ledger.settings.status),
        },
        "replayWould": preview.would,
        "logQuery": log_query(message) if message.reason == MOVED else None,
    }


def log_query(message: DeadLetter) -> str:
    """Return the CloudWatch Logs Insights query for the log lines about a message."""
    command = message.command
    if isinstance(command, UndecodableMessage):
        wanted = f"message_id = {json.dumps(message.main_id)}"
    else:
        wanted = f"command_id = {json.dumps(command.command_id)} and event_id = {json.dumps(command.event_id)}"
    return f"fields @timestamp, level, message, outcome, reason, receives | filter {wanted} | sort @timestamp"


def _log_hint(message: DeadLetter) -> str:
    hint = "SQS moved it, so only the log says why. CloudWatch Logs Insights, the registrar's log group:"
    return f"{hint}\n  {log_query(message)}"


def _row(message: DeadLetter, now: int) -> tuple[str, ...]:
    command = message.command
    kind = "?" if isinstance(command, UndecodableMessage) else type(command).__name__
    cells = (message.event_id, kind, getattr(command, "user_id", None) or "-", str(message.receives), message.reason)
    return (message.message_id, _age(now - message.sent_at), *(plain(cell) for cell in cells))


def _would(message: DeadLetter, outlooks: Mapping[str, Outlook]) -> str:
    found = outlooks.get(message.message_id)
    return plain(found.would) if found else ""


def _described(command: Command | UndecodableMessage) -> str:
    if isinstance(command, UndecodableMessage):
        return f"unreadable: {command}"
    shown = [f"{label} {getattr(command, name)}" for name, label in _LABELS.items() if hasattr(command, name)]
    return ", ".join([f"{type(command).__name__} {command.command_id}", *shown])


def _body(message: DeadLetter) -> Any:
    try:
        return json.loads(message.body)
    except (ValueError, RecursionError):
        return message.body


def _age(microseconds: int) -> str:
    seconds = max(0, microseconds) // 1_000_000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
