"""Texts that people read: what a name, a title, a location and an organizer may contain."""

from __future__ import annotations

import pytest

from tests.api.conftest import assert_refused
from tests.api.test_bodies import EVENT, USER
from tests.support.pipeline import Pipeline

pytestmark = pytest.mark.usefixtures("alarm")

FORMULAS = [
    '=HYPERLINK("https://evil.example","click")', "=1+1", "+49 30", "-Ann", "-2+3", "@SUM(A1)", "=", " =1", "\u00a0+1",
    "\u3000@x", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x", "\u200d=1", "\ufe0f-1",
]  # fmt: skip
UNSEEN = [
    "Ann\u200b", "\u200bAnn", "A\u00adnn", "Ann\ufeff", "A\u2060nn", "\u180eAnn", "Ann\u206f", "Ann\ufff9", "=\u200b",
    "A\U0001d159nn", "A\U0001bca0nn", "A\U00016fe4nn", "A\U0001d173nn",
]  # fmt: skip
TAGGED = ["\U000e0041", "A\U000e0041nn", "\U000e0001", "Ann\U000e0fff", "\U0001f3f4\U000e0067", "A\U000e0067\U000e007f"]
TURNED = [f"Ann{chr(point)}ydaL" for point in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))]
BROKEN = ["Ann\r\nBcc: all", "Ann\u2028Bob", "Ann\u2029Bob", "Ann\u0085Bob", "A\x1bnn", "A\tnn", "\u009b2J"]
EMPTY = [
    "", " ", "\u00a0", "\u3000", "\u3164", "\u115f\u1160", "\uffa0", "\u2800", "\u200b", "\u200d", "\u200e\u200f",
    "\ufeff", "\u00ad", "\ufe0f", "\u034f", "\u2060 \u2064", "\U000e0100", "\U0001d159", "\U0001bca0", "\U00016fe4",
]  # fmt: skip


@pytest.mark.parametrize("name", [*FORMULAS, *UNSEEN, *TAGGED, *TURNED, *BROKEN, *EMPTY], ids=ascii)
def test_names(untouched: Pipeline, name: str) -> None:
    """A name is a 400 if a spreadsheet would run it, or if it is blank, invisible, or breaks or reverses its line."""
    assert_refused(untouched.request("POST", "/users", USER | {"name": name}), 400, "invalid-request", "/name")


@pytest.mark.parametrize("text", [*TAGGED, *TURNED, *BROKEN, *EMPTY], ids=ascii)
def test_texts_of_an_event(untouched: Pipeline, text: str) -> None:
    """A title, location or organizer is a 400 if it is blank, or breaks or reverses its line."""
    wrong = dict.fromkeys(("title", "location", "organizer"), text)
    for method, path, body in (("POST", "/events", EVENT), ("PATCH", "/events/e", {})):
        for field in wrong:
            assert_refused(untouched.request(method, path, {**body, **wrong}), 400, "invalid-request", f"/{field}")


def test_texts_that_events_have(pipeline: Pipeline) -> None:
    """A title may start like a formula, and contain what its script needs to break lines."""
    for number, title in enumerate(
        ["@home", "+1 party", "-20 %", "= equal", "ការ\u200bប្រជុំ", "Donau\u00addampf", "שלום\u200e!"]
    ):
        answer = pipeline.request("POST", "/events", EVENT | {"eventId": f"e{number}", "title": title})
        assert (answer.status, answer.body.get("title")) == (201, title)
