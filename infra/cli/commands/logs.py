"""`turnstile logs`: the functions' log lines, in order of time."""

from __future__ import annotations

import heapq
import json
import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.cli.arguments import add_stage, moment_of
from infra.cli.deployment import Deployment
from infra.cli.errors import CliError
from infra.cli.function_logs import Line, lines, log_groups
from infra.cli.processes import Interrupts
from infra.cli.text import plain
from workers.aws.clock import SYSTEM_CLOCK
from workers.aws.items import timestamp

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

HELP = "show what the functions have logged"
DESCRIPTION = """\
Show the log lines of all functions, oldest first: time, level, function, message, and what the line is
about. With --event only those of one event: use it for an event that is stuck before it has a single
registration to trace. Lines of Lambda itself and metrics are left out.

examples:
  turnstile logs                         the last ten minutes
  turnstile logs --event pycon --since 2h
  turnstile logs --event pycon --follow  go on until Ctrl-C
  turnstile logs --stage prod --json | jq 'select(.level == "ERROR")'

--since takes 90s, 30m, 12h, 7d or a time like 2030-05-17T12:00Z; searching a busy stage's logs takes a
while. On the local stack, at most the first 10,000 matching lines of a function are found.

Exit code 0, also with --follow when ended with Ctrl-C; 3 when there is no stack."""

_PAUSE = 2.0
"""Seconds between two searches with --follow."""
_OVERLAP = 60.0
"""Seconds that are searched again: CloudWatch may show a line this long after it was written."""
_ABOUT = ("event_id", "registration_id", "command", "outcome", "reason", "receives")
"""The fields that a line of text shows, in this order."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--event", metavar="EVENT", help="only lines about this event")
    parser.add_argument("--since", default="10m", help="how far back to search (default: 10m)")
    parser.add_argument("--follow", action="store_true", help="go on showing new lines until Ctrl-C")
    parser.add_argument("--json", action="store_true", help="print each line as a JSON object")
    add_stage(parser)


def run(args: argparse.Namespace) -> int:
    """Print the lines, and follow the logs if asked to."""
    since = max(0, moment_of(args.since, SYSTEM_CLOCK.now())) / 1_000_000
    deployment = Deployment.resolve(args.stage)
    groups = log_groups(deployment)
    seen: set[tuple[str, Line]] = set()
    try:
        with Interrupts():
            while True:
                began = time.time()
                for handler, line in _search(deployment, groups, args.event, since):
                    if (handler, line) not in seen:
                        seen.add((handler, line))
                        print(json.dumps(_as_json(handler, line)) if args.json else _as_text(handler, line), flush=True)
                if not args.follow:
                    return 0
                since = max(since, began - _OVERLAP)
                seen = {(handler, line) for handler, line in seen if line.at >= since * 1000}
                time.sleep(_PAUSE)
    except KeyboardInterrupt:
        return 0
    except (ClientError, BotoCoreError) as error:
        raise CliError(f"cannot read the logs: {error}") from error


def _search(
    deployment: Deployment, groups: Mapping[str, str], event: str | None, since: float
) -> Iterator[tuple[str, Line]]:
    """Yield the functions' own lines, of one event if it is given, oldest first."""
    logs = deployment.clients.logs
    pattern = "" if event is None else json.dumps(event)

    def of_function(handler: str, group: str) -> Sequence[tuple[str, Line]]:
        found = (line for page in lines(logs, group, pattern, since) for line in page)
        return [(handler, line) for line in found if _wanted(line.fields, event)]

    every = [of_function(handler, group) for handler, group in groups.items()]
    yield from heapq.merge(*every, key=lambda found: found[1].at)


def _wanted(fields: Mapping[str, Any], event: str | None) -> bool:
    return "message" in fields and (event is None or fields.get("event_id") == event)


def _as_json(handler: str, line: Line) -> dict[str, Any]:
    return {"at": timestamp(line.at * 1000), "function": handler.rpartition(".")[2], **line.fields}


def _as_text(handler: str, line: Line) -> str:
    fields = line.fields
    about = ", ".join(f"{name} {fields[name]}" for name in _ABOUT if fields.get(name) is not None)
    level, message = fields.get("level", "INFO"), fields["message"]
    cause = str(fields.get("exception") or "").strip().rpartition("\n")[2]
    words = [f"{timestamp(line.at * 1000)[:-4]}Z", f"{level:<7}", f"{handler.rpartition('.')[2]:<13}", message]
    return plain("  ".join([*words, *([f"({about})"] if about else []), *([cause] if cause else [])]))
