"""Dead letters in words, for a terminal and for scripts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from infra.cli.dlq.dead_letters import BATCH
from infra.cli.errors import CliError, UsageError
from infra.cli.text import plain
from workers.aws.dead_letters import MOVED, DeadLetter
from workers.aws.items import timestamp
from workers.aws.messages import UndecodableMessage
from workers.domain.commands import Cancel, Command, Configure, Register

if TYPE_CHECKING:
    from infra.cli.dlq.dead_letters import QueueSnapshot
    from infra.cli.dlq.preview import Preview

_SHORTEST_ID = 6
_HEAD = ("ID", "AGE", "EVENT", "COMMAND", "USER", "RECEIVED", "REASON")


def require_length(wanted: str) -> None:
    """UsageError when an ID is so short that it could mean any letter."""
    if len(wanted) < _SHORTEST_ID:
        raise UsageError(f"the ID {wanted} is too short: give at least {_SHORTEST_ID} characters of it")


def find(look: QueueSnapshot, wanted: str) -> DeadLetter:
    """The letter with this id, or with one that begins like this. CliError if there is none, or more than one."""
    found = [letter for letter in look.letters if letter.message_id.startswith(wanted)]
    if not found:
        raise CliError(
            f"there is no dead letter {wanted} among the {len(look.letters)} that can be seen{_hidden(look)}"
            + ("; one that is hidden shows when those before it are replayed or discarded" if look.hidden else "")
        )
    if len(found) > 1:
        raise CliError(f"several dead letters begin with {wanted}: {', '.join(one.message_id for one in found)}")
    return found[0]


def gone(ids: Collection[str], look: QueueSnapshot, wanted: str) -> str | None:
    """The one of these ids, of letters that are not there any more, that begins like this; None if one is there."""
    if any(letter.message_id.startswith(wanted) for letter in look.letters):
        return None
    return next((known for known in ids if known.startswith(wanted)), None)


def as_json(letter: DeadLetter, now: int) -> dict[str, Any]:
    """What `list --json` says of a letter."""
    command = None if isinstance(letter.command, UndecodableMessage) else letter.command
    return {
        "id": letter.message_id,
        "ageSeconds": max(0, now - letter.sent_at) // 1_000_000,
        "diedAt": timestamp(letter.sent_at),
        "eventId": letter.event_id,
        "command": type(command).__name__ if command else None,
        "commandId": command.command_id if command else None,
        "userId": getattr(command, "user_id", None),
        "registrationId": getattr(command, "registration_id", None),
        "receives": letter.receives,
        "reason": letter.reason,
        "replayOf": letter.replay_of,
        "mainId": letter.main_id,
    }


def table(letters: Sequence[DeadLetter], now: int) -> str:
    """One line per letter, under a head."""
    rows = [_HEAD, *(_row(letter, now) for letter in letters)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)


def counted(look: QueueSnapshot, shown: int) -> str:
    """The line below a table."""
    return f"{shown} shown of {len(look.letters) + look.hidden}{_hidden(look)}"


def describe(letter: DeadLetter, look: QueueSnapshot, foreseen: Preview) -> str:
    """Everything about one letter, for a person."""
    before = look.before(letter)
    record, ledger = foreseen.registration, foreseen.ledger
    lines = [
        ("dead letter", letter.message_id),
        ("event", plain(letter.event_id)),
        ("command", plain(_described(letter.command))),
        (
            "died",
            f"{_age(look.now - letter.sent_at)} ago, {timestamp(letter.sent_at)}, received {letter.receives} times",
        ),
        ("reason", plain(letter.reason)),
        ("before it", ", ".join(one.message_id for one in before) or "nothing in its group"),
    ]
    if letter.replay_of:
        lines.append(("replay of", letter.replay_of))
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
        ("replaying it", plain(f"would {foreseen.would}")),
    ]
    text = "\n".join(f"{name:<14}{value}" for name, value in lines)
    body = json.dumps(_body(letter), indent=2)
    return f"{text}\n\nmessage\n{body}" + (f"\n\n{_ask_the_logs(letter)}" if letter.reason == MOVED else "")


def details_as_json(letter: DeadLetter, look: QueueSnapshot, foreseen: Preview) -> dict[str, Any]:
    """The same for a script."""
    record, ledger = foreseen.registration, foreseen.ledger
    return as_json(letter, look.now) | {
        "group": letter.group,
        "message": _body(letter),
        "before": [one.message_id for one in look.before(letter)],
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
        "replayWould": foreseen.would,
        "logQuery": log_query(letter) if letter.reason == MOVED else None,
    }


def log_query(letter: DeadLetter) -> str:
    """The CloudWatch Logs Insights query that finds what the workers said of a letter."""
    command = letter.command
    if isinstance(command, UndecodableMessage):
        wanted = f"message_id = {json.dumps(letter.main_id)}"
    else:
        wanted = f"command_id = {json.dumps(command.command_id)} and event_id = {json.dumps(command.event_id)}"
    return f"fields @timestamp, level, message, outcome, reason, receives | filter {wanted} | sort @timestamp"


def _ask_the_logs(letter: DeadLetter) -> str:
    hint = "Nobody parked it, so the log has to say why. CloudWatch Logs Insights, the registrar's log group:"
    return f"{hint}\n  {log_query(letter)}"


def _row(letter: DeadLetter, now: int) -> tuple[str, ...]:
    command = letter.command
    kind = "?" if isinstance(command, UndecodableMessage) else type(command).__name__
    cells = (letter.event_id, kind, getattr(command, "user_id", None) or "-", str(letter.receives), letter.reason)
    return (letter.message_id, _age(now - letter.sent_at), *(plain(cell) for cell in cells))


def _described(command: Command | UndecodableMessage) -> str:
    match command:
        case UndecodableMessage():
            return f"none that can be read: {command}"
        case Register() | Cancel():
            kind = type(command).__name__
            return f"{kind} {command.command_id}, user {command.user_id}, generation {command.generation}"
        case Configure():
            return f"Configure {command.command_id}, revision {command.revision}"
        case _:
            return f"{type(command).__name__} {command.command_id}, ledger version {command.ledger_version}"


def _body(letter: DeadLetter) -> Any:
    try:
        return json.loads(letter.body)
    except (ValueError, RecursionError):
        return letter.body


def _age(microseconds: int) -> str:
    seconds = max(0, microseconds) // 1_000_000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _hidden(look: QueueSnapshot) -> str:
    if not look.hidden:
        return ""
    why = []
    if look.elsewhere:
        why.append(f"{look.elsewhere} are held by somebody else just now, and those behind them wait")
    if BATCH in Counter(letter.group for letter in look.letters).values():
        why.append("of one event, a FIFO queue shows no more than the first ten")
    return f" ({look.hidden} stay hidden{': ' if why else ''}{'; '.join(why)})"
