"""`turnstile reconcile`: count an event's registrations again, hold its ledger against them, have it mended.

And it looks for registrations of people who were forgotten, and has them cancelled.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.cli.arguments import add_stage
from infra.cli.deployment import Deployment
from infra.cli.errors import CliError, UsageError
from infra.cli.progress import progress
from infra.cli.reconcile.erasure import ErasureCleanup
from infra.cli.reconcile.recount import Recounter
from infra.cli.reconcile.repairer import LedgerRepairer
from infra.cli.text import plain
from workers.aws.clients import Overloaded
from workers.aws.clock import SYSTEM_CLOCK
from workers.aws.erasure import erased_users

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Iterator, Mapping

    from infra.cli.reconcile.findings import LedgerFinding
    from infra.cli.reconcile.recount import Reconciliation
    from workers.domain.records import Ledger, Registration

MENDED, PROMOTING, NOT_MENDED, NOT_DECIDED = "mended", "promotion asked for", "not mended", "not decided"
"""What came of a repair. Of these only the first is the end of it."""
CANCELLED = "cancelled"

HELP = "recount events from their registrations; mend their ledgers"
DESCRIPTION = """\
Count who has a seat and who waits, and hold the ledger of the event against it. It shows every difference,
every seat that is free beside somebody who waits, and what is wrong with the registrations themselves.
And it shows who has a seat, waits or is pending although they were forgotten (DELETE /users/{userId}).

examples:
  turnstile reconcile pycon              look at one event; changes nothing
  turnstile reconcile pycon --repair     have the registrar mend it, and look again
  turnstile reconcile --all --json       look at every event

