"""The checker finds each planted violation in written histories, and nothing in sound ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from tests.proofs.soak.builders import exchanges, tables
from tests.proofs.soak.checker import violations


@dataclass(frozen=True, slots=True)
class WrittenCase:
    """A history, the final tables, and parts of the sentences that must be found; nothing may be if there are none.

    `settings` are those at first, `final` what is different in the end.
    """

    history: str
    rows: str = ""
    found: Sequence[str] = ()
    settings: str = ""
    final: str = ""


ADA = "1-2 ada registers confirmed@100\n"
ADA_202 = "1-2 ada registers 202\n"
GONE = "it was gone (the tables), and nobody cancelled"
CYD_SEATED = "0-1 cyd registers confirmed@50\n"
BOTH_202 = f"{ADA_202}3-4 bob registers 202\n"
BOB_FIRST = "bob confirmed@100, ada confirmed@200"
OVERTAKEN = "bob (the tables) was requested after ada (the tables) was accepted, and decided before it"
TWO_WAIT = f"{CYD_SEATED}1-2 ada registers waitlisted@100\n3-4 bob registers waitlisted@200\n"
TWO_WAITING = "cyd confirmed@50, ada waitlisted@100, bob waitlisted@200"

SOUND = {
    "a cancellation without an answer takes effect late": WrittenCase(
        f"{ADA_202}3-4 ada cancels 503\n5-6 ada registers 202", "ada cancelled@100"
    ),
    "requested between two cancellations": WrittenCase(
        f"{ADA_202}3-4 ada cancels 202\n5-6 ada registers 503\n7-8 ada cancels 204", "ada/2 confirmed@100"
    ),
    "overtaken, but requested again before": WrittenCase(f"{BOTH_202}0.5- ada registers", BOB_FIRST, (), "capacity=2"),
    "capacity perhaps raised": WrittenCase(
        f"""{ADA}3-4 bob registers confirmed@200
        5-6 organiser sets 503 capacity=3
        7-8 cyd registers confirmed@300""",
        "ada confirmed@100, bob confirmed@200, cyd confirmed@300",
        (),
        "capacity=2",
        "capacity=3",
    ),
}

BROKEN = {
    "a lost acknowledgement": WrittenCase(ADA, "", (GONE,)),
    "lost for a while": WrittenCase(
        f"{ADA}3-4 ada cancels 404", "ada confirmed@100", ("then it was gone (exchange 3)",)
    ),
    "an older cancellation excuses nothing": WrittenCase(
        f"{ADA}3-4 ada cancels 204\n5-6 ada cancels 503\n7-8 ada registers confirmed@200",
        "ada/2 cancelled@200",
        (GONE,),
    ),
    "a finished cancellation excuses nothing": WrittenCase(
        "1- ada registers\n2-3 ada cancels 204\n5-6 ada reads confirmed@100", "ada cancelled@100", (GONE,)
    ),
    "a replayed cancellation cancels nothing": WrittenCase(
        "0-1 ada registers 202\n1-2 ada registers confirmed@100\n3-4 ada cancels 204 replayed",
        "ada cancelled@100",
        (GONE,),
    ),
    "accepted and forgotten": WrittenCase(ADA_202, "", ("never got an outcome",)),
    "accepted and pending": WrittenCase(ADA_202, "ada pending@100", ("never got an outcome",)),
    "accepted after a queued cancellation": WrittenCase(
        f"{ADA_202}3-4 ada cancels 202\n5-6 ada registers 202", "ada cancelled@100", ("(exchange 4); it was cancelled",)
    ),
    "two registrations": WrittenCase(
        ADA, "ada confirmed@100, ada confirmed@200", ("ada has 2 registrations",), "capacity=2"
    ),
    "a second attempt": WrittenCase(
        ADA,
        "ada/2 confirmed@200",
        ("has made 2 attempts, but asked 1 times", "another registration took its place"),
        "capacity=2",
    ),
    "a queued cancellation that did not hold": WrittenCase(
        f"{ADA}3-4 ada cancels 202", "ada confirmed@100", ("cancelled (exchange 3), and is still confirmed",)
    ),
    "back by an old message": WrittenCase(
        "1-2 ada registers 503\n3-4 ada cancels 204",
        "ada confirmed@100",
        ("nobody requested it, or not since it was cancelled",),
    ),
    "a later attempt that an older request explains": WrittenCase(
        f"{ADA}3-4 ada cancels 503", "ada/2 confirmed@200", ("ada (the tables) is registered, and nobody requested it",)
    ),
    "overtaken in the queue": WrittenCase(BOTH_202, BOB_FIRST, (OVERTAKEN,), "capacity=2"),
    "passed by": WrittenCase(
        f"""{CYD_SEATED}1-2 ada registers waitlisted@100
        2-3 cyd cancels 204
        4-5 bob registers confirmed@200
        6-7 ada reads waitlisted@100
        8-9 ada cancels 204
        8-9 bob cancels 204""",
        "cyd cancelled@50, ada cancelled@100, bob cancelled@200",
        ("bob (exchange 5) got a seat while ada (exchange 3), who came before, waited",),
    ),
    "a wrong position": WrittenCase(
        TWO_WAIT.replace("@200", "@200 place=1"),
        TWO_WAITING,
        ("bob (exchange 4) was shown position 1 behind 1 others",),
    ),
    "a seat, and then a place": WrittenCase(
        f"0- cyd registers\n{ADA}", "cyd confirmed@50, ada waitlisted@100", ("had a seat, and then waited",)
    ),
    "an older registration again": WrittenCase(
        f"{ADA}3-4 ada cancels 503\n5-6 ada registers confirmed@200",
        "ada/2 confirmed@100",
        ("an older registration again",),
    ),
    "settings that were replaced": WrittenCase(
        "1-2 organiser sets 202 capacity=5", found=("capacity is 1, and was last set to 5",), final="capacity=1"
    ),
    "a 500": WrittenCase("1-2 ada registers 500\n3-4 ada registers 503", found=("register was answered 500",)),
    "oversold for a while": WrittenCase(
        f"{ADA}3-4 bob registers confirmed@200\n5-6 ada cancels 204",
        "ada cancelled@100, bob confirmed@200",
        ("bob (exchange 3) got a seat when 1 of 1 were taken",),
    ),
    "a seat after the capacity was lowered": WrittenCase(
        f"""{ADA}3-4 bob registers confirmed@200
        5-6 organiser sets 200 capacity=1
        7-8 cyd registers confirmed@300""",
        "ada confirmed@100, bob confirmed@200, cyd confirmed@300",
        ("cyd (exchange 5) got a seat when 2 of 1 were taken",),
        "capacity=2",
        "capacity=1",
    ),
    "a waiting list beyond its limit": WrittenCase(
        TWO_WAIT,
        TWO_WAITING,
        ("joined a waiting list of 1 with 1 places", "in the end 2 are waitlisted, and there were 1 places"),
        "waitlistCapacity=1",
    ),
    "no waiting list": WrittenCase(TWO_WAIT, TWO_WAITING, ("there was no waiting list",), "hasWaitlist=false"),
    "waiting beside a free seat": WrittenCase(
        "1-2 ada registers waitlisted@100\n3-4 ada cancels 204",
        "ada cancelled@100",
        ("waits, and one of 1 seats was free",),
    ),
    "joined a closed event": WrittenCase(
        ADA, "ada confirmed@100", ("joined while the event was not open",), "status=closed"
    ),
    "promoted at a cancelled event": WrittenCase(
        f"""{ADA}3-4 bob registers waitlisted@200
        5-6 organiser sets 200 status=cancelled
        7-8 bob reads waitlisted@200
        9-10 ada cancels 204""",
        "ada cancelled@100, bob confirmed@200",
        ("got a seat while the event was cancelled",),
        final="status=cancelled",
    ),
    "refused beside a free seat": WrittenCase(
        "1-2 ada registers event-full", found=("ada was refused with event-full",), settings="hasWaitlist=false"
    ),
    "refused beside a free place": WrittenCase(
        "0-1 bob registers 202\n2-3 ada registers waitlist-full",
        "bob confirmed@100",
        ("ada was refused with waitlist-full",),
        "waitlistCapacity=1",
    ),
    "refused at an open event": WrittenCase(
        "2-3 ada registers registration-closed", found=("ada was refused with registration-closed",)
    ),
    "already registered, and never requested": WrittenCase(
        "2-3 ada registers already-registered", found=("was answered already-registered (exchange 2), and cannot",)
    ),
}


def check(case: WrittenCase) -> list[str]:
    """Return what the checker finds."""
    settings = f"{case.settings} {case.final}"
    return violations(exchanges(case.history, case.settings), tables(case.rows, settings))


@pytest.mark.parametrize("case", SOUND.values(), ids=SOUND)
def test_a_possible_history_is_not_reported(case: WrittenCase) -> None:
    """Nothing is found where some order of the requests explains everything."""
    assert check(case) == []


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN)
def test_an_impossible_history_is_reported(case: WrittenCase) -> None:
    """Each planted violation is found."""
    text = "\n".join(check(case))
    assert [part for part in case.found if part not in text] == []


def test_tables_that_break_a_rule_are_reported() -> None:
    """Faults in the final tables are found, and whatever did not quiesce is reported."""
    history = exchanges(f"{ADA}1- bob registers", "capacity=2")
    sound = tables("ada confirmed@100, bob waitlisted@200", "capacity=2")
    found = violations(history, replace(sound, settings={}, unrest=("the queue is not empty",)))
    for part in ("queue is not empty", "somebody waits", "promotable ledger says since when", "and the event None"):
        assert part in "\n".join(found)
    assert "event: there are registrations and no ledger" in violations(history, replace(sound, ledgers={}))
