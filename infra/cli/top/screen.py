"""Render a snapshot of a deployment for a terminal or a pipe."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from infra.cli.text import plain
from infra.cli.top.snapshot import OUTCOMES, WINDOW

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from infra.cli.top.snapshot import DecisionStats, DeploymentSnapshot
    from workers.domain.records import Ledger

_WIDE = 72
"""Columns that a terminal needs to show all columns of the tables; narrower ones lose the least important."""

_BESIDE = 58
"""Columns that it needs to show queue and decisions side by side."""

_TALL = 20
"""Lines that it needs for all rows and blank lines; lower ones keep room for events."""

_IN_A_PIPE = 10
"""Events to show where there is no screen that limits them."""


def render(snapshot: DeploymentSnapshot, console: Console, *, screen: bool = True) -> Group:
    """Render a snapshot, the most important parts on top.

    A screen cannot scroll: problems are truncated so that queue and decisions stay visible, and as many events are
    shown as there is room for. Narrow screens lose columns, not digits.
    """
    narrow, low = console.width < _WIDE, screen and console.height < _TALL
    title = Text.assemble(
        ("Turnstile ", "bold"), (snapshot.stage, "bold cyan"), f"  {snapshot.at[:19].replace('T', ' ')} UTC"
    )
    tables = (_queue(snapshot), _outcomes(snapshot.decisions, narrow=narrow, low=low))
    gap = () if low else ("",)
    flow: RenderableType = Group(tables[0], "", tables[1])
    if console.width >= _BESIDE:
        flow = Table.grid(padding=(0, 4))
        flow.add_row(*tables)
    shown, cut = _IN_A_PIPE, None
    if screen:
        room = console.height - _lines(console, title, *gap, flow, *gap)
        cut = max(1, room // max(1, len(snapshot.problems)))
    reasons = [
        Text(fill(plain(problem), console.width, max_lines=cut, placeholder=" ..."), "red")
        for problem in snapshot.problems
    ]
    if screen:
        shown = room - _lines(console, *reasons, _events(snapshot, 0, narrow=narrow))
    return Group(title, *reasons, *gap, flow, *gap, _events(snapshot, shown, narrow=narrow))


def _lines(console: Console, *parts: RenderableType) -> int:
    """Return the number of console lines that these parts take."""
    return len(console.render_lines(Group(*parts)))


def _queue(snapshot: DeploymentSnapshot) -> Table:
    queue, metrics = snapshot.queue, snapshot.metrics
    table = _table("queue", "")
    table.add_row("waiting", _number(queue.visible if queue else None))
    table.add_row("in flight", _number(queue.in_flight if queue else None))
    table.add_row("oldest", _number(metrics.age if metrics else None, " s"))
    table.add_row("groups in flight", _number(metrics.groups if metrics else None))
    for name, count in (("dead letters", snapshot.dead_letters), ("failed promotions", snapshot.failed_promotions)):
        table.add_row(name, _number(count), style="bold red" if count else "")
    return table


def _outcomes(decisions: DecisionStats | None, *, narrow: bool, low: bool) -> Table:
    table = _table("decisions", "last minute", *([] if narrow else ["per second"]))
    for outcome in OUTCOMES[: -1 if low else None]:
        count = decisions.counts[outcome] if decisions else None
        rate = "-" if count is None else f"{count / WINDOW:.2f}"
        table.add_row(outcome.lower(), _number(count), *([] if narrow else [rate]))
    table.add_row("latency p50", _number(decisions.p50 if decisions else None, " ms"))
    if not low:
        table.add_row("latency p90", _number(decisions.p90 if decisions else None, " ms"))
    return table


def _events(snapshot: DeploymentSnapshot, shown: int, *, narrow: bool) -> Table:
    """Show the fullest events, with their age; those that have a free seat beside people who wait stand out."""
    events = snapshot.events
    age = f", {snapshot.events_age:.0f} s ago" if snapshot.events_age else ""
    table = _table(f"fullest events{age}", "seats", "waiting", *([] if narrow else ["status"]))
    for ledger in events.fullest[: max(0, shown)] if events else ():
        event = Text(plain(ledger.event_id), no_wrap=True, overflow="ellipsis")
        status = "promotion due" if ledger.promotable else str(ledger.settings.status)
        style = "bold yellow" if ledger.promotable else ""
        table.add_row(event, *_places(ledger), *([] if narrow else [status]), style=style)
    if events and not events.complete:
        table.caption = f"among the first {events.read}; there are more"
    return table


def _places(ledger: Ledger) -> tuple[str, str]:
    """Return seats as taken/capacity, and waiting as waiting/limit (`-`: no waiting list, no slash: no limit)."""
    settings, waiting = ledger.settings, len(ledger.waitlist)
    limit = "" if settings.waitlist_capacity is None else f"/{settings.waitlist_capacity}"
    waitlist = f"{waiting}{limit}" if settings.has_waitlist or waiting else "-"
    return f"{ledger.confirmed}/{settings.capacity}", waitlist


def _table(title: str, *columns: str) -> Table:
    """Create a table whose first column is truncated when there is too little room; numbers never are."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, caption_justify="left")
    table.add_column(Text(title, "bold", no_wrap=True, overflow="ellipsis"))
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _number(value: float | None, unit: str = "") -> str:
    return "-" if value is None else f"{value:,.0f}{unit}"
