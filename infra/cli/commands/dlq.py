"""`turnstile dlq`: look at what could not be processed, send it back, or throw it away."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from infra.cli.arguments import add_stage, moment_of
from infra.cli.deployment import LOCAL, Deployment
from infra.cli.dlq import output
from infra.cli.dlq.dead_letters import LAG, DeadLetterQueue, QueueSnapshot, browse
from infra.cli.dlq.discard import discard
from infra.cli.dlq.journal import Journal
from infra.cli.dlq.preview import preview
from infra.cli.dlq.replay import Replay, settle
from infra.cli.dlq.summary import Selection, of_events, words
from infra.cli.errors import CliError, UsageError
from infra.cli.processes import Interrupts
from infra.cli.progress import progress
from infra.cli.state_dir import StateDir
from infra.cli.text import plain
from workers.aws.clock import SYSTEM_CLOCK
from workers.aws.messages import group_of

if TYPE_CHECKING:
    from workers.aws.dead_letters import DeadLetter

HELP = "look at dead letters, replay them in order, or discard them"
DESCRIPTION = """\
Handle what the workers could not process: it lies in the dead-letter queue, each message ("letter")
in the group of its event.

examples:
  turnstile dlq list                               what is there, and why
  turnstile dlq show 5d7f0c                        one letter, and what replaying it would do
  turnstile dlq replay --event pycon --dry-run     what would be sent
  turnstile dlq replay --all --rate 20             send everything back, 20 per second
  turnstile dlq discard 5d7f0c --why "a test"      throw one away

An ID is the letter's SQS message id, or at least its first six characters. Everything works the same
on AWS: --stage prod, with the standard AWS credentials and region. While one of these commands runs,
what it looks at is invisible to others; when it ends, however it ends, it is put back.

What replaying means for the order of the line: docs/dead-letters.md."""

_LIST = """\
List what can be seen, each event's letters in their order. Nothing is consumed. A FIFO queue hands out
no more than the first ten letters of an event until they are deleted; the rest is counted as hidden.
Where many events have letters, some show fewer: --event shows all ten of one.

examples:
  turnstile dlq list --event pycon
  turnstile dlq list --reason unreadable --since 2h
  turnstile dlq list --json | jq -r '.letters[].id'"""

_SHOW = """\
Show one letter: the whole message, why it died (or the log query that finds out), the registration and
the ledger as they are now, and what replaying it would do, after those before it in its group. Nothing
is changed."""

_REPLAY = """\
Send letters back to the queue that they came from: whole groups in their order, each letter once. A
letter that cannot be sent stops its group. What was sent is in a journal on disk before it is deleted
here, so a run that was killed is taken up by the next one. Letters that come after the start, or come
back, are left; when too many do, the run stops.

examples:
  turnstile dlq replay --event pycon
  turnstile dlq replay --id 5d7f0c --id 91c2aa     those before them in their group must be named too
  turnstile dlq replay --all --dry-run
  turnstile dlq replay --all --rate 5

Exit code 0 when all of it was sent, 1 when anything remains. On AWS the counts of a queue may be a
minute old, so --event and --all wait that long, to be sure."""

_DISCARD = """\
Throw one letter away. Its body and the reason go into the journal first; a registration that was still
pending for it becomes rejected, with the reason as its note.

