"""`make demo`: a believable day of one event on the local stack, shown live, checked at the end, and drawn."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from botocore.exceptions import BotoCoreError, ClientError
from playwright.sync_api import ViewportSize
from rich.console import Console

from infra.cli.processes import Interrupts
from infra.cli.reconcile.recount import Recounter
from tests.proofs.soak.history import History, read_history
from tests.proofs.soak.stack import come_to_rest
from tests.support.browser import NoBrowser, browsing
from tests.support.client import unique
from tests.support.command_line import INTERRUPTED, WRONG_USAGE, note
from tests.support.stacks import NoStack, own_stack
from tests.tools.demo.board import Board
from tests.tools.demo.charts import page
from tests.tools.demo.crowd import Crowd, UnexpectedResponse
from tests.tools.demo.day import Day
from tests.tools.demo.monitor import Monitor, final_state
from tests.tools.demo.report import DayReport, show
from tests.tools.demo.rule_report import Evidence, check_rules
from tests.tools.demo.sizes import InvalidSizes, Sizes
from workers.aws.clock import SYSTEM_CLOCK
from workers.domain.records import Status

if TYPE_CHECKING:
    from infra.cli.deployment import Deployment

_SHOWN = 5
_COLUMNS = 100
"""Columns of the table where there is no terminal to ask."""

_FAULTS = (NoStack, NoBrowser, UnexpectedResponse, AssertionError, httpx.HTTPError, BotoCoreError, ClientError, OSError)

_DESCRIPTION = """\
Play a believable day of one event on a local stack of its own: everybody arrives within seconds over
HTTP, seats and waiting list fill, the rest are refused at once; some cancel and the waiting list moves
up; a message ends in the dead-letter queue and is replayed; the organizer adds seats.

A live board shows it on a terminal, plain lines elsewhere (both on stderr). At the end, tables on
stdout say how long people waited and whether each rule of the design was kept, checked against the
tables and all responses. Charts are in build/demo.html."""

_EPILOG = """\
examples:
  make demo                                            400 people, 100 seats, 50 places on the waiting list
  make demo DEMO_ARGS="--people 1000 --seats 300 --within 20"
  make demo DEMO_ARGS="--seed 7"                       other people, at other times

The seed decides who comes when and who cancels. It does not decide the order in which the machine
handles requests that come at almost the same time.

exit codes: 0 every rule was kept; 1 a rule was broken (it is named), or the day could not be played;
            2 wrong usage; 130 interrupted (all that was started is stopped)"""


def main(argv: Sequence[str] | None = None) -> int:
    """Play the day. Return the exit code; argparse itself exits with 2 on wrong usage."""
    args = _parser().parse_args(argv)
    try:
        sizes = Sizes(**{field.name: getattr(args, field.name) for field in fields(Sizes)})
        _touch(args.out)
        with Interrupts(), own_stack(lambda text: note(f"demo: {text}")) as deployment:
            report = play(deployment, sizes)
        args.out.write_text(page(report), encoding="utf-8")
        if args.screenshot:
            take_picture(args.out, args.screenshot)
    except InvalidSizes as error:
        note(f"demo: {error}")
        return WRONG_USAGE
    except KeyboardInterrupt:
        note("demo: interrupted; all that was started is stopped")
        return INTERRUPTED
    except _FAULTS as error:
        note(f"demo: the day could not be played to its end: {error}")
        return 1
    show(report, Console(highlight=False, width=None if sys.stdout.isatty() else _COLUMNS))
    broken = sum(not rule.kept for rule in report.rules)
    print(f"{f'{broken} rules are broken.' if broken else 'Every rule was kept.'} Charts: {args.out}")
    return 0 if report.kept else 1


def _touch(path: Path) -> None:
    """Find out before the day whether the page can be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise InvalidSizes(f"--out: cannot write {path}: {error.strerror}") from error


def play(deployment: Deployment, sizes: Sizes) -> DayReport:
    """Play a day on a running stack, and check it. UnexpectedResponse, or AssertionError if it takes too long."""
    began, event = time.monotonic(), unique("pycon")
    with tempfile.TemporaryDirectory(prefix="turnstile-demo-") as kept:
        history_path = Path(kept) / "history.jsonl"
        monitor = Monitor(deployment, event)
        with history_path.open("w", encoding="utf-8") as file:
            crowd = Crowd(deployment.outputs.api_url, History(file), lambda: monitor.seconds)
            board = Board(crowd, f"Turnstile: {sizes.people} people, {sizes.seats} seats")
            day = Day(deployment, crowd, monitor, sizes, event, board.happens)
            try:
                with board.shown(), monitor.running(board.show):
                    day.run()
                    board.happens("waiting until the queue is quiet")
                    unrest = come_to_rest(deployment, day.events)
            finally:
                crowd.close()
        monitor.observe(registrations=True)
        final = final_state(deployment, day.events, unrest)
        history = read_history(history_path)
    recounter = Recounter(deployment.clients.dynamodb, SYSTEM_CLOCK, deployment.outputs.tables)
    seen = Evidence(event, monitor.observations, history, final, recounter.recount([event]).findings[event])
    return DayReport(
        sizes=sizes,
        chapters=day.chapters,
        observations=monitor.observations,
        arrived=crowd.arrived,
        known=crowd.known,
        promoted=list(crowd.promoted.values()),
        requests=len(history),
        totals=_totals(seen),
        rules=check_rules(seen),
        seconds=time.monotonic() - began,
    )


def take_picture(page: Path, picture: Path) -> None:
    """Save the page as a picture. NoBrowser if there is no Chromium."""
    with browsing() as browser:
        shown = browser.new_page(viewport=ViewportSize(width=1200, height=1000))
        shown.goto(page.resolve().as_uri())
        shown.screenshot(path=picture, full_page=True)


def _totals(seen: Evidence) -> dict[str, int | str]:
    """Describe the event in the end, counted from its registrations."""
    by_status, by_ticket = Counter(r.status for r in seen.records), {r.ticket: r.user_id for r in seen.records}
    waiting = [by_ticket[ticket] for ticket in seen.ledger.waitlist]
    return {
        "seats": seen.ledger.settings.capacity,
        **{str(status): by_status[status] for status in (Status.CONFIRMED, Status.WAITLISTED, Status.CANCELLED)},
        "first on the waiting list": ", ".join(waiting[:_SHOWN]) or "nobody",
    }


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("demo", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=raw)
    numbers = {
        "people": "how many arrive",
        "seats": "how many seats there are at first",
        "places": "how many may be on the waiting list; 0: there is none",
        "cancel": "how many cancel",
        "more_seats": "how many seats the organizer adds",
        "again": "how many of those who were refused try again at the end",
        "seed": "who comes when, and who cancels",
        "within": "seconds to arrive in",
    }
    for name, text in numbers.items():
        default = getattr(Sizes(), name)
        option, help_ = f"--{name.replace('_', '-')}", f"{text} (default: %(default)s)"
        parser.add_argument(option, type=type(default), default=default, metavar="N", help=help_)
    parser.add_argument(
        "--out", type=Path, default=Path("build/demo.html"), metavar="FILE", help="the page (default: %(default)s)"
    )
    parser.add_argument("--screenshot", type=Path, metavar="FILE", help="also save a picture of the page (PNG)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
