"""`turnstile top`: watch the pipeline live."""

from __future__ import annotations

import argparse
import json
import os
import select
import sys
import termios
import time
import tty
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from infra.cli.arguments import add_stage
from infra.cli.deployment import Deployment
from infra.cli.processes import Interrupts
from infra.cli.top.screen import render
from infra.cli.top.snapshot import Collector

if TYPE_CHECKING:
    from infra.cli.top.snapshot import DeploymentSnapshot

HELP = "watch queues, decisions and the fullest events live"
DESCRIPTION = """\
Show what a deployment is doing:
  queue       messages waiting and in flight; the age of the oldest that was received at most three
              times and the number of groups in flight (from CloudWatch, a minute late; "-" on the local
              stack, which does not measure them); dead letters; promotions that could not be sent
  decisions   of the last minute, by outcome, with their latency (accepted to committed)
  events      those with the longest waiting lists and the fewest free seats: as many as the terminal
              has room for, ten in a pipe, up to fifty as JSON. On AWS they are read every 15 s; their age
              is shown. A free seat beside people who wait is highlighted: "promotion due"
It only reads: no message is received.

examples:
  turnstile top                            live, until q or Ctrl-C
  turnstile top --stage prod --interval 5
  turnstile top --once                     once, as text
  turnstile top --once --json | jq .queue  once, one JSON object
  turnstile top --json >> top.jsonl        one JSON object per line, until Ctrl-C

A large backlog with few groups in flight is one hot event; with many, all events are busy. Anything that
AWS refuses or does not answer is shown as "-" and requested again; the reason is below the title, as far
as there is room (--once shows all of it).

Exit code 0 when ended with q or Ctrl-C; with --once, 1 when something could not be read; 3 when there is no
stack."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_stage(parser)
    parser.add_argument("--once", action="store_true", help="print once and exit")
    parser.add_argument("--json", action="store_true", help="print JSON: one object per snapshot, each on its own line")
    parser.add_argument("--interval", type=_seconds, default=2.0, help="seconds between two snapshots (default: 2)")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.1 to 3600")
    return seconds


def run(args: argparse.Namespace) -> int:
    """Show snapshots until interrupted, or once."""
    collector = Collector(Deployment.resolve(args.stage))
    # Set explicitly, so that no environment variable puts escape codes into a pipe.
    console = Console(force_terminal=sys.stdout.isatty(), highlight=False)
    if args.once:
        snapshot = collector.collect()
        _print(console, snapshot, as_json=args.json)
        return 1 if snapshot.problems else 0
    try:
        with Interrupts():
            if args.json or not console.is_terminal:
                while True:
                    _print(console, collector.collect(), as_json=args.json)
                    time.sleep(args.interval)
            with _Keys() as keys, Live(Text("reading ..."), console=console, screen=True, auto_refresh=False) as live:
                while True:
                    live.update(render(collector.collect(), console), refresh=True)
                    if keys.quit_within(args.interval):
                        return 0
    except KeyboardInterrupt:
        return 0


class _Keys:
    """The keys that are pressed while a terminal shows snapshots. Without a terminal there are none."""

    def __enter__(self) -> Self:
        self._terminal = sys.stdin.fileno() if sys.stdin.isatty() else None
        if self._terminal is not None:
            self._before = termios.tcgetattr(self._terminal)
            tty.setcbreak(self._terminal)
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal is not None:
            termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)

    def quit_within(self, seconds: float) -> bool:
        """Wait, and return True as soon as q is pressed."""
        if self._terminal is None:
            time.sleep(seconds)
            return False
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self._terminal], [], [], left)[0] and os.read(self._terminal, 1) in {b"q", b"Q"}:
                return True
        return False


def _print(console: Console, snapshot: DeploymentSnapshot, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(snapshot.as_json()), flush=True)
    else:
        console.print(render(snapshot, console, screen=False))
        console.print()
