"""Many threads that start at the same instant."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

Value = TypeVar("Value")

_PATIENCE_SECONDS = 15.0


def at_once(number: int, call: Callable[[int], Value]) -> list[Value]:
    """Call `call(0)`, `call(1)`, ... in threads that start together; return the results in that order.

    BrokenBarrierError if not all of them start in time.
    """
    start = Barrier(number)

    def run(index: int) -> Value:
        start.wait(_PATIENCE_SECONDS)
        return call(index)

    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(run, range(number)))
