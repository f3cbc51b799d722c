"""`bench.html`: a run of the benchmark as one page that needs nothing else, neither scripts nor the network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import pygal

from tests.support.drawing import STYLE, inline_svg
from tests.tools.bench.figures import Bars, Chart, Figure
from tests.tools.bench.machine import machine, versions
from tests.tools.bench.report import Report, Result, met, number, wanted

_PAGE = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))
_WIDTH = 860
_DASHES = ("", "9, 5", "2, 4", "12, 4, 2, 4")
"""Lines differ in more than their colour."""


def page(report: Report) -> str:
    """The page as HTML."""
    figures = [figure for result in report.results if result.part for figure in result.part.figures]
    goals = [met(figure) for figure in figures if figure.goal is not None]
    return _PAGE.substitute(
        date=f"{report.began:%Y-%m-%d %H:%M} UTC",
        runs=str(report.runs),
        verdict=f"{sum(map(bool, goals))} of {len(goals)} goals are met",
        missed="".join(f"<li>{escape(sentence)}</li>" for sentence in report.missed),
        contents="".join(
            f'<li><a href="#{_anchor(result.name)}">{escape(result.name)}</a></li>' for result in report.results
        ),
        machine=_facts(machine()),
        versions=_facts(versions()),
        parts="".join(map(_part, report.results)),
    )


def _facts(facts: Mapping[str, object]) -> str:
    return "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(fact))}</dd>" for name, fact in facts.items())


def _anchor(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())


def _part(result: Result) -> str:
    head = f'<section id="{_anchor(result.name)}"><h2>{escape(result.name[0].upper() + result.name[1:])}</h2>'
    if result.part is None:
        return f'{head}<p class="missed">It failed: {escape(result.error or "")}</p></section>'
    rows = "".join(map(_row, result.part.figures))
    table = (
        '<div class="wide"><table><thead><tr><th>figure</th><th class="number">value</th><th>unit</th>'
        f'<th class="number">goal</th><th></th><th>how</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )
    return f"{head}{table}{''.join(map(_figure, result.part.pictures))}</section>"


def _row(figure: Figure) -> str:
    mark = {
        True: '<span class="met">✓ met</span>',
        False: '<span class="missed">✗ missed</span>',
        None: "",
    }[met(figure)]
    cells = f'<th scope="row">{escape(figure.name)}</th><td class="number">{number(figure.value)}</td>'
    goal = wanted(figure).replace(" ", " ")
    return (
        f'<tr>{cells}<td>{escape(figure.unit)}</td><td class="number">{escape(goal)}</td><td>{mark}</td>'
        f'<td class="note">{escape(figure.note)}</td></tr>'
    )


def _figure(picture: Chart | Bars) -> str:
    """A picture with its title, and its numbers for who cannot see it."""
    if isinstance(picture, Bars):
        drawn = draw_bars(picture)
        names: Sequence[str] = ("", picture.y)
        rows: Iterable[Sequence[str]] = [(name, number(value)) for name, value in picture.bars.items()]
    else:
        drawn = draw_chart(picture)
        names = ("", picture.x, picture.y)
        rows = [(name, number(x), number(y)) for name, line in picture.lines.items() for x, y in line]
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f'<figure><figcaption>{escape(picture.title)}</figcaption><div class="wide">{drawn}</div>'
        f"<details><summary>the numbers</summary><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        "</details></figure>"
    )


def draw_chart(chart: Chart) -> str:
    """Lines as SVG. On a logarithmic axis, 0 stands one decade before the smallest other number."""
    across = sorted({x for line in chart.lines.values() for x, _ in line})
    heights = [y for line in chart.lines.values() for _, y in line] or [1.0]
    logarithmic = chart.logarithmic and min(heights) > 0
    least = min((x for x in across if x > 0), default=1.0) / 10 if logarithmic else -math.inf
    marks = _round_numbers(min(heights), max(heights)) if logarithmic else None
    canvas = pygal.XY(
        **_common(chart.title, 400),
        x_title=chart.x,
        y_title=chart.y,
        logarithmic=logarithmic,
        y_labels=marks,
        # Without its zero an axis makes mountains of small differences.
        range=(marks[0], marks[-1]) if marks else (0, max(heights) * 1.05),
        dots_size=4,
        legend_at_bottom=True,
        legend_at_bottom_columns=2,
        truncate_legend=-1,
        x_labels=[{"value": max(x, least), "label": number(x)} for x in _apart(across, least, logarithmic=logarithmic)],
    )
    for index, (name, line) in enumerate(chart.lines.items()):
        stroke = {"width": 2.5, "dasharray": _DASHES[index % len(_DASHES)]}
        canvas.add(name, [(max(x, least), y) for x, y in line], stroke_style=stroke)
    return inline_svg(canvas, f"{chart.title}: {chart.y} against {chart.x}; the numbers are below")


def draw_bars(picture: Bars) -> str:
    """One bar below the other as SVG, each with its value; Turnstile's have a colour of their own."""
    names = list(picture.bars)[::-1]
    canvas = pygal.HorizontalBar(
        **_common(picture.title, 90 + 36 * len(names)),
        x_title=picture.y,
        show_legend=False,
        max_scale=8,
        range=(0, max(picture.bars.values(), default=1) * 1.05),
        x_labels=[f"{name}: {number(picture.bars[name])}" for name in names],
        truncate_label=-1,
    )
    ours = [name for name in names if "Turnstile" in name] or names
    bars = [(picture.bars[name], "var(--line1)" if name in ours else "var(--line2)") for name in names]
    canvas.add("", [{"value": value, "color": color} for value, color in bars])
    return inline_svg(canvas, f"{picture.title}: {picture.y}; the numbers are below")


def _common(title: str, height: int) -> dict[str, Any]:
    return {
        "style": STYLE,
        "width": _WIDTH,
        "height": height,
        "js": [],
        "disable_xml_declaration": True,
        "show_x_guides": False,
        "margin": 12,
        "margin_right": 40,
        "value_formatter": number,
        "no_data_text": f"no numbers for {title}",
    }


def _round_numbers(low: float, high: float) -> list[float]:
    """Round numbers from one not above `low` to one not below `high`: powers of ten, or 1, 2, 5, 10 where few are
    enough."""
    steps = (1, 2, 5) if high / low < 1000 else (1,)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    marks = [step * 10.0**decade for decade in decades for step in steps]
    first = max(index for index, mark in enumerate(marks) if mark <= low)
    last = min(index for index, mark in enumerate(marks) if mark >= high)
    return marks[first : max(last, first + 1) + 1]


def _apart(across: Sequence[float], least: float, *, logarithmic: bool) -> list[float]:
    """Those of the numbers whose labels do not lie on each other."""
    places = {x: math.log10(max(x, least)) if logarithmic else x for x in across}
    room = (max(places.values()) - min(places.values())) / 12 if places else 0
    chosen: list[float] = []
    for x in across:
        if not chosen or places[x] - places[chosen[-1]] >= room:
            chosen.append(x)
    return chosen
