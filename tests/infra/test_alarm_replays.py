"""Every alarm of the template, replayed on sample metrics, is raised when it should be, and only then."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import pytest

from infra.functions import ALWAYS, ErrorAlarm
from tests.support.alarm_states import EXTRA, Alarm, Points, series
from workers.aws.send import ReceivedMessage, seconds_hidden


@dataclass(frozen=True, slots=True)
class Row:
    """A metric by the minute, the first minute in ALARM, and the first minute after it.

    `raised` is None if the alarm is never raised. It may end later by the number of points that CloudWatch retrieves
    beyond the evaluation periods.
    """

    what: str
    points: Points
    raised: tuple[int, int] | None = None


def stuck(seconds: float, late: float = 0.1, offset: int = 0) -> Points:
    """Return what the registrar measures while it cannot decide a command, followed by half an hour without data.

    The command was accepted `offset` seconds into a minute. Each delivery sends its age, `late` seconds after the
    message is visible: at once, after a long poll (20), or after that and a throttled batch (90 more).
    """
    ages: dict[int, float] = {}
    age, receives = late, 1
    while age < seconds:
        ages[int(offset + age) // 60] = age
        age += seconds_hidden(ReceivedMessage("m", "r", "g", receives, "")) + late
        receives += 1
    return [ages.get(minute) for minute in range(max(ages) + 31)]


def seen_by_sqs(seconds: float) -> Points:
    """Return ApproximateAgeOfOldestMessage in the same time, if nothing else is in the queue.

    SQS excludes the command once it has been received more than three times, which takes seven seconds.
    """
    quick = sum(seconds_hidden(ReceivedMessage("m", "r", "g", receives, "")) for receives in (1, 2, 3))
    return [float(quick), *series("0") * int(seconds / 60)]


def _of_functions(kind: str, *, usual: bool = False) -> str:
    """Return a pattern of the alarms of this kind: of all functions, or of those with the usual error alarm."""
    labels = [spec.label for spec in ALWAYS if not usual or spec.errors == ErrorAlarm()]
    return f"({'|'.join(labels)})-{kind}"


GAP = "-*359"
"""The minutes between two runs of the auditor."""
DEAD_LETTERS = [
    Row("found, read, which hides it for a moment, and discarded", series("0*3 1 1 0 0 1 1 0*9"), (3, 13)),
    Row("one after a quiet time", series("-*10 1*3 0*9"), (10, 17)),
    Row("none, then no data, as after six quiet hours", series("0*5 -*10")),
]
ERRORS = [
    Row("broken for three minutes", series("0 1 2 1 0*4"), (3, 4)),
    Row("broken for two minutes", series("0 5 5 0*5")),
    Row("a failure every five minutes, and nothing between", series("1 -*4 1 -*4 1 -*4")),
]
RETRIED_ERRORS = [
    Row("broken: the batch fails every 90 s", series("1 1 - 1 1 - 1 1 - 0*6"), (3, 9)),
    Row("killed once", series("0*3 1 0*6")),
    Row("two batches killed once, and once more", series("0 2 1 0*6")),
]
THROTTLED_TABLES = r"[\w-]+-(read|write)-throttles"
ROWS: dict[str, list[Row]] = {
    "oldest-message": [
        Row("a rush of eight minutes", series("0 60 120 180 240 300 360 200 0*5"), (6, 8)),
        Row("a registrar is killed once, and its batch returns after 90 s", series("0*3 60 90 0*5")),
        Row("a stuck event with nothing behind it, which SQS excludes", seen_by_sqs(3 * 3600)),
    ],
    "stuck-event": [
        *(
            Row(f"stuck for six hours; {late=}, {offset=}", points, (begin, len(points) - 11))
            for late, offset, begin in ((0.1, 0, 3), (0.1, 45, 3), (20, 0, 3), (20, 45, 4), (110, 0, 3), (110, 45, 4))
            for points in [stuck(6 * 3600, late, offset)]
        ),
        Row("stuck for ten minutes", stuck(600), (3, 29)),
        Row("an outage of three minutes", stuck(180)),
        Row("a registrar is killed once, and its batch is throttled once", series("-*3 90 -*9")),
        Row("a dead letter of last week, replayed and returned twice: its age starts at the replay", series("1 3 -*9")),
    ],
    "queue-depth": [
        Row("a stuck event fills the queue", series("0 15000 30000 45000 9000 0*9"), (2, 8)),
        Row("a backlog about the threshold", series("25000 15000 25000 15000 25000 0*8"), (0, 9)),
        Row("a rush of ten thousand", series("0 10000 4000 0*5")),
    ],
    "dead-letters|failed-promotions": DEAD_LETTERS,
    "api-5xx": [
        Row("a fifth of the responses for four minutes", series("0 .2 .2 .2 .1 0*5"), (3, 5)),
        Row("two bad minutes, a good one, two bad ones", series("0 .2 .2 0 .2 .2 0*5")),
        Row("4 % all the time", series(".04*30")),
        Row("the only request of five minutes, three times", series("1 -*4 1 -*4 1 -*4")),
    ],
    _of_functions("errors", usual=True): ERRORS,
    "(registrar|promoter)-errors": RETRIED_ERRORS,
    "eraser-errors": [
        Row("broken: the batch returns after six minutes", series("1 -*5 1 -*5 1 -*40"), (6, 36)),
        Row("killed once", series("1 -*40")),
    ],
    "auditor-errors": [
        Row(
            "a run that fails, no data, a run that succeeds",
            series(f"0 {GAP} 1 {GAP} 0 -*9"),
            (360, 720),
        ),
        Row("runs that succeed", series(f"0 {GAP} 0 {GAP}")),
    ],
    _of_functions("throttles"): [
        Row("throttled for six minutes", series("0 9*6 0*4"), (5, 7)),
        Row("a peak of four minutes", series("0 9*4 0*5")),
    ],
    "iterator-age": [
        Row("two minutes behind", series("- 500 90000 70000 -*5"), (2, 4)),
        Row("a second behind, then nobody cancels", series("1000*5 -*20")),
    ],
    THROTTLED_TABLES: [
        Row("throttled for six minutes, and no data otherwise", series("-*5 20*6 -*9"), (9, 11)),
        Row("a peak of four minutes", series("-*5 20*4 -*9")),
    ],
    "slow-promotions": [
        Row("one after 65 s", series("- 900 65000 -*5"), (2, 3)),
        Row("one after 30 s, because the promoter had to be invoked twice", series("0 900 30000 -*5")),
    ],
    "ledger-drift": [
        Row(
            "found, no data, and repaired before the next audit",
            series(f"0 {GAP} 2 {GAP} 0 -*9"),
            (360, 720),
        ),
        Row("none", series(f"0 {GAP} 0 {GAP}")),
    ],
}
"""The sample metrics of the alarms whose names match a pattern."""


def test_every_alarm_is_replayed(alarms: dict[str, dict[str, Any]]) -> None:
    """Each alarm has rows that raise it and rows that do not, and no rows are without an alarm."""
    found = {name: [pattern for pattern in ROWS if re.fullmatch(pattern, name)] for name in alarms}
    assert {name: patterns for name, patterns in found.items() if len(patterns) != 1} == {}
    assert {pattern for (pattern,) in found.values()} == set(ROWS)
    for pattern, rows in ROWS.items():
        assert {row.raised is None for row in rows} == {True, False}, pattern


@pytest.mark.parametrize(
    ("pattern", "row"),
    [pytest.param(pattern, row, id=f"{pattern}: {row.what}") for pattern, rows in ROWS.items() for row in rows],
)
def test_alarm_is_raised(alarms: dict[str, dict[str, Any]], pattern: str, row: Row) -> None:
    """The alarm is raised once in the expected minute, or not at all, and ends when expected."""
    for name in filter(re.compile(pattern).fullmatch, alarms):
        for extra in (0, EXTRA):
            spans = Alarm.of(alarms[name]).raised(row.points, extra)
            if row.raised is None:
                assert spans == [], name
            else:
                ((begin, over),) = spans
                latest = row.raised[1] + extra
                assert (begin, row.raised[1] <= (over or latest + 1) <= latest) == (row.raised[0], True), (name, over)


@pytest.mark.parametrize("row", ROWS[THROTTLED_TABLES], ids=lambda row: row.what)
def test_throttling_alarm_if_missing_data_is_ignored(alarms: dict[str, dict[str, Any]], row: Row) -> None:
    """An alarm on a table or an index is raised in the same minute if AWS ignores missing data, and then remains.

    "Alarms that evaluate metrics in the AWS/DynamoDB namespace always ignore missing data even if you choose a
    different option" (PutMetricAlarm, TreatMissingData); the user guide advises notBreaching for these very metrics.
    """
    of_dynamodb = {name: alarm for name, alarm in alarms.items() if alarm["Namespace"] == "AWS/DynamoDB"}
    assert of_dynamodb.keys() == set(filter(re.compile(THROTTLED_TABLES).fullmatch, alarms))
    for name, properties in of_dynamodb.items():
        for extra in (0, EXTRA):
            spans = replace(Alarm.of(properties), missing="ignore").raised(row.points, extra)
            assert spans == ([(row.raised[0], None)] if row.raised else []), name
        assert "may stay in alarm" in properties["AlarmDescription"]
