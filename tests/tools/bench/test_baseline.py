"""The peer is right, so that it is worth beating."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest

from tests.support.faults import refusal
from tests.tools.bench.baseline import CHUNK, Answer, Textbook
from tests.tools.bench.engine import THREADS, Engine, names

pytestmark = pytest.mark.integration

EVENT = "e1"


class Hall:
    """An event, people, and the peer."""

    def __init__(self, engine: Engine, capacity: int, people: int, *, line: bool = False) -> None:
        self.people = names(people)
        engine.add_users(self.people)
        engine.add_event(EVENT, capacity, line=line)
        self.client = engine.client(THREADS)
        self.textbook = Textbook(self.client, engine.tables, lambda seconds: time.sleep(seconds / 10))

    def rush(self) -> list[Answer]:
        """Everybody registers at once."""
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(lambda user: self.textbook.register(EVENT, user), self.people))


def counters(engine: Engine) -> tuple[int, int]:
    """Seats taken and people in the line, as the event has it."""
    key: Any = {"eventId": {"S": EVENT}}
    item = engine.reader.get_item(TableName=engine.tables.events, Key=key)["Item"]
    return int(item["currentAttendees"]["N"]), int(item["waitlistLength"]["N"])


def stored(engine: Engine) -> dict[str, tuple[str, int | None]]:
    """Status and place in the line of everybody who registered."""
    found = engine.reader.scan(TableName=engine.tables.registrations)["Items"]
    return {
        item["userId"]["S"]: (
            item["status"]["S"],
            int(item["waitlistPosition"]["N"]) if "waitlistPosition" in item else None,
        )
        for item in found
    }


def test_a_rush_gives_each_seat_once(engine: Engine) -> None:
    """64 people, 32 at a time, for 20 seats: 20 are confirmed, no more and no fewer, and the others hear it is full."""
    hall = Hall(engine, 20, 64)
    outcomes = [answer.outcome for answer in hall.rush()]
    assert sorted(outcomes) == ["confirmed"] * 20 + ["event-full"] * 44
    assert counters(engine) == (20, 0)
    assert [status for status, _ in stored(engine).values()] == ["confirmed"] * 20


def test_a_rush_for_the_line_gives_each_place_once(engine: Engine) -> None:
    """Whoever gets no seat is in the line, at a place of their own."""
    hall = Hall(engine, 4, 20, line=True)
    answers = hall.rush()
    assert sorted(answer.position for answer in answers if answer.position is not None) == list(range(1, 17))
    assert counters(engine) == (4, 16)
    assert {user: answer.position for user, answer in zip(hall.people, answers, strict=True)} == {
        user: place for user, (_, place) in stored(engine).items()
    }


def test_nobody_registers_twice(engine: Engine) -> None:
    """A second registration is refused and takes no seat; after a cancellation it is a new one."""
    hall = Hall(engine, 5, 1)
    (ann,) = hall.people
    outcomes = [hall.textbook.register(EVENT, ann).outcome for _ in range(2)]
    assert [*outcomes, counters(engine)[0]] == ["confirmed", "already-registered", 1]
    assert hall.textbook.cancel(EVENT, ann).outcome == "cancelled"
    assert hall.textbook.cancel(EVENT, ann).outcome == "not-registered"
    assert counters(engine) == (0, 0)
    assert hall.textbook.register(EVENT, ann).outcome == "confirmed"


def test_two_at_the_same_instant_are_one_registration(engine: Engine) -> None:
    """The same person registers while the first request is between its read and its write: the table refuses it."""
    hall = Hall(engine, 5, 1)
    (ann,) = hall.people
    events: Any = hall.client.meta.events
    other = Textbook(engine.client(), engine.tables)

    def overtake(**_: Any) -> None:
        other.register(EVENT, ann)

    events.register("before-call.dynamodb.TransactWriteItems", overtake)
    assert hall.textbook.register(EVENT, ann).outcome == "already-registered"
    assert counters(engine) == (1, 0)


def test_strangers_get_nothing(engine: Engine) -> None:
    """An unknown person or event is not found."""
    hall = Hall(engine, 5, 1)
    assert hall.textbook.register(EVENT, "nobody").outcome == "not-found"
    assert hall.textbook.register("nothing", hall.people[0]).outcome == "not-found"


def test_a_seat_given_up_goes_to_the_first(engine: Engine) -> None:
    """The first of the line is confirmed, everybody behind moves up by one, in chunks of a transaction's size."""
    engine.add_textbook_event(EVENT, CHUNK + 5)
    textbook = Textbook(engine.client(), engine.tables)
    assert textbook.cancel(EVENT, "seated") == Answer("cancelled", attempts=1)
    expected: dict[str, tuple[str, int | None]] = {"seated": ("cancelled", None), "waiting-1": ("confirmed", None)}
    assert stored(engine) == expected | {f"waiting-{n}": ("waitlisted", n - 1) for n in range(2, CHUNK + 6)}
    assert counters(engine) == (1, CHUNK + 4)


def test_a_place_given_up_moves_those_behind(engine: Engine) -> None:
    """Whoever stands in front of it stays where they are, and the seats are nobody's business."""
    hall = Hall(engine, 1, 5, line=True)
    for user in hall.people:
        hall.textbook.register(EVENT, user)
    hall.textbook.cancel(EVENT, hall.people[2])
    found = [stored(engine)[user] for user in hall.people]
    assert found == [("confirmed", None), ("waitlisted", 1), ("cancelled", None), ("waitlisted", 2), ("waitlisted", 3)]
    assert counters(engine) == (1, 3)


def test_a_conflict_is_tried_again_without_another_read(engine: Engine) -> None:
    """Two transactions are refused for a conflict: the third one counts, and it counts once."""
    hall = Hall(engine, 5, 1)
    calls, tries = list[str](), count()
    reasons = [{"Code": "None"}, {"Code": "TransactionConflict"}]
    conflict = refusal("TransactionCanceledException", CancellationReasons=reasons)
    events: Any = hall.client.meta.events
    events.register("before-parameter-build.dynamodb", lambda model, **_: calls.append(model.name))
    events.register("before-call.dynamodb.TransactWriteItems", lambda **_: conflict if next(tries) < 2 else None)
    assert hall.textbook.register(EVENT, hall.people[0]) == Answer("confirmed", attempts=3)
    assert calls == ["BatchGetItem", *["TransactWriteItems"] * 3]
    assert counters(engine) == (1, 0)
