"""The size of the day, and what the seed decides: who comes when, and who gives up a seat."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

_NAMES = ("ada", "alan", "barbara", "donald", "edsger", "frances", "grace", "guido", "hedy", "john", "katherine", "ken")
_MOST_PEOPLE = 2000


class InvalidSizes(Exception):
    """The sizes do not fit together; the message names the option."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The options of a day: numbers of people, except `within`, the seconds in which everybody arrives.

    InvalidSizes unless the event is full at some time.
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
        """Check that the options fit together."""
        least = {"people": 1, "seats": 1, "places": 0, "cancel": 0, "more_seats": 0, "again": 0}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise InvalidSizes(f"--{name.replace('_', '-')} must be at least {low}")
        if self.people > _MOST_PEOPLE:
            raise InvalidSizes(f"--people must be at most {_MOST_PEOPLE}: each is a client in this process")
        if not 0 < self.within <= 60:
            raise InvalidSizes("--within must be a number of seconds above 0, and at most 60")
        if self.cancel > min(self.seats, self.people):
            raise InvalidSizes(f"--cancel {self.cancel}: only {min(self.seats, self.people)} can have a seat")
        refused = max(0, self.people - self.seats - self.places)
        if self.again > refused:
            raise InvalidSizes(f"--again {self.again}: only {refused} of {self.people} will find the event full")

    @property
    def names(self) -> Sequence[str]:
        """The user ids, in the order of arrival."""
        rng = random.Random(f"{self.seed} names")
        return [f"{rng.choice(_NAMES)}-{number:04}" for number in range(1, self.people + 1)]

    @property
    def arrivals(self) -> Sequence[float]:
        """When they arrive, in seconds after registration opens: most of them early, as when a sale begins."""
        rng = random.Random(f"{self.seed} arrivals")
        return sorted(self.within * rng.betavariate(1.2, 2.2) for _ in range(self.people))

    def cancelling(self, seated: Sequence[str]) -> Sequence[str]:
        """Return who of the seated give up their seats; `seated` is in the order in which they got them."""
        return random.Random(f"{self.seed} cancel").sample(list(seated), min(self.cancel, len(seated)))
