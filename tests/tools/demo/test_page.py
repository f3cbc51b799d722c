"""`build/demo.html` in a real browser, and the end of the day in words."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

from rich.console import Console

from tests.support.browser import browsing
from tests.tools.demo.__main__ import take_picture
from tests.tools.demo.made_up import evidence, report
from tests.tools.demo.pictures import page, pictures
from tests.tools.demo.report import percentiles, show

PNG = b"\x89PNG"


def test_the_page_in_a_browser(tmp_path: Path) -> None:
    """In Chromium the page shows four pictures, each with lines, a row for each rule, and when what happened; it has no
    scripts, asks for nothing, complains of nothing, and a picture of it can be kept."""
    seen = report(evidence())
    path = tmp_path / "demo.html"
    path.write_text(page(seen), encoding="utf-8")
    asked: list[str] = []
    complaints: list[str] = []
    with browsing() as browser:
        shown = browser.new_page()
        shown.on("request", lambda request: asked.append(request.url))
        shown.on("console", lambda message: complaints.append(message.text))
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.goto(path.as_uri())
        titles = [caption.inner_text() for caption in shown.locator("figcaption").all()]
        for picture in shown.locator("figure svg").all():
            assert picture.locator("path.line").count() > 0
            assert picture.get_attribute("aria-label")
            box = picture.bounding_box()
            assert box is not None
            assert box["height"] > 100
        rows = shown.locator("section").last.locator("tbody tr").all_inner_texts()
        chapters = shown.locator("ol li").all_inner_texts()
        assert shown.locator("script").count() == 0
        assert shown.locator(".verdict").inner_text() == "Every rule was kept."
    assert titles == [picture.title for picture in pictures(seen)]
    assert len(titles) == 4
    assert [row.split("\t")[0] for row in rows] == [ruling.rule for ruling in seen.rulings]
    assert len(chapters) == len(seen.chapters)
    assert (asked, complaints) == ([path.as_uri()], [])
    take_picture(path, tmp_path / "demo.png")
    assert (tmp_path / "demo.png").read_bytes().startswith(PNG)


def test_a_broken_rule_is_shown() -> None:
    """A rule that was broken is named in the table and on the page, with what breaks it."""
    seen = evidence()
    looks = [*seen.looks[:-1], replace(seen.looks[-1], dead_letters=2)]
    found = report(replace(seen, looks=looks))
    assert not found.kept
    out = StringIO()
    show(found, Console(file=out, width=100))
    assert "✗ BROKEN" in out.getvalue()
    assert "rule 10 the queues are empty: 2 dead letters are left" in out.getvalue()
    assert "A rule was broken." in page(found)
    assert [rule["kept"] for rule in found.as_json()["rules"]] == [True] * 9 + [False]


def test_percentiles() -> None:
    """Each percentile is the smallest measured time that this share of the people did not exceed."""
    hundred = [float(number) for number in range(1, 101)]
    assert percentiles(hundred) == {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p100": 100.0}
    assert percentiles([0.25]) == dict.fromkeys(("p50", "p90", "p99", "p100"), 0.25)
