"""What the benchmark reports: figures with their units and goals, and charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure is to be: at least, at most or exactly `bound`, in the figure's unit."""

    kind: Literal["at least", "at most", "exactly"]
    bound: float

    def met(self, value: float) -> bool:
        """Whether `value` is that."""
        match self.kind:
            case "at least":
                return value >= self.bound
            case "at most":
                return value <= self.bound
            case "exactly":
                return value == self.bound


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured or counted number. `name` is unique in its part; `note` says how it came about, in a few words."""

    name: str
    value: float
    unit: str
    goal: Goal | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over a common x axis; `lines` are points by the name of the line. `logarithmic` is for both axes."""

    title: str
    x: str
    y: str
    lines: Mapping[str, Sequence[Point]]
    logarithmic: bool = False


@dataclass(frozen=True, slots=True)
class Bars:
    """One bar per name."""

    title: str
    y: str
    bars: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Part:
    """What one part of the benchmark found."""

    name: str
    figures: Sequence[Figure]
    pictures: Sequence[Chart | Bars] = ()


def at_least(bound: float) -> Goal:
    """A goal that more is better for."""
    return Goal("at least", bound)


def at_most(bound: float) -> Goal:
    """A goal that less is better for."""
    return Goal("at most", bound)


def exactly(bound: float) -> Goal:
    """A goal for what is counted."""
    return Goal("exactly", bound)
