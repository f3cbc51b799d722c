"""Report the progress of a long command on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_EVERY = 5.0
"""Seconds between two lines."""


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Render the rate per second."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "-/s")


@contextmanager
def progress(name: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with the number done so far. `total` is None if it is unknown."""
    if not sys.stderr.isatty():
        yield _Lines(name, total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=total)
        yield lambda done: bar.update(task, completed=done)


class _Lines:
    def __init__(self, name: str, total: int | None) -> None:
        self._name = name
        self._total = total
        self._began = self._printed = time.monotonic()

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if now - self._printed < _EVERY:
            return
        self._printed = now
        rate = done / (now - self._began)
        of, left = "", ""
        if self._total is not None:
            of = f" of {self._total}"
            left = f", {max(0, self._total - done) / rate:.0f} s left" if rate else ""
        print(f"{self._name}: {done}{of}, {rate:.1f}/s{left}", file=sys.stderr, flush=True)
