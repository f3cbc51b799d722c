"""What a run says: goals, the table, the JSON object, the page."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from tests.tools.bench.figures import Bars, Chart, Figure, Part, at_least, at_most, exactly
from tests.tools.bench.pictures import draw_bars, draw_chart, page
from tests.tools.bench.report import Report, Result, number, wanted

BEGAN = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
LINES = Chart(
    "Cost against the line",
    "waiting",
    "units",
    {"Turnstile": [(0, 12), (10, 12), (50_000, 24)], "textbook": [(10, 49), (1000, 4009)]},
    logarithmic=True,
)


def report_of(*figures: Figure, error: str | None = None) -> Report:
    """A run of one part, and of another that failed if there is an `error`."""
    results = [Result("hot event", 12.3, Part("hot event", figures, [LINES, Bars("Rates", "per s", {"a": 1.5})]))]
    return Report(BEGAN, results + ([Result("over HTTP", 1, error=error)] if error else []))


def test_what_meets_its_goal_is_not_complained_of() -> None:
    """At least, at most and exactly; a figure without a goal is only told."""
    report = report_of(
        Figure("a", 3, "times", at_least(3)), Figure("b", 4.2, "", at_most(4.2)), Figure("c", 1, "", exactly(1)),
        Figure("d", 0, ""),
    )  # fmt: skip
    assert report.missed == []
    assert report.as_json()["met"] is True


def test_each_missed_goal_and_each_failure_is_named() -> None:
    """With the part, the figure, what it is and what it should be."""
    report = report_of(Figure("ratio", 2.5, "times", at_least(3)), Figure("calls", 2, "", exactly(1)), error="no stack")
    assert report.missed == [
        "hot event: ratio is 2.5 times, not ≥ 3",
        "hot event: calls is 2, not = 1",
        "over HTTP: failed: no stack",
    ]
    assert report.as_json()["met"] is False


def test_the_object_has_every_figure_and_where_it_comes_from() -> None:
    """Unit, goal and whether it is met; versions, machine, date, seconds of each part; plain JSON."""
    report = report_of(Figure("ratio", 2.5, "times", at_least(3), "5 runs"), Figure("odd", float("inf"), "s"))
    found = json.loads(json.dumps(report.as_json(), allow_nan=False))
    (part,) = found["parts"]
    assert part["figures"] == [
        {
            "name": "ratio",
            "value": 2.5,
            "unit": "times",
            "goal": {"kind": "at least", "bound": 3},
            "note": "5 runs",
            "met": False,
        },
        {"name": "odd", "value": None, "unit": "s", "goal": None, "note": "", "met": None},
    ]
    assert (part["seconds"], found["began"]) == (12.3, "2026-01-02T03:04:00+00:00")
    assert {"turnstile", "python", "boto3", "DynamoDB Local"} <= found["versions"].keys()
    assert found["machine"]["cores"] >= 1


def test_the_table_shows_text_as_it_is() -> None:
    """Square brackets in a name or a note are not taken for colours."""
    console = Console(width=140)
    with console.capture() as captured:
        console.print(report_of(Figure("ratio [raw]", 2.5, "times", at_least(3), "[bold]")).table())
    line = next(line for line in captured.get().splitlines() if "ratio" in line)
    assert line.split() == ["ratio", "[raw]", "2.5", "times", "≥", "3", "✗", "[bold]"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(12, "12"), (1234.5, "1,234"), (0.00123456, "0.001235"), (4.25, "4.25"), (20_013, "20,013"), (float("nan"), "–")],
)
def test_numbers_are_written_for_people(value: float, text: str) -> None:
    """Whole ones in full, others with four digits."""
    assert number(value) == text


def test_the_page_needs_nothing_else_and_runs_nothing() -> None:
    """No script, and no address that a browser would load; what is in a name is text."""
    text = page(report_of(Figure("<b>ratio</b>", 2.5, "times", at_least(3)), error="<script>"))
    assert "<script" not in text
    assert re.findall(r'(?:src|href)="(?!#)[^"]*"', text) == []
    assert "url(http" not in text
    assert "<b>" not in text
    assert "&lt;b&gt;ratio&lt;/b&gt;" in text
    assert "0 of 1 goals are met" in text
    assert "Over HTTP" in text


def test_who_cannot_see_a_picture_has_its_title_and_its_numbers() -> None:
    """Each picture is one image to a screen reader, with a title and a table of its numbers."""
    text = page(report_of(Figure("a", 1, "")))
    labels = re.findall(r'role="img" aria-label="([^"]+)"|aria-label="([^"]+)" role="img"', text)
    assert [first or second for first, second in labels] == [
        "Cost against the line: units against waiting; the numbers are below",
        "Rates: per s; the numbers are below",
    ]
    assert "<td>textbook</td><td>1,000</td><td>4,009</td>" in text


def test_a_line_that_begins_at_nothing_is_drawn_on_a_logarithmic_axis() -> None:
    """0 has no logarithm; it still has a dot and a label."""
    drawn = ET.fromstring(draw_chart(LINES))  # noqa: S314 - made here
    assert len([node for node in drawn.iter() if node.get("class", "").startswith("dot ")]) == 5
    assert {"0", "50,000"} <= {node.text for node in drawn.iter() if node.tag.endswith("text")}


def test_pictures_without_numbers_are_no_failure() -> None:
    """A part that was cut short may have none."""
    assert "no numbers for Nothing" in draw_chart(Chart("Nothing", "x", "y", {}))
    assert "no numbers for Nothing" in draw_bars(Bars("Nothing", "y", {}))


def test_goals_are_written_short() -> None:
    """A goal is a sign and a number."""
    assert [wanted(Figure("", 0, "", goal)) for goal in (at_least(3), at_most(4.2), exactly(1), None)] == [
        "≥ 3", "≤ 4.2", "= 1", "",
    ]  # fmt: skip
