"""The evaluator of alarms gives the results of the examples in CloudWatch's user guide."""

from __future__ import annotations

import pytest

from tests.support.alarm_states import Alarm, State, series

KEPT, NO_DATA = "retain current state", State.INSUFFICIENT_DATA
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
ALWAYS_OK, ALWAYS_ALARM = (State.OK,) * 4, (State.ALARM,) * 4
THREE_OF_THREE = {
    "0 - X - X": ALWAYS_OK,
    "0 - - - -": ALWAYS_OK,
    "- - - - -": (NO_DATA, KEPT, State.ALARM, State.OK),
    "0 X X - X": ALWAYS_ALARM,
    "- - X - -": (State.ALARM, KEPT, State.ALARM, State.OK),
}
TWO_OF_THREE = {
    "0 - X - X": ALWAYS_ALARM,
    "0 0 X 0 X": ALWAYS_ALARM,
    "0 - X - -": (State.OK, State.OK, State.ALARM, State.OK),
    "- - - - 0": (State.OK, State.OK, State.ALARM, State.OK),
    "- - - X -": (State.ALARM, KEPT, State.ALARM, State.OK),
}
"""The state for each treatment of missing data, by data points (X is above the threshold)."""

ROWS = [
    (datapoints, points, treatment, state)
    for datapoints, table in ((3, THREE_OF_THREE), (2, TWO_OF_THREE))
    for points, states in table.items()
    for treatment, state in zip(TREATMENTS, states, strict=True)
]


@pytest.mark.parametrize(("datapoints", "points", "treatment", "expected"), ROWS)
def test_the_examples_of_the_user_guide(datapoints: int, points: str, treatment: str, expected: str) -> None:
    """The evaluator gives each cell of the guide's two tables, whatever the previous state was."""
    alarm = Alarm(0, 3, datapoints, treatment)
    for before in State:
        assert alarm.state(series(points.replace("X", "1")), before) == (before if expected == KEPT else expected)


@pytest.mark.parametrize("points", ["- - - - 1", "- - - 1 -", "- - - 1 0", "- - 1 - 0"])
def test_one_breaching_point_is_no_alarm(points: str) -> None:
    """A single breaching point after missing data raises nothing yet: the next may be good."""
    assert Alarm(0, 3, 3, "missing").state(series(points), State.OK) is State.OK


def test_spans_in_alarm() -> None:
    """The guide's figure gives one span, and a span that lasts has no end."""
    assert Alarm(3, 3, 3, "missing").raised(series("2 2 4 5 6 3 2 2 5 2")) == [(4, 5)]
    assert Alarm(0, 1, 1, "notBreaching").raised(series("0 1 0 0 1 1")) == [(1, 2), (4, None)]
