"""Reconstruct the timeline of one registration: its current state from the tables, its past from the logs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from infra.cli.function_logs import REGISTRAR, REGISTRATIONS, Line, lines, log_groups
from infra.cli.hints import suggest
from workers.aws.items import (
    DECODE_ERRORS,
    event_key,
    ledger_from_item,
    registration_from_item,
    registration_key,
    timestamp,
)
from workers.domain.damage import describe_damage
from workers.domain.records import Ledger, Registration, Status, waitlist_position
from workers.domain.seat_settings import EventStatus

if TYPE_CHECKING:
    from infra.cli.deployment import Deployment

_SOURCES = (REGISTRATIONS, REGISTRAR)
"""The functions whose log lines name a registration."""

_ANSWERS = {
    "answered pending": ("answered", "202: not decided within the time that the client waited"),
    "refused": ("refused", "by the API: the event was full when the request was checked"),
}
"""The API's log messages about a response, each with the name of its entry and an explanation."""

_OUTCOMES = {"decided", "promoted", "cancelled"}
_ORDINALS = {1: "st", 2: "nd", 3: "rd"}


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One step in the history. `at` is an ISO time (UTC), `source` the log line that reports it."""

    at: str
    what: str
    details: str
    source: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the entry as `turnstile trace --json` prints it, with ids to search for and the whole log line."""
        ids = {"requestId": self.source.get("request_id"), "commandId": self.source.get("command_id")}
        return {"at": self.at, "what": self.what, "details": self.details, **ids, "log": dict(self.source)}


@dataclass(frozen=True, slots=True)
class Timeline:
    """A registration: its record and its event's ledger now (None if there is none), and its history.

    `damage` says which of the two cannot be read, and why.
    """

    registration_id: str
    record: Registration | None
    ledger: Ledger | None
    entries: tuple[TimelineEntry, ...]
    damage: str | None = None

    @property
    def now(self) -> str:
        """Describe the current state."""
        if self.record is None and self.damage is None and any(e.what in _OUTCOMES for e in self.entries):
            return "its record no longer exists: someone deleted it"
        return self.damage or describe_status(self.record, self.ledger)

    @property
    def position(self) -> int | None:
        """Return its position on the waiting list, 1 for the head; None if it is not on it."""
        return waitlist_position(self.record, self.ledger) if self.record is not None else None


@dataclass(frozen=True, slots=True)
class EventTimeline:
    """An event: its ledger now (None if there is none), and its history.

    `damage` says why the ledger cannot be read.
    """

    event_id: str
    ledger: Ledger | None
    entries: tuple[TimelineEntry, ...]
    damage: str | None = None

    @property
    def now(self) -> str:
        """Describe the current state."""
        if self.damage or self.ledger is None:
            return self.damage or "no ledger: nobody has registered yet, or there is no such event"
        ledger = self.ledger
        seats = f"{ledger.confirmed} of {ledger.settings.capacity} seats taken, {len(ledger.waitlist)} waiting"
        due = f"; a promotion is due (if it does not come: {suggest('promote')})" if ledger.promotable else ""
        return f"{ledger.settings.status}: {seats}{due}"


def read_timeline(deployment: Deployment, registration_id: str, since: float) -> Timeline:
    """Read a registration's record, its event's ledger, and the logs since `since` (seconds since 1970).

    Raises ClientError or BotoCoreError if a request to AWS fails.
    """
    clients, outputs = deployment.clients, deployment.outputs
    found = _log_lines(deployment, "registration_id", registration_id, since)
    item = clients.dynamodb.get_item(
        TableName=outputs.registrations_table, Key=registration_key(registration_id), ConsistentRead=True
    ).get("Item")
    entries = entries_of(found)
    try:
        record = registration_from_item(item) if item is not None else None
    except DECODE_ERRORS as error:
        return Timeline(
            registration_id, None, None, entries, f"unknown: its record cannot be read ({describe_damage(error)})"
        )
    if record is None:
        return Timeline(registration_id, None, None, entries)
    item = clients.dynamodb.get_item(
        TableName=outputs.ledger_table, Key=event_key(record.event_id), ConsistentRead=True
    ).get("Item")
    try:
        ledger = ledger_from_item(item) if item is not None else None
    except DECODE_ERRORS as error:
        damage = f"{record.status}; the ledger of its event cannot be read ({describe_damage(error)})"
        return Timeline(registration_id, record, None, entries, damage)
    return Timeline(registration_id, record, ledger, entries)


def read_event_timeline(deployment: Deployment, event_id: str, since: float) -> EventTimeline:
    """Read an event's ledger, and the log lines about the event since `since` (seconds since 1970).

    Raises ClientError or BotoCoreError if a request to AWS fails.
    """
    entries = entries_of(_log_lines(deployment, "event_id", event_id, since))
    item = deployment.clients.dynamodb.get_item(
        TableName=deployment.outputs.ledger_table, Key=event_key(event_id), ConsistentRead=True
    ).get("Item")
    try:
        return EventTimeline(event_id, ledger_from_item(item) if item is not None else None, entries)
    except DECODE_ERRORS as error:
        return EventTimeline(event_id, None, entries, f"its ledger cannot be read ({describe_damage(error)})")


