"""What the terminal shows while the day goes on: a live board, or plain lines where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import TYPE_CHECKING

from rich.columns import Columns
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rich.console import RenderableType

    from tests.tools.demo.crowd import Crowd
    from tests.tools.demo.monitor import Look

_REMEMBERED = 12
_PER_SECOND = 8
_LINE_EVERY_SECONDS = 2.0
_WIDEST = 96


class PlainBoard:
    """Lines on stderr: what happens when it happens, and every few seconds how things stand."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._began = self._said = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left open."""

    def happens(self, text: str) -> None:
        """Says what happens now."""
        self._say(text)

    def show(self, look: Look) -> None:
        """Says how things stand, unless that was said just now."""
        if time.monotonic() - self._said >= _LINE_EVERY_SECONDS and look.ledger is not None:
            ledger, told = look.ledger, len(self._crowd.told)
            self._say(
                f"seats {ledger.confirmed}/{ledger.settings.capacity}, waiting {len(ledger.waitlist)}, "
                f"queue {look.queue}, "
                f"dead letters {look.dead_letters}; {len(self._crowd.arrived)} came, {told} know"
            )

    def _say(self, text: str) -> None:
        self._said = time.monotonic()
        print(f"{self._said - self._began:5.1f} s  {text}", file=sys.stderr, flush=True)


class LiveBoard:
    """One picture that changes in place, on a terminal."""

    def __init__(self, crowd: Crowd, title: str, console: Console) -> None:
        self._crowd = crowd
        self._title = title
        self._began = time.monotonic()
        self._look: Look | None = None
        self._happened: deque[Text] = deque(maxlen=_REMEMBERED)
        self._live = Live(get_renderable=self._picture, console=console, refresh_per_second=_PER_SECOND)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves the last picture on the terminal."""
        self._live.__exit__(kind, error, trace)

    def happens(self, text: str) -> None:
        """Adds a line to what has happened."""
        self._happened.append(Text.assemble((f"{self._seconds:5.1f} s  ", "dim"), text))

    def show(self, look: Look) -> None:
        """Has the next picture show how things stand."""
        self._look = look

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def _picture(self) -> RenderableType:
        lines = [*self._happened, *[Text("")] * (_REMEMBERED - len(self._happened))]
        body = Group(self._standing(), Text(""), self._people(), Text(""), *lines)
        return Panel(body, title=self._title, subtitle=f"{self._seconds:.0f} s", width=_WIDEST, padding=(1, 2))

    def _standing(self) -> RenderableType:
        ledger = self._look.ledger if self._look else None
        rows = Table.grid(padding=(0, 2))
        seats, line, limit, taken = 1, 0, 1, 0
        if ledger is not None:
            seats, taken, line = ledger.settings.capacity, ledger.confirmed, len(ledger.waitlist)
            limit = ledger.settings.waitlist_capacity or 1
        rows.add_row("seats", _bar(taken, seats, "green"), f"{taken} of {seats}" if ledger else "-")
        rows.add_row("line", _bar(line, limit, "yellow"), f"{line} of {limit}" if ledger else "-")
        depth = self._look.queue if self._look else 0
        rows.add_row("queue", _bar(depth, max(50, depth), "cyan"), f"{depth} messages")
        dead = self._look.dead_letters if self._look else 0
        rows.add_row("dead letters", Text("●" * min(dead, 40), style="red"), str(dead))
        return rows

    def _people(self) -> RenderableType:
        crowd, outcomes = self._crowd, self._crowd.outcomes
        full = outcomes["waitlist-full"] + outcomes["event-full"]
        unsure = len(crowd.arrived) - len(crowd.told)
        figures = {
            "came": (len(crowd.arrived), "bold"),
            "seat": (outcomes["confirmed"], "green"),
            "place in the line": (outcomes["waitlisted"], "yellow"),
            "full": (full, "red"),
            "not answered yet": (unsure, "dim"),
            "moved up": (len(crowd.moved_up), "green"),
        }
        return Columns([Text.assemble((f"{count:>4} ", style), name) for name, (count, style) in figures.items()])


def board_for(crowd: Crowd, title: str) -> PlainBoard | LiveBoard:
    """The live board if stderr is a terminal: stdout is for what comes of the day."""
    if sys.stderr.isatty():
        return LiveBoard(crowd, title, Console(stderr=True, highlight=False))
    return PlainBoard(crowd)


def _bar(value: int, total: int, style: str) -> ProgressBar:
    return ProgressBar(total=total, completed=value, width=50, complete_style=style, finished_style=style)
