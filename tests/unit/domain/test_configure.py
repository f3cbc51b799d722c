"""Seats raised, lowered, closed, cancelled, and the waiting list switched on and off."""

from __future__ import annotations

from tests.support.builders import (
    EVENT,
    NOW,
    Book,
    cancel,
    change,
    configure,
    full_event,
    outcomes,
    promote,
    register,
    revision_of,
    seats,
    users_of,
)
from workers.domain.records import Ledger
from workers.domain.seat_settings import EventStatus


def test_settings_are_changed_with_their_revision() -> None:
    """Configure writes settings and their revision into the ledger, and says that the event item is due too."""
    book = full_event()
    decision = book.deliver(configure(4, seats(9, waitlist=2, status=EventStatus.CLOSED)))
    assert outcomes(decision) == [("configured", "settings-changed")]
    assert decision.configured
    assert (book.ledger.settings, revision_of(book.ledger)) == (seats(9, waitlist=2, status=EventStatus.CLOSED), 4)


def test_a_revision_that_is_not_newer_is_superseded() -> None:
    """A Configure of the stored revision or an older one changes nothing, whatever it says."""
    book = full_event()
    book.deliver(configure(4, seats(9)))
    decision = book.deliver(configure(4, seats(2)), configure(3, seats(3)))
    assert outcomes(decision) == [("superseded", "stale-revision")] * 2
    assert (decision.changes_anything, book.ledger.settings.capacity) == (False, 9)


def test_what_is_not_changed_stays() -> None:
    """A Configure of one setting leaves the others, and their revisions, as they are."""
    book = full_event()
    book.deliver(configure(1, seats(9, waitlist=2)), change(2, waitlist_capacity=None))
    assert book.ledger.settings == seats(9, waitlist=None)
    assert book.ledger.revisions == {"capacity": 1, "has_waitlist": 1, "status": 1, "waitlist_capacity": 2}


def test_changes_come_to_the_same_in_either_order() -> None:
    """Each setting belongs to its latest revision: an overtaken change still changes what nobody changed since."""
    older, newer = change(1, capacity=5, status=EventStatus.CLOSED), change(2, capacity=7)
    for commands in ([older, newer], [newer, older], [newer, older, newer, older]):
        book = full_event()
        book.deliver(*commands)
        assert (book.ledger.settings.capacity, book.ledger.settings.status) == (7, EventStatus.CLOSED)


def test_equal_settings_still_make_a_revision() -> None:
    """A Configure that changes no value is written all the same: its revision must supersede the older ones."""
    book = Book(seats(1))
    decision = book.deliver(configure(1, seats(1)))
    assert (decision.changes_anything, decision.configured, revision_of(book.ledger)) == (True, True, 1)


def test_capacity_up_promotes_as_many_as_fit_in_order() -> None:
    """Two more seats move the first two of the line up, and nobody else; the bell is rung by the ledger."""
    book = full_event("a", "b", "c")
    book.deliver(configure(1, seats(3, waitlist=True)))
    assert book.ledger.promotable
    decision = book.deliver(promote())
    assert (users_of(decision.promoted), book.waitlist(), book.ledger.confirmed) == (["a", "b"], ["c"], 3)


def test_capacity_down_evicts_nobody_and_gives_no_seat_until_below() -> None:
    """Lowered under what is taken: all keep their seats, newcomers wait, a cancellation gives no seat."""
    book = full_event(capacity=3)
    book.deliver(configure(1, seats(1, waitlist=True)), register("new"))
    assert (book.ledger.confirmed, book.waitlist()) == (3, ["new"])
    for number in (1, 2):
        book.deliver(cancel(f"seat-{number}"), promote(number))
        assert book.status("new") == "waitlisted"
    book.deliver(cancel("seat-3"), promote(3))
    assert (book.status("new"), book.ledger.confirmed) == ("confirmed", 1)


def test_a_waiting_list_lowered_under_its_length_keeps_everybody_and_takes_nobody() -> None:
    """The limit under the length: nobody is sent away, newcomers are refused until it is below again."""
    book = full_event("a", "b", "c", waitlist=3)
    book.deliver(configure(1, seats(1, waitlist=1)))
    assert outcomes(book.deliver(register("new"))) == [("rejected", "waitlist-full")]
    assert book.waitlist() == ["a", "b", "c"]


def test_a_waiting_list_switched_off_still_serves_those_who_wait() -> None:
    """Off with waiters: newcomers hear `event-full`, the waiters keep their order and move up."""
    book = full_event("a", "b")
    book.deliver(configure(1, seats(1, waitlist=False)))
    assert outcomes(book.deliver(register("new"))) == [("rejected", "event-full")]
    book.deliver(configure(2, seats(2, waitlist=False)), register("late"))
    assert (book.status("a"), book.status("late"), book.waitlist()) == ("confirmed", "rejected", ["b"])


def test_a_waiting_list_switched_on_takes_the_next() -> None:
    """On after a rejection: who was refused may come again and waits."""
    book = full_event(waitlist=False)
    book.deliver(register("ann"))
    book.deliver(configure(1, seats(1, waitlist=True)), register("ann", 2))
    assert book.waitlist() == ["ann"]


def test_a_closed_event_promotes_and_takes_nobody() -> None:
    """Closed: a seat that becomes free goes to the line; a newcomer is refused even if a seat is left."""
    book = full_event("a")
    book.deliver(configure(1, seats(3, waitlist=True, status=EventStatus.CLOSED)))
    assert outcomes(book.deliver(register("new"))) == [("rejected", "registration-closed")]
    assert (book.status("a"), book.waitlist()) == ("confirmed", [])


def test_a_cancelled_event_promotes_nobody_until_it_is_active_again() -> None:
    """Cancelled: seats stay empty beside waiters; active again, the line moves up before any newcomer."""
    book = full_event("a")
    book.deliver(configure(1, seats(2, waitlist=True, status=EventStatus.CANCELLED)))
    assert not book.ledger.promotable
    assert outcomes(book.deliver(promote(), register("new"))) == [
        ("superseded", "nothing-to-settle"),
        ("rejected", "registration-closed"),
    ]
    book.deliver(configure(2, seats(2, waitlist=True)), register("new", 2))
    assert (book.status("a"), book.status("new"), book.ledger.confirmed) == ("confirmed", "waitlisted", 2)


def test_configure_alone_does_not_settle() -> None:
    """Capacity up promotes through the bell, so that hundreds of promotions do not hang on the organiser's request."""
    book = full_event("a")
    decision = book.deliver(configure(1, seats(2, waitlist=True)))
    assert (decision.promoted, decision.registrations) == ((), ())
    assert book.ledger == Ledger(
        EVENT,
        seats(2, waitlist=True),
        version=2,
        revisions=dict.fromkeys(("capacity", "has_waitlist", "waitlist_capacity", "status"), 1),
        confirmed=1,
        next_ticket=2,
        last_registered_at=book.ledger.last_registered_at,
        waitlist=book.ledger.waitlist,
        free_since=NOW,
    )
