"""`turnstile top`: what the pipeline is doing, live."""

from __future__ import annotations

import argparse
import json
import sys
import time
from textwrap import fill
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from infra.cli.arguments import add_stage
from infra.cli.deployment import Deployment
from infra.cli.processes import Interrupts
from infra.cli.text import plain
from infra.cli.top.snapshot import OUTCOMES, WINDOW, Collector

if TYPE_CHECKING:
    from rich.console import RenderableType

    from infra.cli.top.snapshot import DecisionStats, DeploymentSnapshot, FullestEvents
    from workers.domain.records import Ledger

HELP = "watch queues, decisions and the fullest events, live"
DESCRIPTION = """\
Show what a deployment is doing: how many messages wait in the queue, how many are in flight, the age of
the oldest that was received at most three times and in how many groups work is going on (from
CloudWatch, a minute late; "-" on the local stack, which does not measure them), dead letters, promotions
that could not be sent, decisions of the last minute by outcome with their latency (accepted to
committed), and the events with the longest lines and the fewest seats left: as many as the terminal has
room for, ten in a pipe, up to fifty as JSON. It looks and takes nothing: no message is received.

examples:
  turnstile top                            live, until Ctrl-C
  turnstile top --stage prod --interval 5
  turnstile top --once                     once, as text
  turnstile top --once --json | jq .queue  once, one JSON object
  turnstile top --json >> board.jsonl      one JSON object per line, until Ctrl-C

A large backlog with few groups in flight is one hot event; with many, everybody is busy. What AWS
refuses or does not answer is shown as "-" and asked for again; the reason is under the title, as far as
there is room (--once has all of it). Exit code 0 when ended with Ctrl-C; with --once, 1 when something
could not be read; 3 when there is no stack."""

_WIDE = 72
"""Columns that a terminal needs to show all columns of the tables; one with less loses the least important."""

_BESIDE = 58
"""Columns that it needs to show queue and decisions side by side."""

_IN_A_PIPE = 10


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_stage(parser)
    parser.add_argument("--once", action="store_true", help="look once and end")
    parser.add_argument("--json", action="store_true", help="print JSON: one object per look, each on its line")
    parser.add_argument("--interval", type=_seconds, default=2.0, help="seconds between two looks (default: 2)")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.1 to 3600")
    return seconds


def run(args: argparse.Namespace) -> int:
    """Show it."""
    watcher = Collector(Deployment.resolve(args.stage))
    # Given explicitly, so that no setting of the environment puts escape codes into a pipe.
    console = Console(force_terminal=sys.stdout.isatty(), highlight=False)
    if args.once:
        board = watcher.look()
        _print(console, board, as_json=args.json)
        return 1 if board.problems else 0
    try:
        with Interrupts():
            if args.json or not console.is_terminal:
                while True:
                    _print(console, watcher.look(), as_json=args.json)
                    time.sleep(args.interval)
            with Live(Text("looking ..."), console=console, screen=True, auto_refresh=False) as live:
                while True:
                    live.update(render(watcher.look(), console), refresh=True)
                    time.sleep(args.interval)
    except KeyboardInterrupt:
        return 0


def _print(console: Console, board: DeploymentSnapshot, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(board.as_json()), flush=True)
    else:
        console.print(render(board, console, screen=False))
        console.print()


def render(board: DeploymentSnapshot, console: Console, *, screen: bool = True) -> Group:
    """The board as rich shows it, what matters most on top. A screen cannot scroll: problems are cut so that queue and
    decisions stay in sight, and there are as many events as there is room for. Narrow ones lose columns, not numbers.
    """
    narrow = console.width < _WIDE
    title = Text.assemble(
        ("Turnstile ", "bold"), (board.stage, "bold cyan"), f"  {board.at[:19].replace('T', ' ')} UTC"
    )
    tables = (_queue(board), _outcomes(board.decisions, narrow=narrow))
    flow: RenderableType = Group(tables[0], "", tables[1])
    if console.width >= _BESIDE:
        flow = Table.grid(padding=(0, 4))
        flow.add_row(*tables)
    shown, cut = _IN_A_PIPE, None
    if screen:
        room = console.height - _lines(console, title, "", flow, "")
        cut = max(1, room // max(1, len(board.problems)))
    reasons = [
        Text(fill(plain(problem), console.width, max_lines=cut, placeholder=" ..."), "red")
        for problem in board.problems
    ]
    if screen:
        shown = room - _lines(console, *reasons, _events(board.events, 0, narrow=narrow))
    return Group(title, *reasons, "", flow, "", _events(board.events, shown, narrow=narrow))


def _lines(console: Console, *parts: RenderableType) -> int:
    """How many lines of the console they take."""
    return len(console.render_lines(Group(*parts)))


def _queue(board: DeploymentSnapshot) -> Table:
    queue, metrics = board.queue, board.metrics
    table = _table("queue", "")
    table.add_row("waiting", _number(queue.visible if queue else None))
    table.add_row("in flight", _number(queue.in_flight if queue else None))
    table.add_row("oldest", _number(metrics.age if metrics else None, " s"))
    table.add_row("groups in flight", _number(metrics.groups if metrics else None))
    for name, count in (("dead letters", board.dead_letters), ("failed promotions", board.failed_promotions)):
        table.add_row(name, _number(count), style="bold red" if count else "")
    return table


def _outcomes(decisions: DecisionStats | None, *, narrow: bool) -> Table:
    table = _table("decisions", "last minute", *([] if narrow else ["per second"]))
    for outcome in OUTCOMES:
        count = decisions.counts[outcome] if decisions else None
        rate = "-" if count is None else f"{count / WINDOW:.2f}"
        table.add_row(outcome.lower(), _number(count), *([] if narrow else [rate]))
    table.add_row("latency p50", _number(decisions.p50 if decisions else None, " ms"))
    table.add_row("latency p90", _number(decisions.p90 if decisions else None, " ms"))
    return table


def _events(events: FullestEvents | None, shown: int, *, narrow: bool) -> Table:
    table = _table("fullest events", "seats", "line", *([] if narrow else ["status"]))
    for ledger in events.fullest[: max(0, shown)] if events else ():
        event = Text(plain(ledger.event_id), no_wrap=True, overflow="ellipsis")
        table.add_row(event, *_places(ledger), *([] if narrow else [str(ledger.settings.status)]))
    if events and not events.complete:
        table.caption = f"of the first {events.read} that were read; there are more"
    return table


def _places(ledger: Ledger) -> tuple[str, str]:
    """Seats as taken/capacity, the line as waiting/limit (`-`: no waiting list, no slash: no limit)."""
    settings, waiting = ledger.settings, len(ledger.waitlist)
    limit = "" if settings.waitlist_capacity is None else f"/{settings.waitlist_capacity}"
    line = f"{waiting}{limit}" if settings.has_waitlist or waiting else "-"
    return f"{ledger.confirmed}/{settings.capacity}", line


def _table(title: str, *columns: str) -> Table:
    """A table whose first column gives way when there is too little room, and the numbers do not."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, caption_justify="left")
    table.add_column(Text(title, "bold", no_wrap=True, overflow="ellipsis"))
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _number(value: float | None, unit: str = "") -> str:
    return "-" if value is None else f"{value:,.0f}{unit}"
