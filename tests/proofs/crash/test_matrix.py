"""The judgement of a run with a killed function: every planted fault is found, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.proofs.crash import __main__ as command
from tests.proofs.crash.matrix import DID_NOT_FIRE, Baseline, KilledRun, PointResult, findings
from tests.proofs.crash.proxy import CallSite, KillPoint, Side
from tests.proofs.crash.stack_state import StackState

BEFORE = StackState({"party": "1 seat"}, (), ())
AFTER = StackState({"party": "1 seat", "ann at party": "confirmed 1"}, (), ())
LOST = StackState({"party": "1 seat", "ann at party": "pending 1"}, (), ())
READ, SEND, POLL = (
    CallSite("registrations", number, call)
    for number, call in enumerate(("BatchGetItem users", "SendMessage commands", "BatchGetItem registrations"), 1)
)
LOAD, COMMIT = CallSite("registrar", 1, "BatchGetItem ledger"), CallSite("registrar", 2, "TransactWriteItems ledger")
BASELINE = Baseline([READ, SEND, LOAD, COMMIT, POLL], BEFORE, AFTER, "201 confirmed", "201 replayed")

API_DIED = KilledRun(BEFORE, back=True, rest=AFTER, reply="502", again="201 replayed", end=AFTER)
WORKER_DIED = KilledRun(BEFORE, back=True, rest=AFTER, reply="202 pending", again="201 replayed", end=AFTER)


@pytest.mark.parametrize(("point", "sent"), list(zip(BASELINE.points, [False] * 3 + [True] * 7, strict=True)))
def test_a_request_counts_once_it_is_sent(point: KillPoint, sent: bool) -> None:
    """From the moment at which the queue has the command, and no sooner, the result must be that of the request."""
    if point.site.function == "registrar":
        assert findings(BASELINE, point, WORKER_DIED) == []
        assert findings(BASELINE, point, replace(WORKER_DIED, reply="201 confirmed")) == []
        return
    not_sent = replace(API_DIED, rest=BEFORE, again="201 confirmed")
    expected, other = (API_DIED, not_sent) if sent else (not_sent, API_DIED)
    assert findings(BASELINE, point, expected) == []
    assert findings(BASELINE, point, other)
    accepted, rest = replace(BASELINE, reply="202 pending"), AFTER if sent else BEFORE
    assert findings(accepted, point, replace(API_DIED, rest=rest)) == []
    answered = replace(expected, reply="201 confirmed")
    assert findings(BASELINE, point, answered) == ["the client got 201 confirmed from a dead function"]


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
        ({"reply": "409 event-full"}, "the client got 409 event-full; without the crash 201 confirmed"),
        ({"reply": "502"}, "the client got 502; without the crash 201 confirmed"),
        ({"again": "404"}, "the client tried again and got 404; it should have been 201 replayed"),
    ],
)
def test_every_fault_is_found(wrong: dict[str, object], finding: str) -> None:
    """Each thing that may be wrong with a run is reported, and nothing else."""
    run = replace(WORKER_DIED, **wrong)  # type: ignore[arg-type]  # one field of it each
    assert findings(BASELINE, KillPoint(COMMIT, Side.BEFORE), run) == [finding]


def test_older_damage_is_not_reported_at_the_crash() -> None:
    """A rule that is broken when a scenario begins may be so at the crash, but not at rest."""
    baseline = replace(BASELINE, before=replace(BEFORE, broken=("torn",)))
    run = replace(WORKER_DIED, crash=baseline.before)
    assert findings(baseline, KillPoint(COMMIT, Side.AFTER), run) == []
    still = replace(run, rest=replace(AFTER, broken=("torn",)), end=AFTER)
    assert findings(baseline, KillPoint(COMMIT, Side.AFTER), still) == ["at rest: torn"]


@pytest.mark.parametrize(
    ("found", "fired", "failures", "code"),
    [
        ([], True, [], 0),
        (["torn"], True, [], 1),
        ([DID_NOT_FIRE], False, [], 1),
        ([], True, ["seat failed: OSError: gone"], 1),
    ],
)
def test_exit_codes(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    found: list[str],
    fired: bool,
    failures: list[str],
    code: int,
) -> None:
    """The command ends with 0 only if every point fired and nothing was found."""
    results = [PointResult("seat", KillPoint(COMMIT, Side.AFTER), 1, fired, "201 confirmed", found, ["a line"])]
    monkeypatch.setattr(command, "run", lambda *_: (results, failures))
    assert command.main(["--json"]) == code
    assert json.loads(capsys.readouterr().out)["points"][0]["findings"] == found
    assert command.main([]) == code
