"""Show the day on stderr: a live board on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.columns import Columns
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tests.tools.demo.crowd import Crowd
    from tests.tools.demo.monitor import Observation

_REMEMBERED = 12
_PLAIN_SECONDS = 2.0
_WIDTH = 96


class Board:
    """Shows what has happened, and the latest observation."""

    def __init__(self, crowd: Crowd, title: str) -> None:
        self._crowd = crowd
        self._title = title
        self._began = self._said = time.monotonic()
        self._latest: Observation | None = None
        self._happened: deque[Text] = deque(maxlen=_REMEMBERED)
        self._console = Console(stderr=True, highlight=False)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Keep the board in place on a terminal while the block runs; the last picture stays."""
        if not sys.stderr.isatty():
            yield
            return
        with Live(get_renderable=self._picture, console=self._console, refresh_per_second=8):
            yield

    def happens(self, text: str) -> None:
        """Add a line to what has happened."""
        self._happened.append(Text.assemble((f"{self._seconds:5.1f} s  ", "dim"), text))
        if not sys.stderr.isatty():
            self._said = time.monotonic()
            print(self._happened[-1].plain, file=sys.stderr, flush=True)

    def show(self, observation: Observation) -> None:
        """Show the state; without a terminal, only every few seconds."""
        self._latest, ledger = observation, observation.ledger
        if not sys.stderr.isatty() and ledger is not None and time.monotonic() - self._said >= _PLAIN_SECONDS:
            self.happens(
                f"seats {ledger.confirmed}/{ledger.settings.capacity}, waiting {len(ledger.waitlist)}, "
                f"queue {observation.queue}, dead letters {observation.dead_letters}; "
                f"{len(self._crowd.arrived)} arrived, {len(self._crowd.known)} know"
            )

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def _picture(self) -> RenderableType:
        lines = [*self._happened, *[Text("")] * (_REMEMBERED - len(self._happened))]
        body = Group(self._state(), Text(""), self._people(), Text(""), *lines)
        return Panel(body, title=self._title, subtitle=f"{self._seconds:.0f} s", width=_WIDTH, padding=(1, 2))

    def _state(self) -> RenderableType:
        latest = self._latest
        rows = Table.grid(padding=(0, 2))
        if latest is None or (ledger := latest.ledger) is None:
            return rows
        settings, waiting = ledger.settings, len(ledger.waitlist)
        for name, value, limit, style in (
            ("seats", ledger.confirmed, settings.capacity, "green"),
            ("waiting", waiting, settings.waitlist_capacity or max(1, waiting), "yellow"),
            ("queue", latest.queue, max(50, latest.queue), "cyan"),
            ("dead letters", latest.dead_letters, max(10, latest.dead_letters), "red"),
        ):
            bar = ProgressBar(total=limit, completed=value, width=50, complete_style=style, finished_style=style)
            rows.add_row(name, bar, f"{value} of {limit}" if name in {"seats", "waiting"} else str(value))
        return rows

    def _people(self) -> RenderableType:
        crowd, outcomes = self._crowd, self._crowd.outcomes
        figures = {
            "arrived": (len(crowd.arrived), "bold"),
            "confirmed": (outcomes["confirmed"], "green"),
            "waitlisted": (outcomes["waitlisted"], "yellow"),
            "full": (outcomes["waitlist-full"] + outcomes["event-full"], "red"),
            "not answered yet": (len(crowd.arrived) - len(crowd.known), "dim"),
            "promoted": (len(crowd.promoted), "green"),
        }
        return Columns([Text.assemble((f"{count:>4} ", style), name) for name, (count, style) in figures.items()])
