"""Walks over the pages of a list, and who and what is in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tests.support.pipeline import Pipeline

Entry = dict[str, Any]


def pages(pipeline: Pipeline, path: str, **query: Any) -> Iterator[list[Entry]]:
    """The pages of a list, one after the other, by cursor."""
    cursor: dict[str, Any] = {}
    while True:
        answer = pipeline.request("GET", path, **query, **cursor)
        assert answer.status == 200, answer.body
        yield answer.body[path.rpartition("/")[2]]
        if answer.body["next"] is None:
            return
        cursor = {"cursor": answer.body["next"]}


def walk(pipeline: Pipeline, path: str, **query: Any) -> list[Entry]:
    """All entries of a list, page by page."""
    return [entry for page in pages(pipeline, path, **query) for entry in page]


def users(entries: Iterable[Entry]) -> list[str]:
    """Return the users in an event's list, or in a part of it."""
    return [entry["userId"] for entry in entries]


def events(entries: Iterable[Entry]) -> list[str]:
    """Return the events in a list of events, or in a user's."""
    return [entry["eventId"] for entry in entries]
