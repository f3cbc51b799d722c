"""The checker, with violations planted in made-up histories: each is found, and what can be explained is not."""

from __future__ import annotations

from tests.proofs.soak.checker import violations
from tests.proofs.soak.history import REGISTER, Exchange, FinalState
from tests.proofs.soak.made_up import NEVER, Row, Told, tables
from workers.domain.records import Registration, Status


def test_a_history_that_can_be() -> None:
    """A history in which everybody got what she was told has no violation."""
    told = Told()
    told.register("ada", 1, 2, "confirmed", 100)
    told.register("bob", 3, 4, "waitlisted", 200, position=1)
    told.register("cyd", 5, 6, 202)
    told.register("ada", 7, 8, "already-registered")
    told.cancel("ada", 9, 10)
    told.read("bob", 11, 12, "confirmed", 200)
    told.register("ada", 13, NEVER, 0)
    told.cancel("dan", 14, 15, 404)
    assert told.found(("ada", "cancelled", 100), ("bob", "confirmed", 200), ("cyd", "waitlisted", 300)) == ""


def test_what_is_unknown() -> None:
    """A request without an answer, or with a 5xx, may have been accepted or not."""
    told = Told()
    told.register("ada", 1, NEVER, 0)
    told.register("bob", 3, 4, 503)
    assert told.found() == ""
    assert told.found(("ada", "confirmed", 100), ("bob", "waitlisted", 200)) == ""
    assert told.found(("bob", "confirmed", 100), ("ada", "waitlisted", 200)) == ""


def test_a_lost_acknowledgement() -> None:
    """A registration that was acknowledged and is not in the tables is found."""
    told = Told()
    told.register("ada", 1, 2, "confirmed", 100)
    assert "it was gone (the tables), and nobody cancelled" in told.found()
    assert "it was gone (the tables), and nobody cancelled" in told.found(("ada", "cancelled", 100))
    told.cancel("ada", 3, 4, 503)
    assert told.found(("ada", "cancelled", 100)) == ""


def test_lost_for_a_while() -> None:
    """A registration that was acknowledged, and not there when she asked, is found even if it is there in the end."""
    told = Told()
    told.register("ada", 1, 2, "confirmed", 100)
    told.cancel("ada", 3, 4, 404)
    assert "then it was gone (exchange 3)" in told.found(("ada", "confirmed", 100))


def test_a_cancel_before_excuses_nothing() -> None:
    """A Cancel without an answer does not explain the loss of a registration that was asked for after it was over."""
    told = Told()
    told.register("ada", 1, 2, "confirmed", 100)
    told.cancel("ada", 3, 4)
    told.cancel("ada", 5, 6, 503)
    told.register("ada", 7, 8, "confirmed", 200)
    lost = Registration("event", "ada", Status.CANCELLED, 2, 4, 200)
    assert "it was gone (the tables), and nobody cancelled" in told.found(lost)


def test_a_cancel_that_was_over_excuses_nothing() -> None:
    """A Cancel that was answered does not explain the loss of what was seen alive after that."""
    told = Told()
    told.register("ada", 1, NEVER, 0)
    told.cancel("ada", 2, 3)
    told.read("ada", 5, 6, "confirmed", 100)
    assert "it was gone (the tables), and nobody cancelled" in told.found(("ada", "cancelled", 100))


def test_an_answer_that_was_replayed() -> None:
    """The replay of an earlier answer asks for nothing, and cancels nothing."""
    told = Told()
    told.register("ada", 1, 2, "confirmed", 100, replayed=True)
    assert "nobody asked for it" in told.found(("ada", "confirmed", 100))
    told.register("ada", 0, 1, 202)
    told.cancel("ada", 3, 4, replayed=True)
    assert "it was gone (the tables), and nobody cancelled" in told.found(("ada", "cancelled", 100))


def test_accepted_and_forgotten() -> None:
    """Who was told 202 has an outcome in the end, and it is no cancellation that nobody asked for."""
    told = Told()
    told.register("ada", 1, 2, 202)
    assert "never got an outcome" in told.found()
    assert "never got an outcome" in told.found(("ada", "pending", 100))
    assert "is cancelled, which nobody asked for since" in told.found(("ada", "cancelled", 100))
    assert told.found(("ada", "rejected", 100)) == ""


