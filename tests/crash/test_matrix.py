"""The judgement: what is expected when somebody has died, and that nothing wrong passes for well."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crash import __main__ as crash
from tests.crash.matrix import DID_NOT_FIRE, Result, Run, Undisturbed, findings
from tests.crash.state import State
from tests.crash.stories import STORIES
from tests.crash.wire import Point, Side, Step
from tests.support.command_line import Progress

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


def results(*findings_of_each: Sequence[str], fired: bool = True) -> list[Result]:
    """Results at the same point."""
    point = Point(COMMIT, Side.AFTER)
    return [Result("seat", point, 1, fired, "201 confirmed", found, ["a line"]) for found in findings_of_each]


@pytest.mark.parametrize(
    ("found", "failures", "code"),
    [
        (results([], []), [], 0),
        (results([], ["torn"]), [], 1),
        (results([DID_NOT_FIRE], fired=False), [], 1),
        (results([]), ["seat could not be told: OSError: gone"], 1),
        ([], [], 1),
    ],
)
def test_exit_codes(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    found: list[Result],
    failures: list[str],
    code: int,
) -> None:
    """Only a run in which every point fired and nothing was found ends with 0; a run without points does not."""
    monkeypatch.setattr(crash, "run", lambda *_: (found, failures))
    assert crash.main(["--json"]) == code
    printed = json.loads(capsys.readouterr().out)
    assert [point["findings"] for point in printed["points"]] == [list(result.findings) for result in found]
    assert crash.main([]) == code


def test_stories_are_chosen_by_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`--only` takes names, in any order; one that is none is wrong usage; the help names them all."""
    told: list[list[str]] = []

    def run(names: list[str], _: Progress) -> tuple[list[Result], list[str]]:
        told.append(names)
        return [], []

    monkeypatch.setattr(crash, "run", run)
    crash.main(["--only", "fence", "seat"])
    assert told == [["seat", "fence"]]
    for arguments, code in ((["--only", "nothing"], 2), (["--help"], 0)):
        with pytest.raises(SystemExit) as ended:
            crash.main(arguments)
        assert ended.value.code == code
    out = capsys.readouterr().out
    assert all(name in out for name in STORIES)


def test_an_interrupted_run_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C ends with 130, and with no half of a table."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(crash, "run", interrupted)
    assert crash.main([]) == 130
    assert capsys.readouterr().out == ""


def test_elsewhere_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Without /proc nothing is begun."""
    monkeypatch.setattr(crash, "PROC", tmp_path)
    monkeypatch.delattr(crash, "run")
    assert crash.main([]) == 1
    assert "needs Linux" in capsys.readouterr().err
