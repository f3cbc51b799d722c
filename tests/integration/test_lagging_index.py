"""An index that lags: nobody is promoted on its word alone, and nobody is passed over."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.bench import Bench
from tests.integration.state import body_of
from tests.support.builders import EVENT, cancel, configure, promote, register, seats
from tests.support.faults import answer, times
from workers.domain.records import registration_id
from workers.domain.seat_settings import EventStatus

pytestmark = pytest.mark.integration


def a_free_seat(bench: Bench, *line: str) -> None:
    """One seat, just given up, beside a line."""
    bench.add_queueing_event(1)
    bench.deliver_all(register("seat"), *[register(user) for user in line], cancel("seat"))


def index_says(*users: str) -> tuple[Any, dict[str, Any]]:
    """A query's answer that names these users."""
    return answer({"Items": [{"registrationId": {"S": registration_id(EVENT, user)}} for user in users]})


@pytest.mark.parametrize("shown", [(), ("bob",), ("seat",), ("seat", "bob")])
def test_an_index_without_the_head_promotes_nobody(bench: Bench, shown: tuple[str, ...]) -> None:
    """Nobody is promoted in place of the first waiter, and nothing is parked; the other events are decided."""
    a_free_seat(bench, "ann", "bob")
    bench.add_event(5, "e2")
    bench.before("Query", times(3, lambda _: index_says(*shown)))
    for receives in (1, 2, 3):
        users = register(f"u{receives}", event="e2"), register("new")
        assert bench.deliver(promote(1), *users, receives=receives) == ["m0", "m2"]
        assert bench.written() == [2]
    assert (len(bench.who("confirmed", "e2")), bench.who("confirmed")) == (3, [])
    assert bench.deliver(promote(1), receives=4) == []
    assert (bench.who("confirmed"), bench.reasons()) == (["ann"], [])
    bench.check()


def test_an_index_that_shows_the_past_is_checked_against_the_records(bench: Bench) -> None:
    """It still shows somebody who has left and somebody promoted: the records say otherwise, the right one moves up."""
    a_free_seat(bench, "ann", "bob", "cid")
    bench.deliver_all(promote(1), cancel("bob"), cancel("ann"))
    bench.before("Query", times(1, lambda _: index_says("ann", "bob", "seat", "cid")))
    assert bench.deliver(promote(2)) == []
    assert bench.statuses() == {"seat": "cancelled", "ann": "cancelled", "bob": "cancelled", "cid": "confirmed"}
    bench.check()


def test_who_came_back_is_known_by_the_new_ticket(bench: Bench) -> None:
    """The first in line left and joined again at the end: an index that shows the old place does not bring it back."""
    a_free_seat(bench, "ann", "bob")
    bench.deliver_all(cancel("ann"), promote(1), register("ann", 2))
    assert bench.statuses() == {"seat": "cancelled", "bob": "confirmed", "ann": "waitlisted"}
    bench.deliver_all(cancel("bob"))
    bench.before("Query", times(1, lambda _: index_says("ann")))
    bench.deliver_all(promote(2))
    assert bench.who("confirmed") == ["ann"]
    bench.check()


def test_what_is_decided_before_the_lag_is_kept(bench: Bench) -> None:
    """[Cancel, Register] while the index is empty: the first is committed, the second comes again."""
    bench.add_queueing_event(1)
    bench.deliver_all(register("seat"), register("ann"))
    bench.before("Query", times(2, lambda _: index_says()))
    assert bench.deliver(cancel("seat"), register("new")) == ["m1"]
    assert bench.statuses() == {"seat": "cancelled", "ann": "waitlisted"}
    assert bench.deliver(register("new"), receives=2) == []
    assert bench.statuses() == {"seat": "cancelled", "ann": "confirmed", "new": "waitlisted"}
    bench.check()


