"""Seats and places in the line, with violations planted in made-up histories: each is found."""

from __future__ import annotations

from tests.proofs.soak.history import REGISTER, Exchange
from tests.proofs.soak.made_up import NEVER, Row, Told


def test_an_oversell_in_the_end() -> None:
    """More seats than there are is found in the tables alone, whatever each was told."""
    told = Told()
    told.register("ada", 1, NEVER, 0)
    told.register("bob", 2, NEVER, 0)
    rows: list[Row] = [("ada", "confirmed", 100), ("bob", "confirmed", 200)]
    assert "in the end 2 are confirmed, and there were 1 places" in told.found(*rows)


def test_an_oversell_in_between() -> None:
    """More seats than there are is found, even if somebody cancels later."""
    told = Told()
    told.register("ada", 1, 2, "confirmed", 100)
    told.register("bob", 3, 4, "confirmed", 200)
    told.cancel("ada", 5, 6)
    rows: list[Row] = [("ada", "cancelled", 100), ("bob", "confirmed", 200)]
    assert "bob (exchange 3) got a seat when 1 of 1 were taken" in told.found(*rows)


def test_capacity_over_time() -> None:
    """Lowering the capacity under what is taken is no oversell; a seat that is given then is one."""
    told = Told(capacity=2)
    told.register("ada", 1, 2, "confirmed", 100)
    told.register("bob", 3, 4, "confirmed", 200)
    told.configure(5, 6, 200, capacity=1)
    rows: list[Row] = [("ada", "confirmed", 100), ("bob", "confirmed", 200)]
    assert told.found(*rows) == ""
    told.configure(7, 8, 503, capacity=3)
    told.register("cyd", 9, 10, "confirmed", 300)
    rows.append(("cyd", "confirmed", 300))
    assert told.found(*rows, capacity=3) == ""
    told.configure(11, 12, 200, capacity=1)
    told.register("dan", 13, 14, "confirmed", 400)
    rows.append(("dan", "confirmed", 400))
    assert "dan (exchange 9) got a seat when 3 of 1 were taken" in told.found(*rows)


def test_a_line_beyond_its_limit() -> None:
    """A line that is longer than its limit is found, and so is one where there is to be none."""
    for limit, sentence in ((1, "joined a line of 1, which takes 1"), (0, "joined a line of 1, which takes 0")):
        told = Told(waitlistCapacity=limit)
        told.register("cyd", 0, 1, "confirmed", 50)
        told.register("ada", 1, 2, "waitlisted", 100)
        told.register("bob", 3, 4, "waitlisted", 200)
        rows: list[Row] = [("cyd", "confirmed", 50), ("ada", "waitlisted", 100), ("bob", "waitlisted", 200)]
        found = told.found(*rows, waitlist_capacity=limit)
        assert sentence in found
        assert f"in the end 2 are waitlisted, and there were {limit} places" in found
    told = Told(hasWaitlist=False)
    told.register("cyd", 0, 1, "confirmed", 50)
    told.register("ada", 1, 2, "waitlisted", 100)
    sentence = "there was no waiting list"
    assert sentence in told.found(("cyd", "confirmed", 50), ("ada", "waitlisted", 100), has_waitlist=False)


def test_waiting_beside_a_free_seat() -> None:
    """Who is sent to the line while a seat is free is found."""
    told = Told()
    told.register("ada", 1, 2, "waitlisted", 100)
    told.cancel("ada", 3, 4)
    assert "waits, and one of 1 seats was free" in told.found(("ada", "cancelled", 100))


def test_a_closed_event() -> None:
    """Who joins while the event is closed, or is promoted while it is cancelled, is found."""
    told = Told(status="closed")
    told.register("ada", 1, 2, "confirmed", 100)
    closed = told.found(("ada", "confirmed", 100), status="closed")
    assert "joined while the event was not open" in closed
    told = Told()
    told.register("ada", 1, 2, "confirmed", 100)
    told.register("bob", 3, 4, "waitlisted", 200)
    told.configure(5, 6, 200, status="cancelled")
    told.read("bob", 7, 8, "waitlisted", 200)
    told.cancel("ada", 9, 10)
    rows: list[Row] = [("ada", "cancelled", 100), ("bob", "confirmed", 200)]
    assert "got a seat while the event was cancelled" in told.found(*rows, status="cancelled")


def test_refused_for_no_reason() -> None:
    """A refusal that nothing explains is found; one that an undecided request may explain is not."""
    told = Told(hasWaitlist=False)
    told.register("ada", 1, 2, "event-full")
    assert "ada was refused with event-full" in told.found(has_waitlist=False)
    told.exchanges[1:1] = [Exchange(9, REGISTER, "event", "bob", 0, NEVER)]
    assert told.found(has_waitlist=False) == ""
    told = Told(waitlistCapacity=1)
    told.register("bob", 0, 1, 202)
    told.register("ada", 2, 3, "waitlist-full")
    assert "ada was refused with waitlist-full" in told.found(("bob", "confirmed", 100), waitlist_capacity=1)
    told = Told()
    told.register("ada", 2, 3, "registration-closed")
    assert "ada was refused with registration-closed" in told.found()
    told = Told()
    told.register("ada", 2, 3, "already-registered")
    assert "was told that she is registered (exchange 2), and cannot have been" in told.found()
