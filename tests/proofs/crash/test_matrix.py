"""The judgement: what is expected when somebody has died, and that nothing wrong passes for well."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.proofs.crash.matrix import DID_NOT_FIRE, Run, Undisturbed, findings
from tests.proofs.crash.state import State
from tests.proofs.crash.wire import Point, Side, Step

BEFORE = State({"party": "1 seat"}, (), ())
AFTER = State({"party": "1 seat", "ann at party": "confirmed 1"}, (), ())
LOST = State({"party": "1 seat", "ann at party": "pending 1"}, (), ())
READ, SEND, POLL = (
    Step("registrations", number, call)
    for number, call in enumerate(("BatchGetItem users", "SendMessage commands", "BatchGetItem registrations"), 1)
)
LOAD, COMMIT = Step("registrar", 1, "BatchGetItem ledger"), Step("registrar", 2, "TransactWriteItems ledger")
MODEL = Undisturbed([READ, SEND, LOAD, COMMIT, POLL], BEFORE, AFTER, "201 confirmed", "201 replayed")

API_DIED = Run(BEFORE, back=True, rest=AFTER, reply="502", again="201 replayed", end=AFTER)
WORKER_DIED = Run(BEFORE, back=True, rest=AFTER, reply="202 pending", again="201 replayed", end=AFTER)


def test_there_is_a_point_on_each_side_of_each_call() -> None:
    """Five calls have ten points."""
    assert len(set(MODEL.points)) == 10


@pytest.mark.parametrize(
    ("step", "side", "asked"),
    [
        (READ, Side.BEFORE, False),
        (READ, Side.AFTER, False),
        (SEND, Side.BEFORE, False),
        (SEND, Side.AFTER, True),
        (POLL, Side.BEFORE, True),
        (POLL, Side.AFTER, True),
    ],
)
def test_whether_it_was_asked(step: Step, side: Side, asked: bool) -> None:
    """What a client wants is on its way from the moment at which the queue has it, and no sooner: so it is to be."""
    not_asked = replace(API_DIED, rest=BEFORE, again="201 confirmed")
    expected, other = (API_DIED, not_asked) if asked else (not_asked, API_DIED)
    assert findings(MODEL, Point(step, side), expected) == []
    assert findings(MODEL, Point(step, side), other)


@pytest.mark.parametrize("reply", ["201 confirmed", "202 pending"])
def test_a_worker_died_and_all_is_well(reply: str) -> None:
    """Its client hears the outcome, or that there is none yet."""
    assert findings(MODEL, Point(COMMIT, Side.AFTER), replace(WORKER_DIED, reply=reply)) == []


@pytest.mark.parametrize(
    ("wrong", "finding"),
    [
        ({"crash": None}, DID_NOT_FIRE),
        ({"crash": replace(BEFORE, broken=("torn",))}, "at the crash: torn"),
        ({"back": False}, "the registrar was not run again"),
        ({"rest": replace(AFTER, broken=("torn",))}, "at rest: torn"),
        ({"rest": replace(AFTER, unrest=("1 messages in the queue",))}, "at rest: 1 messages in the queue"),
        ({"end": replace(AFTER, broken=("torn",))}, "in the end: torn"),
        ({"rest": LOST}, "at rest: ann at party: pending 1; it should be: confirmed 1"),
        ({"rest": BEFORE}, "at rest: ann at party: nothing; it should be: confirmed 1"),
        ({"end": LOST}, "in the end: ann at party: pending 1; it should be: confirmed 1"),
        ({"reply": "409 event-full"}, "the client heard 409 event-full; without the crash 201 confirmed"),
        ({"reply": "502"}, "the client heard 502; without the crash 201 confirmed"),
        ({"again": "404"}, "the client asked again and heard 404; it should have been 201 replayed"),
    ],
)
def test_nothing_wrong_passes(wrong: dict[str, object], finding: str) -> None:
    """Each thing that may be wrong with a run is said, and nothing else."""
    run = replace(WORKER_DIED, **wrong)  # type: ignore[arg-type]  # one field of it each
    assert findings(MODEL, Point(COMMIT, Side.BEFORE), run) == [finding]


def test_damage_that_was_there_before_is_nobodys_fault() -> None:
    """A rule that is broken when a story begins may be so at the crash, and no longer."""
    model = replace(MODEL, before=replace(BEFORE, broken=("torn",)))
    run = replace(WORKER_DIED, crash=model.before)
    assert findings(model, Point(COMMIT, Side.AFTER), run) == []
    still = replace(run, rest=replace(AFTER, broken=("torn",)), end=AFTER)
    assert findings(model, Point(COMMIT, Side.AFTER), still) == ["at rest: torn"]


def test_a_dead_function_answers_nobody() -> None:
    """A client whose function died must not have heard an outcome."""
    run = replace(API_DIED, reply="201 confirmed")
    assert findings(MODEL, Point(POLL, Side.AFTER), run) == [
        "the client heard 201 confirmed of a function that had died"
    ]


def test_who_was_promised_an_answer_gets_it_when_asking_again() -> None:
    """The first reply is a promise, so the second one is the outcome, whether or not the first request arrived."""
    model = replace(MODEL, reply="202 pending")
    for step, rest in ((READ, BEFORE), (POLL, AFTER)):
        assert findings(model, Point(step, Side.BEFORE), replace(API_DIED, rest=rest)) == []
