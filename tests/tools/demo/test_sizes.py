"""The sizes of a day, and what its seed decides."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tools.demo.sizes import ImpossibleDay, Sizes


@pytest.mark.parametrize(
    ("sizes", "option"),
    [
        ({"people": 0}, "--people must be at least 1"),
        ({"people": 2001}, "--people must be at most 2000"),
        ({"seats": 0}, "--seats must be at least 1"),
        ({"places": -1}, "--places must be at least 0"),
        ({"more_seats": -1}, "--more-seats must be at least 0"),
        ({"within": 0}, "--within must be a number of seconds above 0"),
        ({"within": float("nan")}, "--within must be a number of seconds above 0"),
        ({"cancel": 101}, "--cancel 101: only 100 can have a seat"),
        ({"people": 50, "again": 0, "cancel": 51}, "--cancel 51: only 50 can have a seat"),
        ({"people": 155}, "--again 10: only 5 of 155 will hear that it is full"),
    ],
)
def test_an_impossible_day(sizes: dict[str, Any], option: str) -> None:
    """Sizes that do not fit are refused with the name of the option."""
    with pytest.raises(ImpossibleDay, match=option):
        Sizes(**sizes)


def test_the_same_seed() -> None:
    """The same seed is the same people at the same times, and the same of them leave; another seed is another day."""
    one, same, other = Sizes(), Sizes(), Sizes(seed=2)
    assert (one.names, one.arrivals) == (same.names, same.arrivals)
    assert one.who_cancels(one.names) == same.who_cancels(one.names)
    assert (one.names, one.arrivals) != (other.names, other.arrivals)


def test_arrivals() -> None:
    """Everybody arrives in time, the earlier the sooner in the list; nobody has another's name."""
    sizes = Sizes(within=3)
    assert list(sizes.arrivals) == sorted(sizes.arrivals)
    assert 0 <= min(sizes.arrivals) <= max(sizes.arrivals) <= 3
    assert len(set(sizes.names)) == len(sizes.arrivals) == 400
