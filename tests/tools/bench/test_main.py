"""`python -m tests.tools.bench`: usage, exit codes, what is written where; with made-up parts."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

from tests.tools.bench import __main__ as bench
from tests.tools.bench.figures import Figure, Part, at_least
from tests.tools.bench.setting import BenchError, Setting

Measure = Callable[[Setting], Part]


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes these the parts there are, by name."""

    def be(**measures: Measure) -> None:
        for name, measure in measures.items():
            module = ModuleType(name)
            module.measure = measure  # type: ignore[attr-defined]  # what a part is
            monkeypatch.setitem(sys.modules, f"tests.tools.bench.made_up_{name}", module)
        monkeypatch.setattr(bench, "PARTS", {name: f"made_up_{name}" for name in measures})

    return be


def good(_: Setting) -> Part:
    """A part whose goal is met; it prints, as careless code does."""
    print("chatter")
    return Part("good", [Figure("speed", 4, "times", at_least(3))])


def slow(_: Setting) -> Part:
    """A part whose goal is missed."""
    return Part("slow", [Figure("speed", 2, "times", at_least(3))])


def broken(_: Setting) -> Part:
    """A part with a mistake in it."""
    raise ValueError("oh")


def impossible(_: Setting) -> Part:
    """A part that cannot have what it needs."""
    raise BenchError("the local stack did not start:\nport in use")


def interrupted(_: Setting) -> Part:
    """A part during which somebody types Ctrl-C."""
    raise KeyboardInterrupt


def test_every_part_has_its_module() -> None:
    """The table of parts names modules that are there."""
    assert [name for name in bench.PARTS.values() if find_spec(f"tests.tools.bench.{name}") is None] == []


def test_all_goals_met_is_0(parts: Callable[..., None], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The table goes to stdout, progress to stderr, figures and pictures to files."""
    parts(good=good)
    assert bench.main(["--out", str(tmp_path / "new")]) == 0
    out, err = capfd.readouterr()
    assert "speed" in out
    assert "1 of 1, good: begins" in err
    assert json.loads((tmp_path / "new/bench.json").read_text())["met"] is True
    assert "speed" in (tmp_path / "new/bench.html").read_text()


def test_one_part_that_fails_does_not_hide_the_others(
    parts: Callable[..., None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each missed goal and each failure is named; the others are measured all the same; the code is 1."""
    parts(broken=broken, impossible=impossible, slow=slow, good=good)
    assert bench.main(["--out", str(tmp_path)]) == 1
    out, err = capfd.readouterr()
    assert err.splitlines()[-3:] == [
        "bench: broken: failed: ValueError: oh",
        "bench: impossible: failed: the local stack did not start: port in use",
        "bench: slow: speed is 2 times, not ≥ 3",
    ]
    assert "4 times" in out
    assert [part["error"] is None for part in json.loads((tmp_path / "bench.json").read_text())["parts"]] == [
        False, False, True, True,
    ]  # fmt: skip


def test_json_is_all_there_is_on_stdout(
    parts: Callable[..., None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Even if a part prints."""
    parts(good=good)
    assert bench.main(["--json", "--out", str(tmp_path)]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["parts"][0]["name"] == "good"
    assert "chatter" in err


def test_an_interrupt_ends_what_was_started(
    parts: Callable[..., None],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The setting is left, so that it ends the engine and the stack; nothing is written; the code is 130."""
    ended: list[object] = []
    monkeypatch.setattr(Setting, "__exit__", lambda _, kind, *__: ended.append(kind))
    parts(good=good, interrupted=interrupted, slow=slow)
    assert bench.main(["--out", str(tmp_path)]) == 130
    assert ended == [KeyboardInterrupt]
    assert list(tmp_path.iterdir()) == []
    assert "interrupted" in capfd.readouterr().err.splitlines()[-1]


def test_only_some_parts_run(parts: Callable[..., None], tmp_path: Path) -> None:
    """Named by how they begin, in the order of the table, each with the number of runs that was asked for."""
    runs: list[tuple[str, int]] = []

    def noting(name: str) -> Measure:
        def measure(setting: Setting) -> Part:
            runs.append((name, setting.runs))
            return Part(name, [])

        return measure

    parts(hot=noting("hot"), cold=noting("cold"), spread=noting("spread"))
    assert bench.main(["--only", "SPR", "hot", "--runs", "9", "--out", str(tmp_path)]) == 0
    assert runs == [("hot", 9), ("spread", 9)]


@pytest.mark.parametrize("arguments", [["--only", "nothing"], ["--only", ""], ["--runs", "0"], ["--runs", "x"], ["x"]])
def test_wrong_usage_is_2(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """With a sentence that says what is wrong, and before anything starts."""
    with pytest.raises(SystemExit) as left:
        bench.main(arguments)
    assert left.value.code == 2
    assert "bench: error: " in capfd.readouterr().err


def test_help_names_the_parts_and_the_exit_codes(capfd: pytest.CaptureFixture[str]) -> None:
    """Who asks for help need not read the code."""
    with pytest.raises(SystemExit):
        bench.main(["--help"])
    text = " ".join(capfd.readouterr().out.split())
    assert all(name in text for name in bench.PARTS)
    assert "exit codes: 0" in text
