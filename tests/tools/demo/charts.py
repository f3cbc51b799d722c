"""`build/demo.html`: the day as charts, on one page without scripts or requests to the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

from tests.tools.demo.report import OUTCOMES, DayReport

_PAGE = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))
_WIDTH, _HEIGHT, _LEFT, _TOP = 500, 270, 52, 8

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over a common x axis, by their names; `note` says what to see in it."""

    title: str
    x: str
    y: str
    lines: Mapping[str, Points]
    note: str


def page(report: DayReport) -> str:
    """Return the page as HTML."""
    sizes = report.sizes
    return _PAGE.substitute(
        people=str(sizes.people),
        seats=str(sizes.seats),
        places=str(sizes.places),
        requests=str(report.requests),
        seconds=f"{report.observations[-1].at:.0f}",
        verdict="Every rule was kept." if report.kept else "A rule was broken.",
        verdict_class="met" if report.kept else "missed",
        chapters="".join(f"<li><b>{one.began:.0f} s</b> {escape(one.what)}</li>" for one in report.chapters),
        charts="".join(map(_figure, charts(report))),
    )


def charts(report: DayReport) -> list[Chart]:
    """Return the four charts of a day."""
    ledgers = [(found.at, found.ledger) for found in report.observations if found.ledger is not None]
    end = report.observations[-1].at
    known = {name: sorted(one.known for one in report.known if one.outcome in OUTCOMES[name]) for name in OUTCOMES}
    counts = {"arrived": sorted(report.arrived), **known}
    queue = [(found.at, float(found.queue)) for found in report.observations]
    seats = {
        "seats": [(at, float(ledger.settings.capacity)) for at, ledger in ledgers],
        "confirmed": [(at, float(ledger.confirmed)) for at, ledger in ledgers],
        "waiting": [(at, float(len(ledger.waitlist))) for at, ledger in ledgers],
    }
    waits = {name: _shares(found) for name, found in report.waits.items() if name in OUTCOMES}
    arrivals = {name: _counted(times, end) for name, times in counts.items() if times}
    late = "Everybody arrives at once; people who are too late are refused, and no message is sent."
    order = "The rush waits here, in its order; refusals because the event is full never come here."
    return [
        Chart("Arrivals and outcomes", "seconds", "people", arrivals, late),
        Chart("Messages in the queue", "seconds", "messages", {"visible or in flight": queue}, order),
        Chart(
            "Seats and waiting list",
            "seconds",
            "people",
            seats,
            "Confirmed never exceeds seats; a cancelled seat goes to the first waiter.",
        ),
        Chart(
            "Time to an outcome",
            "% of people",
            "seconds",
            waits,
            "From request to outcome, sorted: the median is at 50 %.",
        ),
    ]


def _counted(times: Sequence[float], end: float) -> Points:
    """Return how many of the times had passed, at each of them and at the end."""
    return [(times[0], 0.0), *((time, float(number)) for number, time in enumerate(times, 1)), (end, float(len(times)))]


def _shares(ordered: Sequence[float]) -> Points:
    return [(100 * number / len(ordered), value) for number, value in enumerate(ordered, 1)]


def _figure(chart: Chart) -> str:
    return (
        f"<figure><figcaption>{escape(chart.title)}</figcaption>{_svg(chart)}"
        f'<p class="note">{escape(chart.note)}</p></figure>'
    )


def _svg(chart: Chart) -> str:
    """Draw lines, grid, axes and a legend; a screen reader gets the title and the note."""
    points = [point for line in chart.lines.values() for point in line]
    widest, highest = (
        max((x for x, _ in points), default=1.0) or 1.0,
        max((y for _, y in points), default=1.0) * 1.05 or 1.0,
    )
    bottom = _TOP + _HEIGHT

    def place(x: float, y: float) -> tuple[float, float]:
        return round(_LEFT + x / widest * _WIDTH, 1), round(bottom - y / highest * _HEIGHT, 1)

    parts = []
    for value in _ticks(highest):
        _, y = place(0, value)
        parts.append(f'<path class="grid" d="M{_LEFT} {y}h{_WIDTH}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{value:g}</text>')
    for value in _ticks(widest):
        x, _ = place(value, 0)
        parts.append(f'<text class="tick" x="{x}" y="{bottom + 16}" text-anchor="middle">{value:g}</text>')
    middle = _LEFT + _WIDTH / 2
    parts.append(f'<text x="{middle}" y="{bottom + 34}" text-anchor="middle">{escape(chart.x)}</text>')
    parts.append(
        f'<text transform="translate(12 {_TOP + _HEIGHT / 2})rotate(-90)" text-anchor="middle">{escape(chart.y)}</text>'
    )
    for index, (name, line) in enumerate(chart.lines.items()):
        color, left = f"var(--line{index + 1})", _LEFT + index * _WIDTH / 4
        path = "L".join(f"{x} {y}" for x, y in (place(*point) for point in line))
        parts.append(f'<path class="line" d="M{path}" style="stroke:{color}"/>')
        parts.append(f'<rect x="{left}" y="{bottom + 46}" width="11" height="11" style="fill:{color}"/>')
        parts.append(f'<text x="{left + 17}" y="{bottom + 56}">{escape(name)}</text>')
    label = escape(f"{chart.title}: {chart.y} against {chart.x}. {chart.note}", quote=True)
    size = f"0 0 {_LEFT + _WIDTH + 12} {bottom + 64}"
    return f'<svg viewBox="{size}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _ticks(highest: float) -> list[float]:
    """Return round numbers from 0, six or fewer steps of 1, 2 or 5 times a power of ten."""
    steps = (digit * 10.0**power for power in range(-3, 6) for digit in (1, 2, 5))
    step = next(step for step in steps if highest / step <= 6)
    return [round(step * number, 3) for number in range(int(highest / step) + 1)]
