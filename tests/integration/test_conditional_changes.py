"""`PATCH` with `If-Match` on AWS's own DynamoDB: answers that get lost on the way, and many who write at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError

from tests.integration.bench import Bench
from tests.support.builders import EVENT
from tests.support.pipeline import Answer
from tests.support.threads import at_once

pytestmark = pytest.mark.integration

WRITERS = 12


def change(bench: Bench, title: str, wanted: str) -> Answer:
    """PATCH of the title."""
    return bench.pipeline.request("PATCH", f"/events/{EVENT}", {"title": title}, {"If-Match": wanted})


def read(bench: Bench) -> tuple[str, str]:
    """The title, and the entity tag."""
    answer = bench.pipeline.request("GET", f"/events/{EVENT}")
    return answer.body["title"], answer.headers["ETag"]


def lose_an_answer(bench: Bench, then: Callable[[], object] = lambda: None) -> None:
    """The next change is made, something else happens, and the connection breaks: the SDK makes it once more."""
    left = [bench.pipeline.dynamodb._endpoint.http_session]  # type: ignore[attr-defined]  # where requests are sent

    def send(request: Any, **_: Any) -> None:
        if left:
            assert left.pop().send(request).status_code == 200
            then()
            raise ConnectionClosedError(endpoint_url=request.url)

    bench.dynamodb_events.register_first("before-send.dynamodb.UpdateItem", send)


def test_a_lost_answer(bench: Bench) -> None:
    """The SDK's second attempt is refused by the first one, which is recognised: 200, and the change is made once."""
    bench.add_event(5)
    lose_an_answer(bench)
    answer = change(bench, "Mine", '"0.0"')
    assert (answer.status, answer.headers["ETag"], read(bench)) == (200, '"1.0"', ("Mine", '"1.0"'))


def test_a_lost_answer_and_somebody_else(bench: Bench) -> None:
    """If somebody writes between the two attempts nobody can say what became of the first: 503, and never a 412."""
    bench.add_event(5)
    lose_an_answer(bench, lambda: change(bench, "Theirs", '"1.0"'))
    assert (change(bench, "Mine", '"0.0"').status, read(bench)) == (503, ("Theirs", '"2.0"'))


def test_many_at_once(bench: Bench) -> None:
    """Of many who have read the same, and write at once, exactly one writes; the others hear 412."""
    bench.add_event(5)

    def write(number: int) -> tuple[int, str]:
        title = f"Title {number}"
        return change(bench, title, '"0.0"').status, title

    came_of_it = at_once(WRITERS, write)
    assert Counter(status for status, _ in came_of_it) == {200: 1, 412: WRITERS - 1}
    [winner] = [title for status, title in came_of_it if status == 200]
    assert read(bench) == (winner, '"1.0"')