example:
  turnstile dlq discard 5d7f0c --why "sent by a load test" """


@dataclass(frozen=True, slots=True)
class Session:
    """What every subcommand works with."""

    deployment: Deployment
    queue: DeadLetterQueue
    journal: Journal
    interrupts: Interrupts


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands."""
    subparsers = parser.add_subparsers(title="subcommands", metavar="SUBCOMMAND", required=True)

    def add(name: str, action: object, help_: str, description: str) -> argparse.ArgumentParser:
        raw = argparse.RawDescriptionHelpFormatter
        sub = subparsers.add_parser(name, help=help_, description=description, formatter_class=raw)
        add_stage(sub)
        sub.set_defaults(action=action)
        return sub

    listing = add("list", _list, "what is there", _LIST)
    listing.add_argument("--event", metavar="EVENT", help="only the letters of this event")
    listing.add_argument("--reason", metavar="TEXT", help="only letters whose reason contains this")
    listing.add_argument("--since", metavar="WHEN", help="only letters younger than 30m, 2h, 1d, or than an ISO time")
    listing.add_argument("--json", action="store_true", help="print one JSON object")

    showing = add("show", _show, "one letter, and what replaying it would do", _SHOW)
    showing.add_argument("id", metavar="ID", help="its id, or the first characters of it")
    showing.add_argument("--json", action="store_true", help="print one JSON object")

    replaying = add("replay", _replay, "send letters back, in order", _REPLAY)
    replaying.add_argument("--event", metavar="EVENT", action="append", help="all letters of this event (repeatable)")
    replaying.add_argument("--id", metavar="ID", action="append", help="this letter (repeatable)")
    replaying.add_argument("--all", action="store_true", help="everything")
    replaying.add_argument("--dry-run", action="store_true", help="say what would be sent, and send nothing")
    replaying.add_argument("--rate", metavar="N", type=float, help="at most N letters per second (default: no limit)")
    replaying.add_argument("--json", action="store_true", help="print one JSON object at the end")

    discarding = add("discard", _discard, "throw one letter away", _DISCARD)
    discarding.add_argument("id", metavar="ID", help="its id, or the first characters of it")
    discarding.add_argument("--why", metavar="TEXT", required=True, help="the reason; it is kept")


def run(args: argparse.Namespace) -> int:
    """Do what the subcommand says."""
    return int(args.action(args))


@contextmanager
def _opened(stage: str) -> Iterator[Session]:
    """The queue and its journal, with what a killed run has left behind already settled."""
    deployment = Deployment.resolve(stage)
    queue = DeadLetterQueue(deployment.clients.sqs, deployment.outputs.dead_letter_queue_url, SYSTEM_CLOCK)
    try:
        with Interrupts() as interrupts, Journal(StateDir().path / f"dead-letters-{stage}.jsonl") as journal:
            _say_deleted(settle(queue, journal))
            yield Session(deployment, queue, journal, interrupts)
    except (ClientError, BotoCoreError) as error:
        raise CliError(f"AWS did not do what it was asked for: {error}") from error


@contextmanager
def _looking(session: Session, wanted: Collection[str] = (), groups: Collection[str] = ()) -> Iterator[QueueSnapshot]:
    hold = session.interrupts.hold
    with browse(session.queue, SYSTEM_CLOCK, session.journal, hold, wanted=wanted, groups=groups) as look:
        _say_deleted(look.deleted)
        yield look


def _say_deleted(number: int) -> None:
    if number:
        print(f"{number} letters that an earlier run had sent are deleted now", file=sys.stderr)


def _list(args: argparse.Namespace) -> int:
    group = None if args.event is None else group_of(args.event)
    with _opened(args.stage) as session, _looking(session, groups=[group] if group else []) as look:
        oldest = moment_of(args.since, look.now) if args.since else 0
        shown = [
            letter
            for letter in look.letters
            if (group is None or letter.group == group)
            and (args.reason or "") in letter.reason
            and letter.sent_at >= oldest
        ]
    if args.json:
        found = [output.as_json(letter, look.now) for letter in shown]
        counts = {"seen": len(look.letters), "hidden": look.hidden, "elsewhere": look.elsewhere}
        print(json.dumps({"stage": args.stage, "letters": found} | counts))
    elif not shown and (look.letters or look.hidden):
        print(f"No such letters can be seen; {output.counted(look, 0)}.")
    elif shown:
        print(f"{output.table(shown, look.now)}\n\n{output.counted(look, len(shown))}")
    else:
        print("There are no dead letters.")
    return 0


