"""The subcommands of `turnstile dlq`, from their arguments to their output."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from infra.cli.arguments import moment_of
from infra.cli.deployment import LOCAL
from infra.cli.dlq import lookup, output
from infra.cli.dlq.dead_letters import LAG
from infra.cli.dlq.discard import discard as discard_one
from infra.cli.dlq.discard_run import DiscardRun, DiscardSummary, describe_discards
from infra.cli.dlq.preview import preview
from infra.cli.dlq.replay import ReplayRun
from infra.cli.dlq.session import DlqSession, open_session
from infra.cli.dlq.summary import Selection, describe_summary, unseen_events
from infra.cli.errors import CliError, UsageError
from infra.cli.progress import progress
from infra.cli.text import plain
from workers.aws.clock import SYSTEM_CLOCK
from workers.aws.messages import event_group, recount_group

if TYPE_CHECKING:
    import argparse

    from infra.cli.dlq.browser import QueueSnapshot
    from workers.aws.dead_letters import DeadLetter


def list_messages(args: argparse.Namespace) -> int:
    """List the visible messages that match."""
    group = None if args.event is None else event_group(args.event)
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


def show(args: argparse.Namespace) -> int:
    """Show one message, and what replaying it would do."""
    lookup.require_length(args.id)
    with open_session(args.stage) as session, session.browse([args.id]) as snapshot:
        if old := lookup.find_gone(session.journal.replays, snapshot, args.id):
            main_id = session.journal.replays[old]
            raise CliError(f"{old} was replayed: it is {main_id} in the main queue, and has not come back from there")
        message = lookup.find(snapshot, args.id)
        dynamodb = session.deployment.clients.dynamodb
        outlook = preview(dynamodb, SYSTEM_CLOCK, session.deployment.outputs.tables, message, snapshot.before(message))
    if args.json:
        print(json.dumps(output.details_as_json(message, snapshot, outlook)))
    else:
        print(output.describe(message, snapshot, outlook))
    return 0


def replay(args: argparse.Namespace) -> int:
    """Replay the selected messages, or say what would become of them."""
    _require_one(("--all", args.all), ("--event", args.event), ("--id", args.id), verb="replay")
    rate = _rate(args.rate)
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
                rate=rate,
                lag=0 if args.stage == LOCAL else LAG,
                outlooks=(lambda _messages: {}) if args.force else session.outlooks,
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


def discard(args: argparse.Namespace) -> int:
    """Discard the selected messages, or list them."""
    ids = [*args.ids, *args.id]
    _require_one(("--all", args.all), ("--event", args.event), ("ID", ids), verb="discard", otherwise=args.reason)
    why = (args.why or "").strip()
    if not (why or args.dry_run):
        missing = "is missing" if args.why is None else "is empty"
        raise UsageError(f"--why {missing}: give the reason for discarding, which is kept")
    for wanted in ids:
        lookup.require_length(wanted)
    if ids and args.reason:
        raise UsageError("ID and --reason exclude each other: choose one")
    groups = {event: {event_group(event), recount_group(event)} for event in args.event or ()}
    selection = Selection(groups=frozenset().union(*groups.values()) if groups else None, reason=args.reason)
    with open_session(args.stage) as session:
        if args.dry_run:
            return _would_be_discarded(args, session, selection, ids)
        total = len(ids) or (session.queue.count().total if args.all and not args.reason else None)
        with progress("discarding", total) as done:
            run = DiscardRun(
                queue=session.queue,
                dynamodb=session.deployment.clients.dynamodb,
                table=session.deployment.outputs.registrations_table,
                journal=session.journal,
                clock=SYSTEM_CLOCK,
                selection=selection,
                why=why,
                lag=0 if args.stage == LOCAL else LAG,
                uninterrupted=session.interrupts.hold,
                progress=done,
            )
            summary = _discard_ids(session, ids, why) if ids else run.run()
            summary.unseen = [event for event, found in groups.items() if found <= set(summary.unseen)]
        left = session.queue.count().total
    if args.json:
        print(json.dumps({"stage": args.stage, "done": summary.done, "left": left} | asdict(summary)))
    else:
        print(describe_discards(summary, left))
    return 0 if summary.done else 1


def _require_one(*ways: tuple[str, object], verb: str, otherwise: object = None) -> None:
    """Raise UsageError unless exactly one way to select messages is used, or none and `otherwise`."""
    used = [name for name, value in ways if value]
    if len(used) > 1:
        raise UsageError(f"{' and '.join(used)} exclude each other: choose one")
    if not used and not otherwise:
        names = ", ".join(name for name, _ in ways if name != "--all")
        raise UsageError(f"choose what to {verb}: {names}, or --all for everything (try --dry-run first)")


def _rate(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not (rate > 0 and math.isfinite(rate)):
        raise UsageError(f"--rate {text} must be a positive number of messages per second")
    return rate


def _selection(args: argparse.Namespace, session: DlqSession) -> tuple[Selection, int | None]:
    """Return the selected messages, and how many they are if that can be known."""
    if args.all:
        return Selection(), session.queue.count().total
    if args.event:
        return Selection(groups=frozenset(event_group(event) for event in args.event)), None
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
        event = plain(shlex.quote(message.event_id))
        raise CliError(
            f"{message.message_id} comes after {', '.join(missing)} in the group of its event; nothing was sent. "
            f"Name those too, discard them, or replay the whole event: --event={event}"
        )


def _dry_run(args: argparse.Namespace, session: DlqSession, selection: Selection) -> int:
    with session.browse(selection.ids or (), selection.groups or ()) as snapshot:
        chosen = [message for message in snapshot.messages if selection.includes(message)]
        outlooks = session.outlooks(chosen)
    seen = {message.group for message in chosen}
    unseen = sorted((selection.groups or frozenset()) - seen - session.journal.groups)
    left_out = [] if args.force else [one.message_id for one in chosen if outlooks[one.message_id].parked]
    if args.json:
        found = [
            output.as_json(message, snapshot.now) | {"replayWould": outlooks[message.message_id].would}
            for message in chosen
        ]
        counts = {"hidden": snapshot.hidden, "elsewhere": snapshot.elsewhere, "unseen": unseen}
        print(json.dumps({"stage": args.stage, "dryRun": True, "letters": found, "leftOut": left_out} | counts))
        return 1 if unseen else 0
    table = output.table(chosen, snapshot.now, outlooks)
    print(f"Would be sent: each event's messages in this order:\n\n{table}" if chosen else "Would be sent: nothing.")
    if left_out:
        print(f"\nLeft out without --force, because they would only be parked again: {', '.join(left_out)}")
    print(f"\n{unseen_events(unseen, args.event or [])}{output.counted(snapshot, len(chosen))}")
    return 1 if unseen else 0


def _would_be_discarded(args: argparse.Namespace, session: DlqSession, selection: Selection, ids: Sequence[str]) -> int:
    with session.browse(ids, selection.groups or ()) as snapshot:
        chosen = (
            [lookup.find(snapshot, wanted) for wanted in ids]
            if ids
            else [message for message in snapshot.messages if selection.includes(message)]
        )
    if args.json:
        found = [output.as_json(message, snapshot.now) for message in chosen]
        counts = {"hidden": snapshot.hidden, "elsewhere": snapshot.elsewhere}
        print(json.dumps({"stage": args.stage, "dryRun": True, "letters": found} | counts))
    else:
        table = f"\n\n{output.table(chosen, snapshot.now)}" if chosen else " nothing."
        print(f"Would be discarded:{table}\n\n{output.counted(snapshot, len(chosen))}")
    return 0


def _discard_ids(session: DlqSession, ids: Sequence[str], why: str) -> DiscardSummary:
    """Discard messages by their ids. Whatever cannot be discarded is kept, with the reason."""
    summary = DiscardSummary()
    outputs, dynamodb = session.deployment.outputs, session.deployment.clients.dynamodb
    with session.browse(ids) as snapshot:
        for wanted in ids:
            try:
                if before := lookup.find_gone(session.journal.discarded, snapshot, wanted):
                    summary.already.append(before)
                    continue
                if sent := lookup.find_gone(session.journal.gone, snapshot, wanted):
                    raise CliError(f"{sent} was sent back to the queue by a replay, so it cannot be discarded")
                message = lookup.find(snapshot, wanted)
                if message.message_id not in summary.fates:
                    fate = discard_one(
                        session.queue, dynamodb, outputs.registrations_table, session.journal, message, why
                    )
                    summary.fates[message.message_id] = fate
            except CliError as error:
                if len(ids) == 1:
                    raise
                summary.kept[wanted] = str(error)
    return summary
