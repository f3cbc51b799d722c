"""Wait for the registrar to decide commands that a repair has sent."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from workers.aws.clock import Clock

_WAIT = 30_000_000
"""Microseconds for the registrar to decide."""
_INTERVAL = 0.2

_Left = TypeVar("_Left", bound=Collection[str])


def wait_for_registrar(left: Callable[[], _Left], clock: Clock) -> _Left:
    """Wait up to 30 s until nothing is `left` to decide, and return what is. Raises what `left` raises."""
    deadline = clock.now() + _WAIT
    while (still := left()) and clock.now() < deadline:
        clock.sleep(_INTERVAL)
    return still
