"""What `turnstile trace` tells: where one registration stands now, and what the logs say of how it came to that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from api.views import waitlist_position
from infra.cli.function_logs import REGISTRAR, REGISTRATIONS, Line, lines, log_groups
from workers.aws.items import (
    DECODE_ERRORS,
    event_key,
    ledger_from_item,
    registration_from_item,
    registration_key,
    timestamp,
)
from workers.domain.records import Ledger, Registration, Status
from workers.domain.seat_settings import EventStatus

if TYPE_CHECKING:
    from infra.cli.deployment import Deployment

_TELLERS = (REGISTRATIONS, REGISTRAR)
"""The functions whose log lines name a registration."""

_ANSWERS = {
    "answered pending": ("answered", "202: not decided within the time that the client waited"),
    "refused": ("refused", "at the door: the ledger that the request read had no room"),
}
"""Log lines of the API about what the client heard: what to call them, and what they mean."""

_OUTCOMES = {"decided", "promoted", "cancelled"}
_ORDINALS = {1: "st", 2: "nd", 3: "rd"}


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened. `at` is a time in ISO form (UTC), `source` the log line that says so."""

    at: str
    what: str
    details: str
    source: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The entry as `turnstile trace --json` prints it: with the ids to search on by, and the whole log line."""
        ids = {"requestId": self.source.get("request_id"), "commandId": self.source.get("command_id")}
        return {"at": self.at, "what": self.what, "details": self.details, **ids, "log": dict(self.source)}


@dataclass(frozen=True, slots=True)
class Timeline:
    """One registration: its record and its event's ledger as they are now (None: there is none), its past.

    `damage` says which of the two cannot be read, and why.
    """

    registration_id: str
    record: Registration | None
    ledger: Ledger | None
    entries: tuple[TimelineEntry, ...]
    damage: str | None = None

    @property
    def now(self) -> str:
        """Where it stands, in words; what it waits for, if it waits."""
        if self.record is None and self.damage is None and any(e.what in _OUTCOMES for e in self.entries):
            return "there is no record of it any more: somebody deleted it"
        return self.damage or describe_status(self.record, self.ledger)

    @property
    def place(self) -> int | None:
        """Its place in the line, 1 for the head; None if it does not wait."""
        return waitlist_position(self.record, self.ledger) if self.record is not None else None


def read_timeline(deployment: Deployment, registration_id: str, since: float) -> Timeline:
    """The story of a registration: its record, its event's ledger, the logs since `since` (seconds since 1970).

    Raises ClientError or BotoCoreError when AWS cannot be asked.
    """
    clients, outputs = deployment.clients, deployment.outputs
    said = _log_lines(deployment, registration_id, since)
    item = clients.dynamodb.get_item(
        TableName=outputs.registrations_table, Key=registration_key(registration_id), ConsistentRead=True
    ).get("Item")
    entries = entries_of(said)
    try:
        record = registration_from_item(item) if item is not None else None
    except DECODE_ERRORS as error:
        return Timeline(registration_id, None, None, entries, f"unknown: its record cannot be read ({error!r})")
    if record is None:
        return Timeline(registration_id, None, None, entries)
    item = clients.dynamodb.get_item(
        TableName=outputs.ledger_table, Key=event_key(record.event_id), ConsistentRead=True
    ).get("Item")
    try:
        ledger = ledger_from_item(item) if item is not None else None
    except DECODE_ERRORS as error:
        damage = f"{record.status}; the ledger of its event cannot be read ({error!r})"
        return Timeline(registration_id, record, None, entries, damage)
    return Timeline(registration_id, record, ledger, entries)


def _log_lines(deployment: Deployment, registration_id: str, since: float) -> list[Line]:
    """Both functions' lines about the registration, searched at the same time: a busy log takes CloudWatch a while."""
    groups = log_groups(deployment)
    wanted = [groups[handler] for handler in _TELLERS if handler in groups]
    logs = deployment.clients.logs  # made before the threads would make one each

    def search(group: str) -> list[Line]:
        return [line for page in lines(logs, group, f'"{registration_id}"', since) for line in page]

    with ThreadPoolExecutor() as pool:
        found = [line for group in pool.map(search, wanted) for line in group]
    return [line for line in found if line.fields.get("registration_id") == registration_id]


