"""`turnstile dlq`: list messages that could not be processed, send them back, or discard them."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING

from infra.cli.arguments import add_stage, moment_of
from infra.cli.deployment import LOCAL
from infra.cli.dlq import lookup, output
from infra.cli.dlq.dead_letters import LAG
from infra.cli.dlq.discard import discard
from infra.cli.dlq.preview import preview
from infra.cli.dlq.replay import ReplayRun
from infra.cli.dlq.session import DlqSession, open_session
from infra.cli.dlq.summary import Selection, describe_summary, unseen_events
from infra.cli.errors import CliError, UsageError
from infra.cli.progress import progress
from infra.cli.text import plain
from workers.aws.clock import SYSTEM_CLOCK
from workers.aws.messages import group_of

if TYPE_CHECKING:
    from infra.cli.dlq.browser import QueueSnapshot
    from workers.aws.dead_letters import DeadLetter

HELP = "list, replay or discard dead-letter messages"
DESCRIPTION = """\
Handle messages that the workers could not process. They are in the dead-letter queue, each in the
group of its event.

examples:
  turnstile dlq list                               list the messages and why they are there
  turnstile dlq show 5d7f0c                        show one message and what replaying it would do
  turnstile dlq replay --event pycon --dry-run     list what would be sent
  turnstile dlq replay --all --rate 20             send everything back, 20 messages per second
  turnstile dlq discard 5d7f0c --why "a test"      discard one message

ID is the SQS message id, or at least its first six characters. All of this works the same on AWS:
--stage prod, with the standard AWS credentials and region. While a command runs, the messages that it
reads are invisible to others; when it ends, for whatever reason, they become visible again.

docs/dead-letters.md explains what a replay means for the order of the waiting list."""

_LIST = """\
List the visible messages, each event's in order. Nothing is consumed. A FIFO queue shows only the first
ten messages of an event until they are deleted; the others are counted as hidden. If many events have
messages, some show fewer; --event shows all ten of one event.

examples:
  turnstile dlq list --event pycon
  turnstile dlq list --reason unreadable --since 2h
  turnstile dlq list --json | jq -r '.letters[].id'"""

_SHOW = """\
Show one message: its whole body, why it is there (or the log query that finds out), the registration and
the ledger as they are now, and what replaying it would do after the messages before it in its group.
Nothing is changed.

examples:
  turnstile dlq show 5d7f0c
  turnstile dlq show 5d7f0c --json | jq -r .replayWould"""

_REPLAY = """\
Send messages back to the main queue: whole groups in order, each message once. A message that cannot be
sent stops its group. Sent messages are recorded in a journal on disk before they are deleted here, so
the next run resumes after a kill. Messages that arrive after the start, or come back, stay; if there are
too many of them, the run stops.

examples:
  turnstile dlq replay --event pycon
  turnstile dlq replay --id 5d7f0c --id 91c2aa     name the messages before them in their group, too
  turnstile dlq replay --all --dry-run
  turnstile dlq replay --all --rate 5

Exit code 0 when everything was sent, 1 when anything remains. On AWS the counts of a queue may be a
minute old, so --event and --all wait that long to be sure."""

_DISCARD = """\
Discard one message. Its body and the reason are recorded in the journal first. A registration that was
still pending for it becomes rejected, with the reason as its note.

example:
  turnstile dlq discard 5d7f0c --why "sent by a load test" """


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands."""
    subparsers = parser.add_subparsers(title="subcommands", metavar="SUBCOMMAND", required=True)

    def add(name: str, action: object, help_: str, description: str) -> argparse.ArgumentParser:
        raw = argparse.RawDescriptionHelpFormatter
        sub = subparsers.add_parser(name, help=help_, description=description, formatter_class=raw)
        add_stage(sub)
        sub.set_defaults(action=action)
        return sub

    listing = add("list", _list, "list the visible messages", _LIST)
    listing.add_argument("--event", metavar="EVENT", help="only messages of this event")
    listing.add_argument("--reason", metavar="TEXT", help="only messages whose reason contains this text")
    listing.add_argument("--since", metavar="WHEN", help="only messages since 30m, 2h or 1d ago, or since an ISO time")
    listing.add_argument("--json", action="store_true", help="print one JSON object")

    showing = add("show", _show, "show one message and what replaying it would do", _SHOW)
    showing.add_argument("id", metavar="ID", help="the message id, or its first characters")
    showing.add_argument("--json", action="store_true", help="print one JSON object")

    replaying = add("replay", _replay, "send messages back in order", _REPLAY)
    replaying.add_argument("--event", metavar="EVENT", action="append", help="all messages of this event (repeatable)")
    replaying.add_argument("--id", metavar="ID", action="append", help="this message (repeatable)")
    replaying.add_argument("--all", action="store_true", help="all messages")
    replaying.add_argument("--dry-run", action="store_true", help="list what would be sent, and send nothing")
    replaying.add_argument("--rate", metavar="N", type=float, help="at most N messages per second (default: no limit)")
    replaying.add_argument("--json", action="store_true", help="print one JSON object at the end")

    discarding = add("discard", _discard, "discard one message", _DISCARD)
    discarding.add_argument("id", metavar="ID", help="the message id, or its first characters")
    discarding.add_argument("--why", metavar="TEXT", required=True, help="the reason, which is kept")


def run(args: argparse.Namespace) -> int:
    """Run the subcommand."""
    return int(args.action(args))


