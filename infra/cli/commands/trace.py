"""`turnstile trace`: the history of one registration."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.cli.arguments import add_stage, moment_of
from infra.cli.deployment import Deployment
from infra.cli.errors import CliError, UsageError
from infra.cli.text import plain
from infra.cli.trace.timeline import EventTimeline, Timeline, read_event_timeline, read_timeline
from workers.aws.clock import SYSTEM_CLOCK
from workers.aws.items import timestamp
from workers.domain.records import registration_id

if TYPE_CHECKING:
    import argparse

HELP = "show the history of one registration, or of one event"
DESCRIPTION = """\
Show the history of one registration, or of one event, oldest first: accepted, decided (why, and how seats and waiting
list changed), promoted, cancelled, dead-lettered, replayed; and its current state with its position on
the waiting list. The state comes from its record and its event's ledger, the history from the
functions' logs.

examples:
  turnstile trace reg_K7Q2M5XWZ3ABCDEFGHIJKLMNOP
  turnstile trace pycon ada                  by event and user
  turnstile trace pycon                      everything about one event
  turnstile trace pycon ada --since 12h      search only the last 12 hours of logs
  turnstile trace pycon ada --json | jq '.story[] | select(.what == "decided") | .log'

The seats and the waiting list of a decision are those before and after the whole commit, which may
include other commands. --since takes 90s, 30m, 12h, 7d (the default) or a time like 2030-05-17T12:00Z;
searching a busy stage's logs takes a while.

Exit code 1 when there is neither a registration nor a log line, or when the record or the ledger is
damaged; 3 when there is no stack."""

_ID = re.compile(r"reg_[A-Z2-7]{26}\Z")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("what", metavar="REGISTRATION_ID | EVENT", help="a registration, or an event")
    parser.add_argument("user", metavar="USER", nargs="?", help="the user, for one registration at the event")
    add_stage(parser)
    parser.add_argument("--since", default="7d", help="how far back to search the logs (default: 7d)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the history and return the exit code."""
    since = _moment(args.since)
    key = registration_id(args.what, args.user) if args.user is not None else args.what
    deployment = Deployment.resolve(args.stage)
    if sys.stderr.isatty():
        print(f"searching the logs of {deployment.stack_name} ...", file=sys.stderr)
    try:
        if not _ID.match(key):
            return _print_event(read_event_timeline(deployment, key, since), args)
        timeline = read_timeline(deployment, key, since)
    except (ClientError, BotoCoreError) as error:
        raise CliError(f"cannot read the history of {key}: {error}") from error
    if timeline.record is None and timeline.damage is None and not timeline.entries:
        name = key if args.user is None else f"{args.user} at {args.what} ({key})"
        raise CliError(f"there is no registration {name}, and no log line about it since {args.since}")
    if args.json:
        print(json.dumps(_as_json(timeline)))
    else:
        print("\n".join(map(plain, _as_text(timeline, args.since))))
    return 1 if timeline.damage else 0


def _print_event(timeline: EventTimeline, args: argparse.Namespace) -> int:
    if timeline.ledger is None and timeline.damage is None and not timeline.entries:
        hint = " (a registration id is reg_ and 26 of A-Z, 2-7)" if timeline.event_id.startswith("reg_") else ""
        raise CliError(
            f"there is no registration and no ledger of an event {timeline.event_id}, and no log line about it{hint}"
        )
    if args.json:
        story = [entry.as_json() for entry in timeline.entries]
        print(json.dumps({"eventId": timeline.event_id, "now": timeline.now, "story": story}))
    else:
        lines = [timeline.event_id, f"  now {timeline.now}", ""]
        for entry in timeline.entries:
            about = entry.source.get("registration_id") or ""
            lines.append(f"{entry.at}  {entry.what:<13}  {about:<30}  {entry.details}")
        print("\n".join(map(plain, lines)))
    return 1 if timeline.damage else 0


def _moment(text: str) -> float:
    """Parse `--since` into seconds since 1970."""
    moment = moment_of(text, SYSTEM_CLOCK.now())
    if moment < 0:
        raise UsageError(f"--since {text} is before 1970; choose a later time")
    return moment / 1_000_000


def _as_json(timeline: Timeline) -> dict[str, Any]:
    record, ledger = timeline.record, timeline.ledger
    about: dict[str, Any] = {"registrationId": timeline.registration_id, "registration": None, "now": timeline.now}
    if record is not None:
        about["registration"] = {
            "eventId": record.event_id,
            "userId": record.user_id,
            "status": str(record.status),
            "generation": record.generation,
            "version": record.version,
            "registeredAt": timestamp(record.registered_at),
            "code": record.code,
            "note": record.note,
            "waitlistPosition": timeline.position,
            "freeSeats": ledger.free_seats if ledger else None,
        }
    return about | {"story": [entry.as_json() for entry in timeline.entries]}


def _as_text(timeline: Timeline, since: str) -> list[str]:
    record = timeline.record
    lines = [timeline.registration_id]
    if record is not None:
        lines += [
            f"  {record.user_id} at {record.event_id}, generation {record.generation}",
            f"  registered at {timestamp(record.registered_at)}",
        ]
    lines += [f"  now {timeline.now}", ""]
    lines += [f"{entry.at}  {entry.what:<13}  {entry.details}" for entry in timeline.entries]
    if not timeline.entries:
        lines.append(
            f"The logs since {since} do not mention it. They may have expired; --since 30d searches further back."
        )
    return lines
