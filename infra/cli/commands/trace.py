"""`turnstile trace`: how one registration came to what it is."""

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
from infra.cli.trace.timeline import Timeline, read_timeline
from workers.aws.clock import SYSTEM_CLOCK
from workers.aws.items import timestamp
from workers.domain.records import registration_id

if TYPE_CHECKING:
    import argparse

HELP = "tell the story of one registration"
DESCRIPTION = """\
Tell the story of one registration, oldest first: accepted, decided (why, and what it did to seats and
line), promoted, cancelled, dead-lettered, replayed; and where it stands now, with its place in the line.
What is now comes from its record and its event's ledger, what was from the functions' logs.

examples:
  turnstile trace reg_K7Q2M5XWZ3ABCDEFGHIJKLMNOP
  turnstile trace pycon ada                  by event and user
  turnstile trace pycon ada --since 12h      look only at the last 12 hours of the logs
  turnstile trace pycon ada --json | jq '.story[] | select(.what == "decided") | .log'

Seats and line in a decision are those before and after the whole commit; others may have been in it.
--since takes 90s, 30m, 12h, 7d (the default) or a time like 2030-05-17T12:00Z; a busy stage's logs take a
while to search. Exit code 1 when nobody is registered and the logs know nothing,
or when the record or the ledger is damaged; 3 when there is no stack."""

_ID = re.compile(r"reg_[A-Z2-7]{26}\Z")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("what", metavar="REGISTRATION_ID | EVENT", help="the registration, or with USER the event")
    parser.add_argument("user", metavar="USER", nargs="?", help="the user, when the first argument is an event")
    add_stage(parser)
    parser.add_argument("--since", default="7d", help="how far back to look in the logs (default: 7d)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Tell it."""
    key, since = _key(args.what, args.user), _moment(args.since)
    deployment = Deployment.resolve(args.stage)
    if sys.stderr.isatty():
        print(f"searching the logs of {deployment.stack_name} ...", file=sys.stderr)
    try:
        story = read_timeline(deployment, key, since)
    except (ClientError, BotoCoreError) as error:
        raise CliError(f"cannot read the story of {key}: {error}") from error
    if story.record is None and story.damage is None and not story.entries:
        who = key if args.user is None else f"{args.user} at {args.what} ({key})"
        raise CliError(f"there is no registration {who}, and the logs since {args.since} know nothing of it")
    if args.json:
        print(json.dumps(_as_json(story)))
    else:
        print("\n".join(map(plain, _as_text(story, args.since))))
    return 1 if story.damage else 0


def _key(what: str, user: str | None) -> str:
    if user is not None:
        return registration_id(what, user)
    if not _ID.match(what):
        raise UsageError(
            f"{what} is no registration id (reg_ and 26 of A-Z, 2-7); by event and user: turnstile trace EVENT USER"
        )
    return what


def _moment(text: str) -> float:
    """What `--since` says, in seconds since 1970."""
    moment = moment_of(text, SYSTEM_CLOCK.now())
    if moment < 0:
        raise UsageError(f"--since {text} is before 1970, and so before any log")
    return moment / 1_000_000


def _as_json(story: Timeline) -> dict[str, Any]:
    record, ledger = story.record, story.ledger
    about: dict[str, Any] = {"registrationId": story.registration_id, "registration": None, "now": story.now}
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
            "waitlistPosition": story.place,
            "freeSeats": ledger.free_seats if ledger else None,
        }
    return about | {"story": [entry.as_json() for entry in story.entries]}


def _as_text(story: Timeline, since: str) -> list[str]:
    record = story.record
    told = [story.registration_id]
    if record is not None:
        told += [
            f"  {record.user_id} at {record.event_id}, generation {record.generation}",
            f"  registered at {timestamp(record.registered_at)}",
        ]
    told += [f"  now {story.now}", ""]
    told += [f"{entry.at}  {entry.what:<13}  {entry.details}" for entry in story.entries]
    if not story.entries:
        told.append(f"The logs since {since} say nothing of it; they may have expired, or --since 30d finds more.")
    return told
