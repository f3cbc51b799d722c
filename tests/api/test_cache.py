"""The cache: how long it keeps values, and how many."""

from __future__ import annotations

import pytest

from api.http.cache import Cache
from tests.support.pipeline import Time
from workers.aws.clock import Clock

SECOND = 1_000_000


class Source:
    """Something to read, which has another value each time, and a cache in front of it."""

    def __init__(self, seconds: float, size: int) -> None:
        self.time = Time()
        self.reads = 0
        self.cache = Cache[str, int](seconds, size, Clock(lambda: self.time.now, self.time.sleep))

    def ask(self, *keys: str) -> list[int]:
        """Return the cache's values for these keys, one after the other."""
        return [self.cache.get(key, self._read) for key in keys]

    def _read(self) -> int:
        self.reads += 1
        return self.reads


@pytest.mark.parametrize(("age", "reads"), [(0, 1), (2 * SECOND - 1, 1), (2 * SECOND, 2), (-1, 2)])
def test_life(age: int, reads: int) -> None:
    """A value is kept for its life and not a microsecond longer, nor by a clock that was set back."""
    source = Source(2, 10)
    source.ask("a")
    source.time.now += age
    assert source.ask("a") == [reads]


def test_a_hit_does_not_prolong_it() -> None:
    """A value that is asked for all the time is read anew all the same when its life is over."""
    source = Source(2, 10)
    for _ in range(10):
        source.ask("a")
        source.time.now += SECOND
    assert source.reads == 5


def test_size() -> None:
    """However many keys are asked for, only so many values are kept, and those that are in use stay."""
    source = Source(2, 3)
    source.ask("popular")
    for number in range(100):
        source.ask(str(number), "popular")
        assert len(source.cache) <= 3
    assert source.ask("popular", "99", "0") == [1, 101, 102]


def test_a_read_that_fails() -> None:
    """A read that fails leaves nothing behind: not its error, and not what was there before."""
    source = Source(2, 3)
    source.ask("a")
    source.time.now += 2 * SECOND

    def fail() -> int:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        source.cache.get("a", fail)
    assert len(source.cache) == 0
    assert source.ask("a") == [2]