def _list(args: argparse.Namespace) -> int:
    group = None if args.event is None else group_of(args.event)
    with open_session(args.stage) as session, session.browse(groups=[group] if group else []) as snapshot:
        oldest = moment_of(args.since, snapshot.now) if args.since else 0
        shown = [
            message
            for message in snapshot.messages
            if (group is None or message.group == group)
            and (args.reason or "") in message.reason
            and message.sent_at >= oldest
        ]
    if args.json:
        found = [output.as_json(message, snapshot.now) for message in shown]
        counts = {"seen": len(snapshot.messages), "hidden": snapshot.hidden, "elsewhere": snapshot.elsewhere}
        print(json.dumps({"stage": args.stage, "letters": found} | counts))
    elif not shown and (snapshot.messages or snapshot.hidden):
        print(f"No visible message matches; {output.counted(snapshot, 0)}.")
    elif shown:
        print(f"{output.table(shown, snapshot.now)}\n\n{output.counted(snapshot, len(shown))}")
    else:
        print("The dead-letter queue is empty.")
    return 0


def _show(args: argparse.Namespace) -> int:
    lookup.require_length(args.id)
    with open_session(args.stage) as session, session.browse([args.id]) as snapshot:
        message = lookup.find(snapshot, args.id)
        dynamodb = session.deployment.clients.dynamodb
        outlook = preview(dynamodb, SYSTEM_CLOCK, session.deployment.outputs.tables, message, snapshot.before(message))
    if args.json:
        print(json.dumps(output.details_as_json(message, snapshot, outlook)))
    else:
        print(output.describe(message, snapshot, outlook))
    return 0


def _replay(args: argparse.Namespace) -> int:
    if sum(bool(way) for way in (args.all, args.event, args.id)) != 1:
        raise UsageError("choose what to replay: --event EVENT, --id ID, or --all for everything (try --dry-run first)")
    if args.rate is not None and not (args.rate > 0 and math.isfinite(args.rate)):
        raise UsageError(f"--rate {args.rate} must be a positive number of messages per second")
    with open_session(args.stage) as session:
        selection, total = _selection(args, session)
        if args.dry_run:
            return _dry_run(args, session, selection)
        with progress("replaying", total) as done:
            summary = ReplayRun(
                queue=session.queue,
                sqs=session.deployment.clients.sqs,
                main_url=session.deployment.outputs.queue_url,
                journal=session.journal,
                clock=SYSTEM_CLOCK,
                selection=selection,
                rate=args.rate,
                lag=0 if args.stage == LOCAL else LAG,
                uninterrupted=session.interrupts.hold,
                progress=done,
            ).run()
        left = session.queue.count().total
    if args.json:
        fields = asdict(summary) | {"stops": {group: stop.as_json() for group, stop in summary.stops.items()}}
        print(json.dumps({"stage": args.stage, "done": summary.done, "left": left} | fields))
    else:
        print(describe_summary(summary, left, args.event or []))
    return 0 if summary.done else 1


def _selection(args: argparse.Namespace, session: DlqSession) -> tuple[Selection, int | None]:
    """Return the selected messages, and how many they are if that can be known."""
    if args.all:
        return Selection(), session.queue.count().total
    if args.event:
        return Selection(groups=frozenset(group_of(event) for event in args.event)), None
    for wanted in args.id:
        lookup.require_length(wanted)
    with session.browse(args.id) as snapshot:
        chosen = [
            lookup.find(snapshot, id_) for id_ in args.id if not lookup.find_gone(session.journal.gone, snapshot, id_)
        ]
        ids = frozenset(message.message_id for message in chosen)
        for message in chosen:
            _require_those_before(snapshot, message, ids)
    return Selection(ids=ids), len(ids)


def _require_those_before(snapshot: QueueSnapshot, message: DeadLetter, ids: frozenset[str]) -> None:
    missing = [before.message_id for before in snapshot.before(message) if before.message_id not in ids]
    if missing:
        event = plain(message.event_id)
        raise CliError(
            f"{message.message_id} comes after {', '.join(missing)} in the group of its event; nothing was sent. "
            f"Name those too, discard them, or replay the whole event: --event {event}"
        )


def _dry_run(args: argparse.Namespace, session: DlqSession, selection: Selection) -> int:
    with session.browse(selection.ids or (), selection.groups or ()) as snapshot:
        chosen = [message for message in snapshot.messages if selection.includes(message)]
    seen = {message.group for message in chosen}
    unseen = sorted((selection.groups or frozenset()) - seen - session.journal.groups)
    if args.json:
        found = [output.as_json(message, snapshot.now) for message in chosen]
        counts = {"hidden": snapshot.hidden, "elsewhere": snapshot.elsewhere, "unseen": unseen}
        print(json.dumps({"stage": args.stage, "dryRun": True, "letters": found} | counts))
    else:
        table = (
            f"each event's messages in this order:\n\n{output.table(chosen, snapshot.now)}\n" if chosen else "nothing."
        )
        print(
            f"Would be sent: {table}\n{unseen_events(unseen, args.event or [])}{output.counted(snapshot, len(chosen))}"
        )
    return 1 if unseen else 0


def _discard(args: argparse.Namespace) -> int:
    why = args.why.strip()
    if not why:
        raise UsageError("--why is empty: give the reason for discarding the message")
    lookup.require_length(args.id)
    with open_session(args.stage) as session, session.browse([args.id]) as snapshot:
        if before := lookup.find_gone(session.journal.discarded, snapshot, args.id):
            print(f"{before} has already been discarded.")
            return 0
        if sent := lookup.find_gone(session.journal.gone, snapshot, args.id):
            raise CliError(f"{sent} was sent back to the queue by a replay, so it cannot be discarded")
        message = lookup.find(snapshot, args.id)
        table = session.deployment.outputs.registrations_table
        fate = discard(session.queue, session.deployment.clients.dynamodb, table, session.journal, message, why)
    print(f"Discarded {message.message_id}; {fate}.")
    return 0
