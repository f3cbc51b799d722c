"""`turnstile dlq`: list messages that could not be processed, send them back, or discard them."""

from __future__ import annotations

import argparse

from infra.cli.arguments import add_stage
from infra.cli.dlq import subcommands

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
  turnstile dlq discard --event pycon --why "..."  discard everything of an event

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
Send messages back to the main queue: whole groups in order, each message once. A message that would only
be parked again is left out, unless --force is given; those behind it are sent. A message that cannot be
sent stops its group. Sent messages are recorded in a journal on disk before they are deleted here, so
the next run resumes after a kill. Messages that arrive after the start, or come back, stay; if there are
too many of them, the run stops.

examples:
  turnstile dlq replay --event pycon
  turnstile dlq replay --id 5d7f0c --id 91c2aa     name the messages before them in their group, too
  turnstile dlq replay --all --dry-run             what would become of each message
  turnstile dlq replay --all --rate 5

Exit code 0 when everything was sent, 1 when anything remains. On AWS the counts of a queue may be a
minute old, so --event and --all wait that long to be sure."""

_DISCARD = """\
Discard messages: by id, of some events, with some reason, or all that are there. Their bodies and the
reason are recorded in the journal first. A registration that was still pending for one becomes rejected,
with the reason as its note. Discarding an event reveals and discards the messages behind its first ten.

examples:
  turnstile dlq discard 5d7f0c 91c2aa --why "sent by a load test"
  turnstile dlq discard --event pycon --dry-run
  turnstile dlq discard --event pycon --reason event-not-found --why "the event was a test"
  turnstile dlq discard --all --why "the load test of 12 May" --json

Exit code 0 when everything was discarded, 1 when a message was kept or may be hidden, with the reason.
On AWS the counts of a queue may be a minute old, so --event, --reason and --all may wait that long."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands."""
    subparsers = parser.add_subparsers(title="subcommands", metavar="SUBCOMMAND", required=True)

    def add(name: str, action: object, help_: str, description: str) -> argparse.ArgumentParser:
        raw = argparse.RawDescriptionHelpFormatter
        sub = subparsers.add_parser(name, help=help_, description=description, formatter_class=raw)
        add_stage(sub)
        sub.set_defaults(action=action)
        return sub

    listing = add("list", subcommands.list_messages, "list the visible messages", _LIST)
    listing.add_argument("--event", metavar="EVENT", help="only messages of this event")
    listing.add_argument("--reason", metavar="TEXT", help="only messages whose reason contains this text")
    listing.add_argument("--since", metavar="WHEN", help="only messages since 30m, 2h or 1d ago, or since an ISO time")
    listing.add_argument("--json", action="store_true", help="print one JSON object")

    showing = add("show", subcommands.show, "show one message and what replaying it would do", _SHOW)
    showing.add_argument("id", metavar="ID", help="the message id, or its first characters")
    showing.add_argument("--json", action="store_true", help="print one JSON object")

    replaying = add("replay", subcommands.replay, "send messages back in order", _REPLAY)
    replaying.add_argument("--event", metavar="EVENT", action="append", help="all messages of this event (repeatable)")
    replaying.add_argument("--id", metavar="ID", action="append", help="this message (repeatable)")
    replaying.add_argument("--all", action="store_true", help="all messages")
    replaying.add_argument("--force", action="store_true", help="send even what would only be parked again")
    replaying.add_argument("--dry-run", action="store_true", help="say what would become of each, and send nothing")
    replaying.add_argument("--rate", metavar="N", help="at most N messages per second (default: no limit)")
    replaying.add_argument("--json", action="store_true", help="print one JSON object at the end")

    discarding = add("discard", subcommands.discard, "discard messages", _DISCARD)
    discarding.add_argument("ids", metavar="ID", nargs="*", help="a message id, or its first characters")
    discarding.add_argument("--id", metavar="ID", action="append", default=[], help="the same (repeatable)")
    discarding.add_argument("--event", metavar="EVENT", action="append", help="all messages of this event (repeatable)")
    discarding.add_argument("--reason", metavar="TEXT", help="all messages whose reason contains this text")
    discarding.add_argument("--all", action="store_true", help="all messages")
    discarding.add_argument("--why", metavar="TEXT", help="the reason, which is kept; required but with --dry-run")
    discarding.add_argument("--dry-run", action="store_true", help="list what would be discarded, and change nothing")
    discarding.add_argument("--json", action="store_true", help="print one JSON object at the end")


def run(args: argparse.Namespace) -> int:
    """Run the subcommand."""
    return int(args.action(args))