def _log_lines(deployment: Deployment, field: str, value: str, since: float) -> list[Line]:
    """Search the logs for lines whose `field` has this value, in parallel: CloudWatch needs time for a busy log."""
    groups = log_groups(deployment)
    wanted = [groups[handler] for handler in _SOURCES if handler in groups]
    logs = deployment.clients.logs  # made before the threads would make one each

    def search(group: str) -> list[Line]:
        return [line for page in lines(logs, group, json.dumps(value), since) for line in page]

    with ThreadPoolExecutor() as pool:
        found = [line for group in pool.map(search, wanted) for line in group]
    return [line for line in found if line.fields.get(field) == value and "message" in line.fields]


def entries_of(found: Iterable[Line]) -> tuple[TimelineEntry, ...]:
    """Turn log lines into entries, oldest first."""
    timed = [(_time(line), line.fields) for line in found]
    begun: dict[str, str] = {}
    for at, fields in timed:
        command = fields.get("command_id", "")
        begun[command] = min(at, begun.get(command, at))

    def moment(line: tuple[str, Mapping[str, Any]]) -> tuple[str, bool]:
        # The API logs `accepted` after SQS has the command, so the registrar may have logged its decision before.
        at, fields = line
        accepted = fields["message"] == "accepted"
        return begun[fields.get("command_id", "")] if accepted else at, not accepted

    ordered = sorted(timed, key=moment)
    return tuple(entry for line in ordered for entry in _entries(moment(line)[0], line[1]))


def _time(line: Line) -> str:
    """Return when the line was logged according to itself, to the millisecond, in UTC."""
    try:
        written = datetime.strptime(line.fields["timestamp"], "%Y-%m-%d %H:%M:%S,%f%z").timestamp()
    except (KeyError, TypeError, ValueError):
        written = line.at / 1000
    return timestamp(round(written * 1000) * 1000)[:-4] + "Z"


def _entries(at: str, fields: Mapping[str, Any]) -> list[TimelineEntry]:
    command = fields.get("command", "?")
    match fields["message"]:
        case "accepted":
            details = f"{command} of generation {fields.get('generation', '?')}, sent to the queue"
            return [TimelineEntry(at, "accepted", details, fields)]
        case "refused" | "answered pending" as message:
            return [TimelineEntry(at, *_ANSWERS[message], fields)]
        case "decided":
            replayed = fields.get("replay_of")
            sent_back = (
                [TimelineEntry(at, "replayed", f"{command}, from dead letter {replayed}", fields)] if replayed else []
            )
            return [*sent_back, _decided(at, fields)]
        case "promoted":
            waited = _duration(fields.get("waited_ms"))
            return [TimelineEntry(at, "promoted", f"{waited} after a seat became free; {_ledgers(fields)}", fields)]
        case "a message was parked in the dead-letter queue":
            message_id = fields.get("dead_letter_id", "?")
            details = f"{command}: {fields.get('reason', '?')} ({suggest(f'dlq show {message_id}')})"
            return [TimelineEntry(at, "dead-lettered", details, fields)]
        case message:
            # The last line of a traceback names the exception.
            cause = fields.get("reason") or str(fields.get("exception") or "").strip().rpartition("\n")[2]
            return [TimelineEntry(at, "noted", f"{message}: {cause}" if cause else message, fields)]


def _decided(at: str, fields: Mapping[str, Any]) -> TimelineEntry:
    outcome, reason = fields.get("outcome", "?"), fields.get("reason", "?")
    what = "cancelled" if outcome == "cancelled" else "decided"
    details = f"{fields.get('command', '?')}: {outcome} ({reason}), {_duration(fields.get('latency_ms'))} after it was"
    return TimelineEntry(at, what, f"{details} accepted; {_ledgers(fields)}", fields)


def _ledgers(fields: Mapping[str, Any]) -> str:
    """Describe how the whole commit changed the event's seats and waiting list; it may have included other commands."""
    before, after = fields.get("ledger_before", {}), fields.get("ledger_after", {})
    seats = [f"{ledger.get('confirmed', '?')}/{ledger.get('capacity', '?')}" for ledger in (before, after)]
    waiting = [str(ledger.get("waiting", "?")) for ledger in (before, after)]
    return f"seats {_change(seats)}, waiting {_change(waiting)}"


def _change(values: list[str]) -> str:
    before, after = values
    return before if before == after else f"{before} -> {after}"


def _duration(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "?"
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:,.1f} s"


def describe_status(record: Registration | None, ledger: Ledger | None) -> str:
    """Describe the state of a registration."""
    if record is None:
        return "no record: nothing has been decided yet"
    match record.status:
        case Status.WAITLISTED:
            return f"waitlisted: {_describe_position(record, ledger)}"
        case Status.PENDING:
            last = "Cancel" if record.cancelling else "Register"
            return f"pending: its {last} is in the queue or in the dead-letter queue ({suggest('dlq list')})"
        case Status.REJECTED:
            note = f": {record.note}" if record.note else ""
            return f"rejected ({record.code or '?'}{note})"
        case status:
            return str(status)


def _describe_position(record: Registration, ledger: Ledger | None) -> str:
    position = waitlist_position(record, ledger)
    if ledger is None or position is None:
        return "its ticket is missing from the ledger"
    seats = f"{ledger.free_seats} seat{'' if ledger.free_seats == 1 else 's'} free"
    words = f"{_ordinal(position)} on the waiting list, {seats}"
    if ledger.settings.status is EventStatus.CANCELLED:
        return f"{words}; the event is cancelled, so nobody is promoted"
    due = f"{words}; a promotion is due (if it does not come: {suggest('promote')})"
    return due if ledger.promotable else words


def _ordinal(number: int) -> str:
    suffix = "th" if 11 <= number % 100 <= 13 else _ORDINALS.get(number % 10, "th")
    return f"{number}{suffix}"