A repair goes through the queue (behind 120,000 messages SQS does not find it: see the runbook). The
registrar writes the counts into the ledger if the ledger has not changed since the count, and then
promotes people who are waiting while seats are free. Settings stay as they are: more confirmed than
seats is not damage, because the capacity may have been lowered. Damage that a count cannot repair (a
record that cannot be read or is filed wrongly, two with the same ticket, a capacity that differs from
the event's) is reported, and the event stays as it is until you repair it by hand. Registrations of
forgotten users are cancelled, and the waiting list moves up.

It reads the whole table of registrations, strongly consistent, for one event too (1 GB is 262,144 read
units): an index may miss somebody, and her seat would be given away. It reads the table of users, too. Of
an event whose ledger changes during each of three looks nothing can be said; try it at a quieter time.

Exit code 1 when something is wrong that was not mended, 3 when there is no stack."""

_BUSY = "its ledger changed during every look, so nothing can be said; try a quieter time"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("event", nargs="?", metavar="EVENT_ID", help="the event to look at")
    parser.add_argument("--all", action="store_true", help="look at every event")
    parser.add_argument("--repair", action="store_true", help="have the registrar mend what is wrong")
    add_stage(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Look, and mend if that is asked for."""
    if (not args.event) is not args.all:
        raise UsageError("say what to look at: one EVENT_ID, or --all for every event")
    deployment = Deployment.resolve(args.stage)
    try:
        look, mended, cancelled = _work(deployment, args.event, repair=args.repair)
    except (ClientError, BotoCoreError, Overloaded) as error:
        raise CliError(f"AWS did not do what it was asked for: {error}; run it again") from error
    told = [finding for _, finding in sorted(look.findings.items()) if args.event or not finding.sound]
    if args.json:
        found = [_as_json(finding, mended) for finding in told]
        counts = {"events": len(look.findings), "registrations": look.registrations, "strays": list(look.strays)}
        erased = [_erased_as_json(record, cancelled) for record in look.erased]
        print(json.dumps({"stage": args.stage, "findings": found} | counts | {"erased": erased}))
    else:
        lines = [line for finding in told for line in _words(finding, mended)]
        lines += [_erased_in_words(record, cancelled) for record in look.erased]
        print("\n".join(plain(line) for line in [*lines, *_summary(look, told, args)]))
    done = all(finding.sound or _fate(finding, mended) == MENDED for finding in told)
    gone = all(record.registration_id in (cancelled or ()) for record in look.erased)
    return 0 if done and gone and not look.strays else 1


def _work(
    deployment: Deployment, event_id: str | None, *, repair: bool
) -> tuple[Reconciliation, Mapping[str, LedgerFinding] | None, Collection[str] | None]:
    """What is found; if it is to be repaired, also what is found afterwards where something was due, and which
    registrations of people who were forgotten are cancelled."""
    clients, outputs = deployment.clients, deployment.outputs
    with progress("reading registrations", None) as note:
        # Before the registrations: whoever is forgotten meanwhile has the cancellations on the way.
        forgotten = erased_users(clients.dynamodb, outputs.users_table)
        recounter = Recounter(clients.dynamodb, SYSTEM_CLOCK, outputs.tables, note, forgotten)
        look = recounter.look(None if event_id is None else [event_id])
        if event_id is not None and event_id not in look.findings:
            raise CliError(f"there is no event {event_id!r}, and nobody is registered for one of this id")
        if not repair:
            return look, None, None
        # First the ledgers: a count is true of one version only, and each cancellation makes another one.
        mended = LedgerRepairer(recounter, clients.sqs, outputs.queue_url, SYSTEM_CLOCK).mend(look.findings)
        eraser = ErasureCleanup(
            clients.dynamodb,
            clients.sqs,
            SYSTEM_CLOCK,
            table=outputs.registrations_table,
            queue_url=outputs.queue_url,
        )
        return look, mended, eraser.cancel(look.erased)


def _fate(finding: LedgerFinding, mended: Mapping[str, LedgerFinding] | None) -> str | None:
    """What came of the repair of one event; None if there was none."""
    if mended is None or finding.sound:
        return None
    if not finding.due:
        return NOT_MENDED
    after = mended.get(finding.event_id)
    if after is None:
        return NOT_DECIDED
    if after.free_seats and not after.differences:
        return PROMOTING
    return MENDED if after.sound else NOT_MENDED


def _words(finding: LedgerFinding, mended: Mapping[str, LedgerFinding] | None) -> Iterator[str]:
    name = f"event {finding.event_id!r}"
    if finding.sound:
        yield f"{name} is sound: {'it has no ledger yet' if finding.ledger is None else _seats(finding.ledger)}"
        return
    if finding.busy:
        yield f"{name}: {_BUSY}"
        return
    yield f"{name}: {_seats(finding.ledger)}"
    yield from (f"  {sentence}" for sentence in _wrong(finding))
    fate, after = _fate(finding, mended), (mended or {}).get(finding.event_id, finding)
    if fate == MENDED:
        yield f"  mended: {_seats(after.ledger)}"
    elif fate == PROMOTING:
        yield f"  the ledger is right: {_seats(after.ledger)}; the promotion is asked for, but others are before it"
    elif fate == NOT_DECIDED:
        why = "has not decided it in time, or not taken it because the clock of this machine is slow"
        yield f"  not mended: the registrar {why}; see turnstile top and turnstile dlq list"
    elif fate == NOT_MENDED and finding.due:
        yield "  not mended; afterwards:"
        yield from (f"    {sentence}" for sentence in _wrong(after))
    elif fate == NOT_MENDED:
        yield "  not mended: a recount cannot mend this"


def _wrong(finding: LedgerFinding) -> Iterator[str]:
    yield from finding.differences
    yield from finding.flaws
    if finding.free_seats:
        waiting = len(finding.should.waitlist) if finding.should is not None else 0
        yield f"free seats beside those who wait: {finding.free_seats} for {waiting}"
    if finding.busy:
        yield _BUSY


def _seats(ledger: Ledger | None) -> str:
    if ledger is None:
        return "no ledger that can be read"
    taken = f"{ledger.confirmed} of {ledger.settings.capacity} seats taken"
    return f"{taken}, {len(ledger.waitlist)} waiting, ledger version {ledger.version}"


def _erased_in_words(record: Registration, cancelled: Collection[str] | None) -> str:
    line = f"registration {record.registration_id} at event {record.event_id!r} is {record.status}, of a forgotten user"
    fate = _erased_fate(record, cancelled)
    return line if fate is None else f"{line}: {fate}"


def _erased_fate(record: Registration, cancelled: Collection[str] | None) -> str | None:
    """What came of one of these; None if nothing was to be done."""
    if cancelled is None:
        return None
    return CANCELLED if record.registration_id in cancelled else NOT_DECIDED


def _erased_as_json(record: Registration, cancelled: Collection[str] | None) -> dict[str, Any]:
    return {
        "registrationId": record.registration_id,
        "eventId": record.event_id,
        "status": str(record.status),
        "repair": _erased_fate(record, cancelled),
    }


def _summary(look: Reconciliation, told: list[LedgerFinding], args: argparse.Namespace) -> Iterator[str]:
    yield from look.strays
    wrong = [finding for finding in told if not finding.sound]
    if args.all:
        sound = "all sound" if not wrong else f"{len(wrong)} of them not sound"
        yield f"{len(look.findings)} events, {look.registrations} registrations: {sound}"
    if any(finding.due for finding in wrong) and not args.repair:
        yield "Nothing was changed; --repair has the registrar mend it."
    elif look.erased and not args.repair:
        yield "Nothing was changed; --repair has the registrar cancel it."


def _as_json(finding: LedgerFinding, mended: Mapping[str, LedgerFinding] | None) -> dict[str, Any]:
    after = (mended or {}).get(finding.event_id)
    return {
        "eventId": finding.event_id,
        "sound": finding.sound,
        "busy": finding.busy,
        "ledger": _ledger_as_json(finding.ledger),
        "counted": _ledger_as_json(finding.should),
        "differences": list(finding.differences),
        "flaws": list(finding.flaws),
        "freeSeats": finding.free_seats,
        "repair": _fate(finding, mended),
        "ledgerAfter": _ledger_as_json(after.ledger if after is not None else None),
    }


def _ledger_as_json(ledger: Ledger | None) -> dict[str, Any] | None:
    if ledger is None:
        return None
    return {
        "version": ledger.version,
        "capacity": ledger.settings.capacity,
        "confirmed": ledger.confirmed,
        "waiting": len(ledger.waitlist),
        "nextTicket": ledger.next_ticket,
    }