def entries_of(said: Iterable[Line]) -> tuple[TimelineEntry, ...]:
    """Log lines as entries, oldest first."""
    timed = [(_time(line), line.fields) for line in said]
    begun: dict[str, str] = {}
    for at, fields in timed:
        command = fields.get("command_id", "")
        begun[command] = min(at, begun.get(command, at))

    def moment(line: tuple[str, Mapping[str, Any]]) -> tuple[str, bool]:
        # The API says `accepted` once SQS has the command; the registrar may have decided it and said so before.
        at, fields = line
        accepted = fields["message"] == "accepted"
        return begun[fields.get("command_id", "")] if accepted else at, not accepted

    ordered = sorted(timed, key=moment)
    return tuple(entry for line in ordered for entry in _entries(moment(line)[0], line[1]))


def _time(line: Line) -> str:
    """When it was logged, as the line itself says: to the millisecond, in UTC."""
    try:
        written = datetime.strptime(line.fields["timestamp"], "%Y-%m-%d %H:%M:%S,%f%z").timestamp()
    except (KeyError, TypeError, ValueError):
        written = line.at / 1000
    return timestamp(round(written * 1000) * 1000)[:-4] + "Z"


def _entries(at: str, fields: Mapping[str, Any]) -> list[TimelineEntry]:
    command = fields.get("command", "?")
    match fields["message"]:
        case "accepted":
            details = f"{command} of generation {fields.get('generation', '?')}, put into the queue"
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
            return [TimelineEntry(at, "promoted", f"{waited} after a seat was free; {_ledgers(fields)}", fields)]
        case "a message was parked in the dead-letter queue":
            letter = fields.get("dead_letter_id", "?")
            details = f"{command}: {fields.get('reason', '?')} (turnstile dlq show {letter})"
            return [TimelineEntry(at, "dead-lettered", details, fields)]
        case message:
            # Of an exception the last line says what it was.
            cause = fields.get("reason") or str(fields.get("exception") or "").strip().rpartition("\n")[2]
            return [TimelineEntry(at, "noted", f"{message}: {cause}" if cause else message, fields)]


def _decided(at: str, fields: Mapping[str, Any]) -> TimelineEntry:
    outcome, reason = fields.get("outcome", "?"), fields.get("reason", "?")
    what = "cancelled" if outcome == "cancelled" else "decided"
    details = f"{fields.get('command', '?')}: {outcome} ({reason}), {_duration(fields.get('latency_ms'))} after it was"
    return TimelineEntry(at, what, f"{details} accepted; {_ledgers(fields)}", fields)


def _ledgers(fields: Mapping[str, Any]) -> str:
    """What the commit that decided it did to the event's seats and line; others may have been in the same commit."""
    before, after = fields.get("ledger_before", {}), fields.get("ledger_after", {})
    seats = [f"{ledger.get('confirmed', '?')}/{ledger.get('capacity', '?')}" for ledger in (before, after)]
    line = [str(ledger.get("waiting", "?")) for ledger in (before, after)]
    return f"seats {_change(seats)}, line {_change(line)}"


def _change(values: list[str]) -> str:
    before, after = values
    return before if before == after else f"{before} -> {after}"


def _duration(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "?"
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:,.1f} s"


def describe_status(record: Registration | None, ledger: Ledger | None) -> str:
    """Where a registration stands, in words."""
    if record is None:
        return "there is no record of it: nothing has been decided yet"
    match record.status:
        case Status.WAITLISTED:
            return f"waitlisted: {_waits_for(record, ledger)}"
        case Status.PENDING:
            last = "Cancel" if record.cancelling else "Register"
            return f"pending: its {last} is in the queue, or among the dead letters (turnstile dlq list)"
        case Status.REJECTED:
            note = f": {record.note}" if record.note else ""
            return f"rejected ({record.code or '?'}{note})"
        case status:
            return str(status)


def _waits_for(record: Registration, ledger: Ledger | None) -> str:
    place = waitlist_position(record, ledger)
    if ledger is None or place is None:
        return "but the ledger does not know its ticket"
    seats = f"{ledger.free_seats} seat{'' if ledger.free_seats == 1 else 's'} free"
    words = f"{_ordinal(place)} in line, {seats}"
    if ledger.settings.status is EventStatus.CANCELLED:
        return f"{words}; the event is cancelled, nobody is promoted"
    return f"{words}; a promotion is due (turnstile promote, if it does not come)" if ledger.promotable else words


def _ordinal(number: int) -> str:
    suffix = "th" if 11 <= number % 100 <= 13 else _ORDINALS.get(number % 10, "th")
    return f"{number}{suffix}"
