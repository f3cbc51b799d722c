"""How big the day is, and what the seed decides of it: who comes when, and who gives up a seat."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

_NAMES = ("ada", "alan", "barbara", "donald", "edsger", "frances", "grace", "guido", "hedy", "john", "katherine", "ken")
_MOST_PEOPLE = 2000


class ImpossibleDay(Exception):
    """The sizes do not make such a day; the message names the option."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The options of a day, all of them numbers of people but `within`, the seconds in which everybody arrives.

    Everybody must find the event full at some time, so that all of it can be seen: ImpossibleDay if they cannot.
    """

    people: int = 400
    seats: int = 100
    places: int = 50
    cancel: int = 30
    more_seats: int = 20
    again: int = 10
    within: float = 8.0
    seed: int = 1

    def __post_init__(self) -> None:
        """Says which option does not fit the others."""
        least = {"people": 1, "seats": 1, "places": 0, "cancel": 0, "more_seats": 0, "again": 0}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise ImpossibleDay(f"{_option(name)} must be at least {low}")
        if self.people > _MOST_PEOPLE:
            raise ImpossibleDay(f"--people must be at most {_MOST_PEOPLE}: each of them is a client of this process")
        if not 0 < self.within <= 60:
            raise ImpossibleDay("--within must be a number of seconds above 0, and at most 60")
        if self.cancel > min(self.seats, self.people):
            raise ImpossibleDay(f"--cancel {self.cancel}: only {min(self.seats, self.people)} can have a seat")
        if self.again > self.refused:
            raise ImpossibleDay(f"--again {self.again}: only {self.refused} of {self.people} will hear that it is full")

    @property
    def refused(self) -> int:
        """How many find neither a seat nor a place in the line."""
        return max(0, self.people - self.seats - self.places)

    @property
    def names(self) -> Sequence[str]:
        """The ids of all people, in the order in which they arrive."""
        chance = random.Random(f"{self.seed} names")
        return [f"{chance.choice(_NAMES)}-{number:04}" for number in range(1, self.people + 1)]

    @property
    def arrivals(self) -> Sequence[float]:
        """When they arrive, in seconds after the doors open: most of them soon, as when a sale begins."""
        chance = random.Random(f"{self.seed} arrivals")
        return sorted(self.within * chance.betavariate(1.2, 2.2) for _ in range(self.people))

    def who_cancels(self, seated: Sequence[str]) -> Sequence[str]:
        """Those of the seated who give up their seats, by the order in which they got them."""
        return random.Random(f"{self.seed} cancel").sample(list(seated), min(self.cancel, len(seated)))


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