def test_accepted_after_a_cancel() -> None:
    """Who asks anew after her Cancel was accepted is not cancelled by it; one without an answer may come later."""
    for status, explained in ((202, False), (503, True)):
        told = Told()
        told.register("ada", 1, 2, 202)
        told.cancel("ada", 3, 4, status)
        told.register("ada", 5, 6, 202)
        assert ("(exchange 4), and is cancelled" not in told.found(("ada", "cancelled", 100))) == explained


def test_a_double() -> None:
    """Somebody who is there twice is found, and so is a second attempt that nobody made."""
    told = Told(capacity=2)
    told.register("ada", 1, 2, "confirmed", 100)
    twice = told.found(("ada", "confirmed", 100), ("ada", "confirmed", 200), capacity=2)
    assert "ada is there 2 times" in twice
    again = Registration("event", "ada", Status.CONFIRMED, 2, 2, 200)
    assert "has made 2 attempts, but asked 1 times" in told.found(again, capacity=2)
    assert "another registration took its place" in told.found(again, capacity=2)


def test_nobody_asked() -> None:
    """Somebody who is registered and never asked, or was only refused, is found."""
    told = Told()
    told.register("ada", 1, 2, "registration-closed", replayed=True)
    assert "nobody asked for it" in told.found(("ada", "confirmed", 100))
    assert "nobody asked for it" in told.found(("bob", "confirmed", 100))


def test_a_cancel_that_did_not_hold() -> None:
    """A Cancel that was acknowledged, at once or as queued, and is not to be seen in the tables, is found."""
    for status in (204, 202):
        told = Told()
        told.register("ada", 1, 2, "confirmed", 100)
        told.cancel("ada", 3, 4, status)
        assert "was cancelled (exchange 3), and is still confirmed" in told.found(("ada", "confirmed", 100))


def test_a_zombie() -> None:
    """A registration that comes back after its Cancel by an old message is found; one asked for anew is not."""
    told = Told()
    told.register("ada", 1, 2, 503)
    told.cancel("ada", 3, 4)
    zombie = ("ada", "confirmed", 100)
    assert "nobody asked for it, or not since it was cancelled" in told.found(zombie)
    told.register("ada", 5, NEVER, 0)
    assert told.found(zombie) == ""


def test_a_request_between_two_cancels() -> None:
    """Who asks anew while her Cancel is under way, and hears of a failure, may be registered after the next."""
    told = Told()
    told.register("ada", 1, 2, 202)
    told.cancel("ada", 3, 4, 202)
    told.register("ada", 5, 6, 503)
    told.cancel("ada", 7, 8)
    assert told.found(Registration("event", "ada", Status.CONFIRMED, 2, 4, 100)) == ""


def test_a_second_attempt_that_nobody_made() -> None:
    """A request that is known to have led to an earlier registration does not explain a later one."""
    told = Told()
    told.register("ada", 1, 2, "confirmed", 100)
    told.cancel("ada", 3, 4, 503)
    again = Registration("event", "ada", Status.CONFIRMED, 2, 3, 200)
    assert "ada (the tables) is registered, but nobody asked for it" in told.found(again)


def test_overtaken_in_the_decision() -> None:
    """Of two, who asked after the other had her answer is decided after her: else it is found."""
    told = Told()
    told.register("ada", 1, 2, "waitlisted", 200)
    told.register("bob", 3, 4, "waitlisted", 100)
    told.register("cyd", 0, NEVER, 0)
    assert "bob (exchange 3) asked after ada (exchange 2) had been accepted, and was decided before" in told.found(
        ("cyd", "confirmed", 50), ("bob", "waitlisted", 100), ("ada", "waitlisted", 200)
    )


def test_overtaken_in_the_queue() -> None:
    """Who was told 202 is decided before who asks after that, even if nobody ever saw it before the end."""
    told = Told(capacity=2)
    told.register("ada", 1, 2, 202)
    told.register("bob", 3, 4, 202)
    rows: list[Row] = [("bob", "confirmed", 100), ("ada", "confirmed", 200)]
    assert "bob (the tables) asked after ada (the tables) had been accepted" in told.found(*rows, capacity=2)
    for start in (0.5, 5):
        unclear = Told(capacity=2)
        unclear.exchanges = [*told.exchanges, Exchange(9, REGISTER, "event", "ada", start)]
        assert unclear.found(*rows, capacity=2) == ""


