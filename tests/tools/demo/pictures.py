"""`build/demo.html`: the day as pictures, on one page that needs nothing else, neither scripts nor the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

import pygal

from tests.support.drawing import STYLE, inline_svg
from tests.tools.demo.report import ANSWERS, PERCENTILES, Report, percentiles

_PAGE = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))
_WIDTH, _HEIGHT = 560, 350

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Picture:
    """Lines over a common x axis, by their names; `note` says what to see in it."""

    title: str
    x: str
    y: str
    lines: Mapping[str, Points]
    note: str


def page(report: Report) -> str:
    """The page as HTML."""
    sizes = report.sizes
    return _PAGE.substitute(
        people=str(sizes.people),
        seats=str(sizes.seats),
        places=str(sizes.places),
        requests=str(report.requests),
        seconds=f"{report.looks[-1].at:.0f}",
        verdict="Every rule was kept." if report.kept else "A rule was broken.",
        verdict_class="met" if report.kept else "missed",
        chapters="".join(f"<li><b>{one.began:.0f} s</b> {escape(one.what)}</li>" for one in report.chapters),
        pictures="".join(map(_figure, pictures(report))),
        waits=_waits(report),
        rules="".join(
            f"<tr><th scope=row>{escape(one.rule)}</th><td>{escape(one.looked_at)}</td>"
            f'<td class="{"met" if one.kept else "missed"}">{"✓ kept" if one.kept else "✗ broken"}</td></tr>'
            for one in report.rulings
        ),
    )


def pictures(report: Report) -> list[Picture]:
    """The four pictures of a day."""
    seen = [(look.at, look.ledger) for look in report.looks if look.ledger is not None]
    told = {name: sorted(one.known for one in report.told if one.outcome in codes) for name, codes in ANSWERS.items()}
    end = report.looks[-1].at
    seats = {
        "seats": [(at, float(ledger.settings.capacity)) for at, ledger in seen],
        "taken": [(at, float(ledger.confirmed)) for at, ledger in seen],
        "people in the line": [(at, float(len(ledger.waitlist))) for at, ledger in seen],
    }
    waits = {name: _shares(found) for name, found in report.waits.items() if name in ANSWERS}
    return [
        Picture(
            "Arrivals, and what people were told",
            "seconds",
            "people",
            {name: _counted(times, end) for name, times in {"came": sorted(report.arrived), **told}.items() if times},
            "Everybody comes at once; who is too late hears so, and no message is sent.",
        ),
        Picture(
            "Messages in the queue",
            "seconds",
            "messages",
            {"waiting or in hand": [(look.at, float(look.queue)) for look in report.looks]},
            "The rush waits here, in its order; refusals for want of room never come here.",
        ),
        Picture(
            "Seats and line",
            "seconds",
            "people",
            seats,
            "Taken never exceeds seats; what is given up goes to the head of the line.",
        ),
        Picture(
            "Time until somebody knew",
            "% of people",
            "seconds",
            waits,
            "From request to outcome, sorted: the median is at 50 %.",
        ),
    ]


def _counted(times: Sequence[float], end: float) -> Points:
    """How many of the times had come, at each of them and at the end."""
    return [(times[0], 0.0), *((time, float(number)) for number, time in enumerate(times, 1)), (end, float(len(times)))]


def _shares(ordered: Sequence[float]) -> Points:
    return [(100 * number / len(ordered), value) for number, value in enumerate(ordered, 1)]


def _figure(picture: Picture) -> str:
    return (
        f"<figure><figcaption>{escape(picture.title)}</figcaption>{_draw(picture)}"
        f'<p class="note">{escape(picture.note)}</p></figure>'
    )


def _draw(picture: Picture) -> str:
    points = [point for line in picture.lines.values() for point in line]
    widest, highest = max((x for x, _ in points), default=1.0), max((y for _, y in points), default=1.0)
    canvas = pygal.XY(
        style=STYLE,
        width=_WIDTH,
        height=_HEIGHT,
        js=[],
        disable_xml_declaration=True,
        x_title=picture.x,
        y_title=picture.y,
        show_dots=False,
        show_x_guides=False,
        legend_at_bottom=True,
        legend_at_bottom_columns=2,
        truncate_legend=-1,
        margin=6,
        margin_bottom=46,
        legend_box_size=12,
        range=(0, highest * 1.05),
        xrange=(0, widest),
        x_labels=_marks(widest),
        y_labels=_marks(highest),
        value_formatter=lambda value: f"{value:g}",
        x_value_formatter=lambda value: f"{value:g}",
    )
    for name, line in picture.lines.items():
        canvas.add(name, line)
    return inline_svg(canvas, f"{picture.title}: {picture.y} against {picture.x}. {picture.note}")


def _marks(highest: float) -> list[float]:
    """Round numbers from 0: six or fewer steps of 1, 2 or 5 times a power of ten."""
    steps = (digit * 10.0**power for power in range(-3, 6) for digit in (1, 2, 5))
    step = next(step for step in steps if highest / step <= 6)
    return [step * number for number in range(int(highest / step) + 1)]


def _waits(report: Report) -> str:
    head = "".join(f"<th class=number>{name}</th>" for name in ("people", *(f"p{p}" for p in PERCENTILES)))
    rows = ""
    for name, found in report.waits.items():
        cells = "".join(f"<td class=number>{value:.2f} s</td>" for value in percentiles(found).values())
        rows += f"<tr><th scope=row>{escape(name)}</th><td class=number>{len(found)}</td>{cells}</tr>"
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>"
