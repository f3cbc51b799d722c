"""`python -m tests.proofs.mutants`: usage, exit codes, what is said where; with made-up mutants."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.proofs.mutants import __main__ as command
from tests.proofs.mutants.workshop import Mutant, MutantsError

KILLED = [Mutant(f"a.x_f__mutmut_{number}", "a.py", "a.f", "killed") for number in range(19)]
SURVIVOR = Mutant("a.x_g__mutmut_1", "a.py", "a.g", "survived", "-    return 1\n+    return True")
WORD = '[[survivor]]\nfunction = "a.g"\nchange = "- return 1\\n+ return True"\nwhy = "True is 1"\n'

Attempt = Callable[[Path, Sequence[str]], list[Mutant]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """Runs the command; `attempt` stands for what is found, `explained` is what the file says."""

    def run(attempt: Attempt, *args: str, explained: str = "") -> int:
        monkeypatch.setattr(command, "attempt", attempt)
        path = tmp_path / "explained.toml"
        path.write_text(explained, encoding="utf-8")
        (tmp_path / "build").mkdir()
        return command.main([*args, "--explained", str(path)], tmp_path / "build")

    return run


def finds(*mutants: Mutant) -> Attempt:
    """An attempt that finds these."""
    return lambda _build, _names: list(mutants)


def test_all_is_well_is_0(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    """Survivors with their reasons and the table go to stdout, nothing else is said."""
    assert run(finds(*KILLED, SURVIVOR), explained=WORD) == 0
    out, err = capsys.readouterr()
    assert "a.x_g__mutmut_1: True is 1\n-    return 1\n+    return True" in out
    assert out.splitlines()[-1].split() == ["all", "20", "19", "0", "1", "95.0"]
    assert err == ""


def test_what_nobody_explained_is_1(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    """The mutant is named on stderr."""
    assert run(finds(*KILLED, SURVIVOR)) == 1
    assert "mutants: a.x_g__mutmut_1: survived, and nothing explains it" in capsys.readouterr().err


def test_an_explanation_too_many_is_1(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    """What it is about is named."""
    assert run(finds(*KILLED), explained=WORD) == 1
    assert "what explains a.g fits no survivor" in capsys.readouterr().err


def test_only_some_need_only_their_explanations(run: Callable[..., int]) -> None:
    """With --only, what explains functions that were not tried is left alone."""
    assert run(finds(*KILLED), "--only", "a.x_f*", explained=WORD) == 0


def test_json_is_one_object(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    """With --json stdout is for machines."""
    assert run(finds(*KILLED, SURVIVOR), "--json", explained=WORD) == 0
    assert json.loads(capsys.readouterr().out)["percent"] == 95


def test_mutants_that_cannot_be_made_are_1(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    """The error is said without a stack trace."""

    def fails(_build: Path, _names: Sequence[str]) -> list[Mutant]:
        raise MutantsError("mutmut failed with 1")

    assert run(fails) == 1
    assert capsys.readouterr().err == "mutants: mutmut failed with 1\n"


def test_an_unreadable_explanation_is_2(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    """It is found before the minutes are spent, and the file is named."""
    assert run(finds(), explained="[[survivor]]") == 2
    assert "explained.toml: " in capsys.readouterr().err


def test_ctrl_c_is_130_and_leaves_nothing(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The copy is removed, and that is said."""

    def interrupted(_build: Path, _names: Sequence[str]) -> list[Mutant]:
        raise KeyboardInterrupt

    assert run(interrupted) == 130
    assert "interrupted" in capsys.readouterr().err
    assert not (tmp_path / "build").exists()


@pytest.mark.parametrize("args", [["--olny"], ["--only"], ["workers"]])
def test_wrong_usage_is_2(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """argparse says what is wrong."""
    with pytest.raises(SystemExit) as caught:
        command.main(args)
    assert caught.value.code == 2
    assert "usage: mutants" in capsys.readouterr().err


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    """What it does, where it writes, how to explain a survivor, examples, exit codes."""
    with pytest.raises(SystemExit):
        command.main(["--help"])
    text = capsys.readouterr().out
    for word in (
        "tests/proofs/mutants/explained.toml",
        "build/mutants",
        "[tool.mutmut]",
        "examples:",
        "exit codes:",
        "95 %",
    ):
        assert word in text
