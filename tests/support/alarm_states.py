"""Decide the state of a metric alarm as CloudWatch does, by its user guide ("Configuring how CloudWatch alarms treat
missing data"), without CloudWatch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Points = Sequence[float | None]
"""A metric, one value for each period, the newest last; None where nothing was sent."""

EXTRA = 2
"""Data points that CloudWatch retrieves beyond the evaluation periods: 5 for 3 periods in the guide's examples.

The guide does not say how many it retrieves for periods of a minute."""


class State(StrEnum):
    """The states of an alarm."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm that is raised when `datapoints` of `periods` points lie above `threshold`."""

    threshold: float
    periods: int
    datapoints: int
    missing: str

    @classmethod
    def of(cls, properties: Mapping[str, Any]) -> Alarm:
        """Read the properties of an `AWS::CloudWatch::Alarm`."""
        assert properties["ComparisonOperator"] == "GreaterThanThreshold"
        return cls(
            properties["Threshold"],
            properties["EvaluationPeriods"],
            properties["DatapointsToAlarm"],
            properties["TreatMissingData"],
        )

    def state(self, points: Points, before: State, extra: int = EXTRA) -> State:
        """Return the state after the last of `points`, if it was `before` until then.

        Real points come first: the last `periods` of them within the range. Only if the range has fewer does the
        treatment of missing data fill in for the rest.
        """
        among = points[-(self.periods + extra) :]
        bad = [value > self.threshold for value in among if value is not None][-self.periods :]
        absent = self.periods - len(bad)
        if sum(bad) + (absent if self.missing == "breaching" else 0) >= self.datapoints:
            return State.ALARM
        if self.missing in {"breaching", "notBreaching"} or not all(bad):
            return State.OK
        if self.missing == "ignore":
            return before
        if not bad:
            return State.INSUFFICIENT_DATA
        # "Avoiding premature transitions to alarm state": one bad point is enough if it is old and nothing came since.
        oldest = next(age for age, value in enumerate(among) if value is not None)
        return State.ALARM if len(among) - oldest >= self.datapoints else before

    def raised(self, points: Points, extra: int = EXTRA) -> list[tuple[int, int | None]]:
        """Return from which period to which it is in ALARM, evaluated after each; None: until the end."""
        state, spans = State.INSUFFICIENT_DATA, list[tuple[int, int | None]]()
        for number in range(len(points)):
            before, state = state, self.state(points[: number + 1], state, extra)
            if (before is State.ALARM) is not (state is State.ALARM):
                spans = [*spans, (number, None)] if state is State.ALARM else [*spans[:-1], (spans[-1][0], number)]
        return spans


def series(text: str) -> list[float | None]:
    """Write a metric out: `0*3 7 -*2` is three zeros, a seven and two periods in which nothing was sent."""
    found: list[float | None] = []
    for part in text.split():
        value, _, times = part.partition("*")
        found += [None if value == "-" else float(value)] * int(times or 1)
    return found