def test_a_lag_is_not_forgotten_while_others_take_several_steps(bench: Bench) -> None:
    """One event's index lags in the first step, another event takes two: the first one's message still fails."""
    a_free_seat(bench, "ann")
    bench.add_queueing_event(0, "e2")
    bench.deliver_all(*[register(f"w{number:02}", event="e2") for number in range(90)])
    bench.deliver_all(configure(1, seats(90, waitlist=True), event="e2"))
    bench.before("Query", lambda request: index_says() if '"S": "e1"' in body_of(request) else None)
    assert bench.deliver(promote(1), promote(1, event="e2")) == ["m0"]
    assert (len(bench.who("confirmed", "e2")), bench.who("confirmed")) == (90, [])


def test_an_index_full_of_the_past_is_read_page_by_page(bench: Bench) -> None:
    """So many old entries in front that the head is on a later page: it is found there, on pages that get longer."""
    a_free_seat(bench, "ann")
    row: Any = {"registrationId": {"S": registration_id(EVENT, "seat")}}
    pages: list[dict[str, Any]] = []

    def page(request: dict[str, Any]) -> Any:
        pages.append(json.loads(body_of(request)))
        return (
            answer({"Items": [row], "LastEvaluatedKey": row | {"eventId": {"S": EVENT}}})
            if len(pages) < 3
            else index_says("ann")
        )

    bench.before("Query", page)
    assert bench.deliver(promote(1)) == []
    assert ["ExclusiveStartKey" in page for page in pages] == [False, True, True]
    assert [page["Limit"] for page in pages] == [1, 11, 21]
    assert bench.who("confirmed") == ["ann"]


def test_an_endless_index_is_given_up_for_now(bench: Bench) -> None:
    """Pages without end: after twenty the message comes again: one event cannot eat the worker's time."""
    a_free_seat(bench, "ann")
    row: Any = {"registrationId": {"S": registration_id(EVENT, "seat")}}
    bench.before("Query", lambda _: answer({"Items": [row], "LastEvaluatedKey": row}))
    assert bench.deliver(promote(1)) == ["m0"]
    assert bench.operations().count("Query") == 20


def test_a_waiter_named_in_the_batch_needs_no_index(bench: Bench) -> None:
    """The first waiter is loaded by name, and promoted without a query."""
    a_free_seat(bench, "ann")
    assert bench.deliver(promote(1), cancel("ann")) == []
    assert "Query" not in bench.operations()
    assert bench.statuses() == {"seat": "cancelled", "ann": "cancelled"}


def test_one_page_is_enough_where_the_index_does_not_lag(bench: Bench) -> None:
    """Where the index does not lag one page is enough, also when those in front are named in the batch: it has room for
    them."""
    a_free_seat(bench, "ann", "bob", "cid", "dan")
    assert bench.deliver(cancel("ann"), cancel("bob"), promote(1)) == []
    assert bench.operations().count("Query") == 1
    assert bench.who("confirmed") == ["cid"]


def test_a_cancelled_event_needs_no_index(bench: Bench) -> None:
    """A Register is rejected without a query, however many seats are free."""
    a_free_seat(bench, "ann")
    bench.deliver_all(configure(1, seats(5, waitlist=True, status=EventStatus.CANCELLED)))
    assert bench.deliver(register("bob")) == []
    assert "Query" not in bench.operations()
    assert bench.statuses() == {"seat": "cancelled", "ann": "waitlisted", "bob": "rejected"}


def test_an_event_that_is_opened_again_looks_at_its_line(bench: Bench) -> None:
    """Cancelled until this very batch: the first in line gets the seat before the newcomer."""
    a_free_seat(bench, "ann")
    bench.deliver_all(configure(1, seats(1, waitlist=True, status=EventStatus.CANCELLED)))
    assert bench.deliver(configure(2, seats(1, waitlist=True)), register("bob")) == []
    assert bench.statuses() == {"seat": "cancelled", "ann": "confirmed", "bob": "waitlisted"}
    bench.check()