def _show(args: argparse.Namespace) -> int:
    output.require_length(args.id)
    with _opened(args.stage) as session, _looking(session, [args.id]) as look:
        letter = output.find(look, args.id)
        dynamodb = session.deployment.clients.dynamodb
        foreseen = preview(dynamodb, SYSTEM_CLOCK, session.deployment.outputs.tables, letter, look.before(letter))
    if args.json:
        print(json.dumps(output.details_as_json(letter, look, foreseen)))
    else:
        print(output.describe(letter, look, foreseen))
    return 0


def _replay(args: argparse.Namespace) -> int:
    if sum(bool(way) for way in (args.all, args.event, args.id)) != 1:
        raise UsageError("say what to replay: --event EVENT, --id ID, or --all for everything (try --dry-run first)")
    if args.rate is not None and not (args.rate > 0 and math.isfinite(args.rate)):
        raise UsageError(f"--rate {args.rate} is not a number of letters per second")
    with _opened(args.stage) as session:
        selection, total = _selection(args, session)
        if args.dry_run:
            return _dry_run(args, session, selection)
        with progress("replaying", total) as done:
            summary = Replay(
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
        fields = asdict(summary) | {"stops": {group: asdict(stop) for group, stop in summary.stops.items()}}
        print(json.dumps({"stage": args.stage, "done": summary.done, "left": left} | fields))
    else:
        print(words(summary, left, args.event or []))
    return 0 if summary.done else 1


def _selection(args: argparse.Namespace, session: Session) -> tuple[Selection, int | None]:
    """What to replay, and how many letters that is, if it can be known."""
    if args.all:
        return Selection(), session.queue.count().total
    if args.event:
        return Selection(groups=frozenset(group_of(event) for event in args.event)), None
    for wanted in args.id:
        output.require_length(wanted)
    with _looking(session, args.id) as look:
        chosen = [output.find(look, one) for one in args.id if not output.gone(session.journal.gone, look, one)]
        ids = frozenset(letter.message_id for letter in chosen)
        for letter in chosen:
            _require_those_before(look, letter, ids)
    return Selection(ids=ids), len(ids)


def _require_those_before(look: QueueSnapshot, letter: DeadLetter, ids: frozenset[str]) -> None:
    missing = [before.message_id for before in look.before(letter) if before.message_id not in ids]
    if missing:
        event = plain(letter.event_id)
        raise CliError(
            f"{letter.message_id} comes after {', '.join(missing)} in the group of its event; nothing was sent. "
            f"Name them too, or discard them, or replay the event: --event {event}"
        )


def _dry_run(args: argparse.Namespace, session: Session, selection: Selection) -> int:
    with _looking(session, selection.ids or (), selection.groups or ()) as look:
        chosen = [letter for letter in look.letters if selection.takes(letter)]
    seen = {letter.group for letter in chosen}
    unseen = sorted((selection.groups or frozenset()) - seen - session.journal.groups)
    if args.json:
        found = [output.as_json(letter, look.now) for letter in chosen]
        counts = {"hidden": look.hidden, "elsewhere": look.elsewhere, "unseen": unseen}
        print(json.dumps({"stage": args.stage, "dryRun": True, "letters": found} | counts))
    else:
        table = f"each event's letters in this order:\n\n{output.table(chosen, look.now)}\n" if chosen else "nothing."
        print(f"Would be sent: {table}\n{of_events(unseen, args.event or [])}{output.counted(look, len(chosen))}")
    return 1 if unseen else 0


def _discard(args: argparse.Namespace) -> int:
    why = args.why.strip()
    if not why:
        raise UsageError("--why is empty: say why the letter is thrown away")
    output.require_length(args.id)
    with _opened(args.stage) as session, _looking(session, [args.id]) as look:
        if before := output.gone(session.journal.discarded, look, args.id):
            print(f"{before} was discarded before and is gone.")
            return 0
        if sent := output.gone(session.journal.gone, look, args.id):
            raise CliError(f"{sent} was sent back to the queue by a replay, so it cannot be discarded")
        letter = output.find(look, args.id)
        table = session.deployment.outputs.registrations_table
        fate = discard(session.queue, session.deployment.clients.dynamodb, table, session.journal, letter, why)
    print(f"{letter.message_id} is discarded; {fate}.")
    return 0
