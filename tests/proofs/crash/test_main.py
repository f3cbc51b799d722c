"""`python -m tests.proofs.crash`: usage, exit codes, what is said where; with made-up results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.proofs.crash import __main__ as crash
from tests.proofs.crash.matrix import DID_NOT_FIRE, Result
from tests.proofs.crash.stories import STORIES
from tests.proofs.crash.wire import Point, Side, Step
from tests.support.command_line import Progress


def results(*findings_of_each: Sequence[str], fired: bool = True) -> list[Result]:
    """Results at the same point."""
    point = Point(Step("registrar", 2, "TransactWriteItems ledger"), Side.AFTER)
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
