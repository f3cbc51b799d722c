"""How a route is described: its request, its effect and its responses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

JSON = "application/json"
CSV = "text/csv"
TEXT = "text/plain"


@dataclass(frozen=True, slots=True)
class Success:
    """A successful response. Without `shape` and `text` it has no body. `headers` in brackets are optional.

    `csv` and `text` are examples.
    """

    status: int
    description: str
    shape: type[BaseModel] | None = None
    examples: tuple[tuple[str, Any], ...] = ()
    headers: tuple[str, ...] = ()
    csv: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One route: its request, its effect and its responses.

    `refusals` are the codes of its problems besides those of all routes, `refusal_headers` the headers of a status.
    """

    id: str
    tag: str
    summary: str
    description: str
    successes: tuple[Success, ...]
    refusals: tuple[str, ...] = ()
    refusal_headers: tuple[tuple[int, tuple[str, ...]], ...] = ()
    parameters: tuple[str, ...] = ()
    body: type[BaseModel] | None = None
    body_examples: tuple[tuple[str, Any], ...] = ()
