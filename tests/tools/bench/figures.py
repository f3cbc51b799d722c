"""The benchmark's figures with their units and goals, grouped by part."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["at least", "at most", "exactly"]

_SIGNS: dict[Kind, str] = {"at least": "≥", "at most": "≤", "exactly": "="}
_HOLDS: dict[Kind, Callable[[float, float], bool]] = {
    "at least": operator.ge,
    "at most": operator.le,
    "exactly": operator.eq,
}


@dataclass(frozen=True, slots=True)
class Goal:
    """The goal of a figure: at least, at most or exactly `bound`, in the figure's unit."""

    kind: Kind
    bound: float

    def __str__(self) -> str:
        return f"{_SIGNS[self.kind]} {number(self.bound)}"


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured or counted number. `name` is unique within its part; `note` says how the number was obtained."""

    name: str
    value: float
    unit: str
    goal: Goal | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """True if the goal is met; None without a goal."""
        return None if self.goal is None else _HOLDS[self.goal.kind](self.value, self.goal.bound)

    @property
    def amount(self) -> str:
        """The value with its unit."""
        return f"{number(self.value)} {self.unit}".strip()

    def as_json(self) -> dict[str, Any]:
        """Return plain values; a value that is not finite becomes null."""
        return asdict(self) | {"value": self.value if math.isfinite(self.value) else None, "met": self.met}


@dataclass(frozen=True, slots=True)
class Part:
    """The figures of one part of the benchmark."""

    name: str
    figures: Sequence[Figure]


def at_least(bound: float) -> Goal:
    """Return a goal for which more is better."""
    return Goal("at least", bound)


def at_most(bound: float) -> Goal:
    """Return a goal for which less is better."""
    return Goal("at most", bound)


def exactly(bound: float) -> Goal:
    """Return a goal for a count."""
    return Goal("exactly", bound)


def number(value: float) -> str:
    """Format whole numbers in full, others with four digits or up to the point."""
    if not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.4g}"
