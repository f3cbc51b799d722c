"""The command: its arguments and exit codes, without a stack."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from infra.cli.deployment import Deployment
from tests.support.stacks import NoStack
from tests.tools.demo import __main__ as demo
from tests.tools.demo.crowd import UnexpectedAnswer
from tests.tools.demo.made_up import evidence, report
from tests.tools.demo.report import Report
from tests.tools.demo.sizes import Sizes


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the page goes. There is no stack."""

    @contextmanager
    def stack(_say: Callable[[str], None]) -> Iterator[Deployment]:
        yield cast("Deployment", None)

    monkeypatch.setattr(demo, "own_stack", stack)
    return tmp_path / "pages" / "demo.html"


def plays(monkeypatch: pytest.MonkeyPatch, what: Report | BaseException) -> None:
    """The day comes to this."""

    def play(_deployment: Deployment, _sizes: Sizes) -> Report:
        if isinstance(what, BaseException):
            raise what
        return what

    monkeypatch.setattr(demo, "play", play)


def test_a_day_without_fault(out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Every rule was kept: exit code 0, the table on stdout, and the page is written."""
    plays(monkeypatch, report(evidence()))
    assert demo.main(["--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert said.count("✓ kept") == 10
    assert f"Every rule was kept. The day as pictures: {out}" in said
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_broken_rule(out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A rule was broken: exit code 1, and the JSON says which, and what breaks it."""
    seen = evidence()
    looks = [*seen.looks[:-1], replace(seen.looks[-1], queue=3)]
    plays(monkeypatch, report(replace(seen, looks=looks)))
    assert demo.main(["--json", "--out", str(out)]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is False
    assert [rule["broken"] for rule in said["rules"] if not rule["kept"]] == [["3 messages are in the queue"]]


@pytest.mark.parametrize(
    ("fault", "code", "sentence"),
    [
        (KeyboardInterrupt(), 130, "demo: interrupted; all that was started is ended"),
        (UnexpectedAnswer("POST answers 500"), 1, "demo: the day could not be played to its end: POST answers 500"),
        (NoStack("it did not come up"), 1, "to its end: it did not come up"),
    ],
)
def test_a_day_that_ends_early(
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: BaseException,
    code: int,
    sentence: str,
) -> None:
    """What ends the day early is one sentence and an exit code."""
    plays(monkeypatch, fault)
    assert demo.main(["--out", str(out)]) == code
    assert sentence in capsys.readouterr().err


def test_wrong_usage(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sizes that make no day, and a place that cannot be written to, are wrong usage: nothing is started."""
    assert demo.main(["--cancel", "101", "--out", str(out)]) == 2
    assert "demo: --cancel 101: only 100 can have a seat" in capsys.readouterr().err
    out.parent.mkdir()
    (out.parent / "file").touch()
    assert demo.main(["--out", str(out.parent / "file" / "demo.html")]) == 2
    assert "demo: --out: cannot write" in capsys.readouterr().err
