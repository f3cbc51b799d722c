"""Problem documents: a `type` that leads to an explanation, and the id of the request."""

from __future__ import annotations

import re

import pytest

from api.http.problems import CODES
from tests.support.pipeline import BASE_URL, Pipeline


@pytest.mark.parametrize("code", CODES)
def test_each_code_is_explained(shared: Pipeline, code: str) -> None:
    """The address of a code answers with its entry alone, whose links are only words."""
    answer = shared.request("GET", f"/problems/{code}")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    first, second = answer.body.split("\n")[:2]
    status, title = CODES[code]
    assert (answer.status, first, second) == (200, code, f"**{status}** {title}.")
    assert not re.search(r"^#|\]\(", answer.body, re.MULTILINE)


def test_a_type_is_the_address_of_its_explanation(shared: Pipeline) -> None:
    """A problem has the absolute address of its explanation, and the id that the answer's header has."""
    answer = shared.request("GET", "/problems/none")
    assert (answer.status, answer.body["type"]) == (404, f"{BASE_URL}/problems/route-not-found")
    assert answer.body["requestId"] == answer.headers["X-Request-Id"] == "request-1"
    assert shared.request("GET", answer.body["type"].removeprefix(BASE_URL)).status == 200
    assert shared.request("GET", "/events").headers["X-Request-Id"] == "request-1"
