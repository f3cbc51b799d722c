"""`make demo`: a believable day of one event on the local stack, live, proven at the end, and as pictures."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from botocore.exceptions import BotoCoreError, ClientError
from playwright.sync_api import FloatRect, ViewportSize
from rich.console import Console

from infra.cli.processes import Interrupts
from infra.cli.reconcile.recount import Recounter
from tests.proofs.soak.history import History, read_history
from tests.proofs.soak.stack import come_to_rest
from tests.support.browser import NoBrowser, browsing
from tests.support.client import unique
from tests.support.command_line import INTERRUPTED, WRONG_USAGE, note
from tests.support.stacks import NoStack, own_stack
from tests.tools.demo.board import board_for
from tests.tools.demo.crowd import Crowd, UnexpectedAnswer
from tests.tools.demo.day import Day
from tests.tools.demo.monitor import Lookout, at_rest
from tests.tools.demo.pictures import page
from tests.tools.demo.report import Report, show
from tests.tools.demo.rule_report import Evidence, rulings
from tests.tools.demo.sizes import ImpossibleDay, Sizes
from workers.aws.clock import SYSTEM_CLOCK
from workers.domain.records import Status

if TYPE_CHECKING:
    from infra.cli.deployment import Deployment

_VIEW = ViewportSize(width=1200, height=1000)
_MARGIN = 16.0
_SHOWN = 5
_WIDE = 100
"""Columns of the table where there is no terminal to ask."""

_FAULTS = (NoStack, NoBrowser, UnexpectedAnswer, AssertionError, httpx.HTTPError, BotoCoreError, ClientError, OSError)

_DESCRIPTION = """\
Play a believable day of one event on the local stack, which is started for it: everybody arrives within
seconds over HTTP, seats fill, the line grows, the rest hear at once that it is full; some give up their
seats and the line moves up; a message dies, is looked at and replayed; the organiser adds seats.

A live board shows it on a terminal, plain lines elsewhere (both on stderr). At the end a table on stdout
says how long people waited, and whether each rule of the design was kept, held against the tables and
against what everybody was told. The day as pictures is in build/demo.html."""

_EPILOG = """\
examples:
  make demo                                            400 people, 100 seats, 50 places in the line
  make demo DEMO_ARGS="--people 1000 --seats 300 --within 20"
  make demo DEMO_ARGS="--seed 7"                       other people, at other times
  .venv/bin/python -m tests.tools.demo --json | jq .rules    the end of it as one JSON object

The seed decides who comes when and who gives up a seat. It cannot decide how the machine's processors
share their time: requests that come at almost the same time may be taken in another order.