def test_at_the_same_time_either_may_be_first() -> None:
    """Two requests that overlap may be decided in either order."""
    told = Told()
    told.register("cyd", 0, 1, "confirmed", 50)
    told.register("ada", 1, 4, "waitlisted", 200)
    told.register("bob", 3, 5, "waitlisted", 100)
    assert told.found(("cyd", "confirmed", 50), ("bob", "waitlisted", 100), ("ada", "waitlisted", 200)) == ""


def test_passed_by() -> None:
    """A seat for somebody while an earlier one waits is found, even if all are gone in the end."""
    told = Told()
    told.register("cyd", 0, 1, "confirmed", 50)
    told.register("ada", 1, 2, "waitlisted", 100)
    told.cancel("cyd", 2, 3)
    told.register("bob", 4, 5, "confirmed", 200)
    told.read("ada", 6, 7, "waitlisted", 100)
    for user in ("ada", "bob"):
        told.cancel(user, 8, 9)
    gone: list[Row] = [("cyd", "cancelled", 50), ("ada", "cancelled", 100), ("bob", "cancelled", 200)]
    assert "bob (exchange 5) got a seat while ada (exchange 3), who was before, waited" in told.found(*gone)


def test_a_wrong_place_in_the_line() -> None:
    """A place in the line that is before somebody who was there is found."""
    told = Told()
    told.register("cyd", 0, 1, "confirmed", 50)
    told.register("ada", 1, 2, "waitlisted", 100, position=1)
    told.register("bob", 3, 4, "waitlisted", 200, position=1)
    rows: list[Row] = [("cyd", "confirmed", 50), ("ada", "waitlisted", 100), ("bob", "waitlisted", 200)]
    assert "bob (exchange 4) was told place 1, with 1 before her" in told.found(*rows)


def test_back_in_the_line() -> None:
    """Who had a seat and waits again is found, and so is an older registration that returns."""
    told = Told()
    told.register("cyd", 0, NEVER, 0)
    told.register("ada", 1, 2, "confirmed", 100)
    assert "had a seat, and then waited" in told.found(("cyd", "confirmed", 50), ("ada", "waitlisted", 100))
    told.cancel("ada", 3, 4, 503)
    told.register("ada", 5, 6, "confirmed", 200)
    assert "an older registration again" in told.found(Registration("event", "ada", Status.CONFIRMED, 2, 2, 100))


def test_settings_that_were_not_asked_for() -> None:
    """Settings in the tables that are not the last ones that were acknowledged are found."""
    told = Told()
    told.configure(1, 2, 202, capacity=5)
    assert "capacity is 1, and was last set to 5" in told.found()
    assert told.found(capacity=5) == ""
    told.configure(3, NEVER, 0, capacity=7)
    assert told.found(capacity=5) == ""
    assert told.found(capacity=7) == ""


def test_what_the_tables_say_by_themselves() -> None:
    """Tables that break a rule are found, and what did not come to rest is passed on."""
    told = Told(capacity=2)
    told.register("ada", 1, 2, "confirmed", 100)
    told.register("bob", 1, NEVER, 0)
    sound = tables([("ada", "confirmed", 100), ("bob", "waitlisted", 200)], 2)
    found = violations(told.exchanges, FinalState(sound.registrations, sound.ledgers, {}, ("the queue is not empty",)))
    text = "\n".join(found)
    assert "the queue is not empty" in found
    assert "a seat is free, and somebody waits" in text
    assert "a promotable ledger says since when" in text
    assert "and the event None" in text
    nobody = violations(told.exchanges, FinalState(sound.registrations, {}, {}))
    assert "event: there are registrations and no ledger" in nobody


def test_an_answer_that_nobody_expects() -> None:
    """An answer that the contract does not have is found: a fault that passes by itself is a 503, not a 500."""
    told = Told()
    told.register("ada", 1, 2, 500, outcome="internal-error")
    told.register("ada", 3, 4, 503)
    assert told.found() == "event: register was answered 500 internal-error (exchange 2)"
