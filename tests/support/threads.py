"""The same at the same instant, from many threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

Value = TypeVar("Value")

_PATIENCE_SECONDS = 15.0


def at_once(number: int, call: Callable[[int], Value]) -> list[Value]:
    """What `call` comes to in so many threads, which begin together. It is given 0, 1, ..., and answers in that order.
    BrokenBarrierError if not all of them have begun in time."""
    start = Barrier(number)

    def run(index: int) -> Value:
        start.wait(_PATIENCE_SECONDS)
        return call(index)

    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(run, range(number)))