exit codes: 0 every rule was kept; 1 one was not (each is named), or the day could not be played;
            2 wrong usage; 130 interrupted (all that was started is ended)"""


def main(argv: Sequence[str] | None = None) -> int:
    """Play the day. Returns the exit code; argparse itself exits with 2 on wrong usage."""
    args = _parser().parse_args(argv)
    try:
        sizes = Sizes(**{field.name: getattr(args, field.name) for field in fields(Sizes)})
        _make_room(args.out)
        with Interrupts(), own_stack(_say) as deployment:
            report = play(deployment, sizes)
        args.out.write_text(page(report), encoding="utf-8")
        if args.screenshot:
            take_picture(args.out, args.screenshot)
    except ImpossibleDay as error:
        print(f"demo: {error}", file=sys.stderr)
        return WRONG_USAGE
    except KeyboardInterrupt:
        print("demo: interrupted; all that was started is ended", file=sys.stderr)
        return INTERRUPTED
    except _FAULTS as error:
        print(f"demo: the day could not be played to its end: {error}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(report.as_json()))
    else:
        show(report, Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE))
        print(f"{_end(report)} The day as pictures: {args.out}")
    return 0 if report.kept else 1


def _say(text: str) -> None:
    note(f"demo: {text}")


def _make_room(page: Path) -> None:
    """Finds out before the day whether its page can be written."""
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.touch()
    except OSError as error:
        raise ImpossibleDay(f"--out: cannot write {page}: {error.strerror}") from error


def play(deployment: Deployment, sizes: Sizes) -> Report:
    """Plays a day on a stack that is up, and judges it. Raises UnexpectedAnswer, or AssertionError if it takes too
    long."""
    began, event = time.monotonic(), unique("pycon")
    with tempfile.TemporaryDirectory(prefix="turnstile-demo-") as kept:
        history_path = Path(kept) / "history.jsonl"
        lookout = Lookout(deployment, event)
        with history_path.open("w", encoding="utf-8") as file:
            crowd = Crowd(deployment.outputs.api_url, History(file), lambda: lookout.seconds)
            board = board_for(crowd, f"Turnstile: {sizes.people} people, {sizes.seats} seats")
            day = Day(deployment, crowd, lookout, sizes, event, board.happens)
            try:
                with board, lookout.watching(board.show):
                    day.run()
                    board.happens("everything comes to rest")
                    unrest = come_to_rest(deployment, lambda _: None, day.events)
            finally:
                crowd.close()
        lookout.look(registrations=True)
        final = at_rest(deployment, day.events, unrest)
        history = read_history(history_path)
    recounter = Recounter(deployment.clients.dynamodb, SYSTEM_CLOCK, deployment.outputs.tables)
    seen = Evidence(event, lookout.looks, history, final, recounter.recount([event]).findings[event])
    return Report(
        sizes=sizes,
        chapters=day.chapters,
        looks=lookout.looks,
        arrived=crowd.arrived,
        told=crowd.told,
        moved_up=list(crowd.moved_up.values()),
        requests=len(history),
        standing=_standing(seen),
        rulings=rulings(seen),
        seconds=time.monotonic() - began,
    )


def take_picture(page: Path, picture: Path) -> None:
    """Keeps the pictures of the page as one, without the tables below. NoBrowser if there is no Chromium."""
    with browsing() as browser:
        shown = browser.new_page(viewport=_VIEW)
        shown.goto(page.resolve().as_uri())
        box = shown.locator(".pictures").bounding_box()
        assert box is not None
        clip = FloatRect(x=0, y=0, width=_VIEW["width"], height=box["y"] + box["height"] + _MARGIN)
        shown.screenshot(path=picture, full_page=True, clip=clip)


def _standing(seen: Evidence) -> dict[str, int | str]:
    """How the event stands in the end, counted from its registrations."""
    by_status = {status: sum(record.status is status for record in seen.records) for status in Status}
    return {
        "seats": seen.ledger.settings.capacity,
        "people with a seat": by_status[Status.CONFIRMED],
        "people in the line": by_status[Status.WAITLISTED],
        "people who gave up their seats": by_status[Status.CANCELLED],
        "the line, in its order": _line(seen),
    }


def _line(seen: Evidence) -> str:
    """The first of those who wait, by their tickets."""
    by_ticket = {record.ticket: record.user_id for record in seen.records}
    waiting = [by_ticket[ticket] for ticket in seen.ledger.waitlist]
    return ", ".join(waiting[:_SHOWN]) + (" ..." if len(waiting) > _SHOWN else "") or "nobody"


def _end(report: Report) -> str:
    broken = sum(not ruling.kept for ruling in report.rulings)
    return f"{broken} rules are broken." if broken else "Every rule was kept."


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("demo", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=raw)
    usual = Sizes()

    def number(option: str, help_: str, name: str = "") -> None:
        dest = name or option.removeprefix("--").replace("-", "_")
        text = f"{help_} (default: %(default)s)"
        parser.add_argument(option, type=int, default=getattr(usual, dest), metavar="N", help=text, dest=dest)

    number("--people", "how many arrive")
    number("--seats", "how many seats there are at first")
    number("--places", "how many may wait in the line; 0: there is no line")
    number("--cancel", "how many give up their seats")
    number("--more-seats", "how many seats the organiser adds")
    number("--again", "how many of those who heard that it was full try again at the end")
    number("--seed", "who comes when, and who gives up a seat")
    parser.add_argument(
        "--within", type=float, default=usual.within, metavar="S", help="seconds to arrive in (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print the end of the day as one JSON object")
    parser.add_argument(
        "--out", type=Path, default=Path("build/demo.html"), metavar="FILE", help="the page (default: %(default)s)"
    )
    parser.add_argument("--screenshot", type=Path, metavar="FILE", help="keep a picture of the page, too (as PNG)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
