"""An in-process cache with a time to live, so that many requests share one read."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from workers.aws.clock import Clock

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")

_SECOND = 1_000_000


class Cache(Generic[_Key, _Value]):
    """Keep each value for `seconds`, and no more than `size` of them: the least recently used goes first.

    A process of Lambda handles one request at a time, so there is nothing to lock.
    """

    def __init__(self, seconds: float, size: int, clock: Clock) -> None:
        self._life = round(seconds * _SECOND)
        self._size = size
        self._clock = clock
        self._kept: dict[_Key, tuple[int, _Value]] = {}

    def __len__(self) -> int:
        """Return how many values are kept."""
        return len(self._kept)

    def get(self, key: _Key, read: Callable[[], _Value]) -> _Value:
        """Return what is kept for `key`, or else what `read` returns, which is kept from now on."""
        now = self._clock.now()  # a value is as old as the start of its read
        kept = self._kept.pop(key, None)
        # A clock that was set back must not keep anything for longer.
        if kept is None or not 0 <= now - kept[0] < self._life:
            kept = now, read()
        self._kept[key] = kept
        if len(self._kept) > self._size:
            del self._kept[next(iter(self._kept))]
        return kept[1]
