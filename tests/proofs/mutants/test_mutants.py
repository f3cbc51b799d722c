"""mutmut is really asked, about decorated functions too, and a survivor needs exactly one explanation that fits."""

from __future__ import annotations

import inspect
import json
import pkgutil
from pathlib import Path

import pytest

from tests.proofs.mutants import __main__ as command
from tests.proofs.mutants.results import Explanation, Mutant, MutationReport, read_explanations

PROJECT = {
    "pyproject.toml": """
[tool.pytest.ini_options]
addopts = ["--import-mode=importlib"]
[tool.mutmut]
source_paths = ["workers"]
only_mutate = ["workers/seats.py"]
pytest_add_cli_args_test_selection = ["tests/unit"]
timeout_constant = 0.5
timeout_multiplier = 4.0
""",
    "workers/seats.py": """
from functools import cache
@cache
def free(capacity: int, taken: int) -> int:
    left = capacity - taken
    return left if left > 0 else 0
class Box:
    @property
    def side(self) -> int:
        return 3
def untested() -> int:
    return 5
def count(number: int) -> int:
    while number > 3:
        number -= 1
    return number
""",
    "workers/other.py": "def f() -> int:\n    return 1\n",
    "tests/unit/test_seats.py": """
from workers.seats import Box, count, free
def test_free() -> None:
    assert (free(5, 2), free(2, 5), Box().side) == (3, 0, 3)
def test_count() -> None:
    assert count(9) == 3
""",
}


def test_mutmut_tries_every_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A noticed mutant is killed, an endless one too, one without effect survives, and untested code is named.

    A cached function and a property are mutated as well; other files are not.
    """
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in ("tests/proofs/mutants", "tests/support", "tests/unit", "workers"):
        (tmp_path / name).mkdir(parents=True)
    inits = ("tests", "tests/proofs", "tests/proofs/mutants", "tests/support", "tests/unit", "workers")
    empty = dict.fromkeys([*(f"{name}/__init__.py" for name in inits), "tests/conftest.py"], "")
    for name, text in (PROJECT | empty).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    mutants = command.run_mutmut(tmp_path / "build", [], tmp_path)
    assert {mutant.file for mutant in mutants} == {"workers/seats.py"}
    fates = {(mutant.function.removeprefix("workers.seats."), mutant.status) for mutant in mutants}
    expected = {("untested", "no tests"), ("count", "timeout"), ("free", "killed"), ("Box.side", "killed")}
    assert fates >= {*expected, ("free", "survived")}
    assert "-    return left if left > 0 else 0\n+    return left if left >= 0 else 0" in {m.change for m in mutants}


KILLED = [Mutant(f"a.x_f__mutmut_{number}", "a.py", "a.f", "killed") for number in range(18)]
KILLED.append(Mutant("a.x_f__mutmut_19", "a.py", "a.f", "timeout"))
SURVIVOR = Mutant("a.x_g__mutmut_1", "a.py", "a.g", "survived", "-    return 1\n+    return True")
FITTING = Explanation("a.g", "- return 1\n+ return True", "True is 1")


@pytest.mark.parametrize(
    ("mutants", "explanations", "faults"),
    [
        ([*KILLED, SURVIVOR], [FITTING], []),
        ([*KILLED, SURVIVOR], [], ["a.x_g__mutmut_1: survived, and nothing explains it"]),
        ([*KILLED, SURVIVOR], [Explanation("a.f", FITTING.change, "-")], ["nothing explains it", "fits no survivor"]),
        ([*KILLED, SURVIVOR], [Explanation("a.g", "- return 1", "-")], ["nothing explains it", "fits no survivor"]),
        (KILLED, [FITTING], ["the explanation of a.g fits no survivor"]),
        ([*KILLED, *KILLED, SURVIVOR, SURVIVOR], [FITTING], ["nothing explains it"]),
        ([*KILLED[1:], SURVIVOR], [FITTING], ["94.7 % of the mutants were noticed, not 95 %"]),
        ([], [], ["0.0 % of the mutants were noticed"]),
    ],
)
def test_faults(
    mutants: list[Mutant],
    explanations: list[Explanation],
    faults: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each survivor needs an explanation that fits it alone, and each explanation a survivor; the exit code says so."""
    found = MutationReport(mutants, explanations).faults
    assert [sentence for sentence, part in zip(found, faults, strict=True) if part not in sentence] == []
    monkeypatch.setattr(command, "run_mutmut", lambda *_: mutants)
    monkeypatch.setattr(command, "read_explanations", lambda _: explanations)
    assert command.main(["--json"]) == (1 if faults else 0)
    assert json.loads(capsys.readouterr().out)["faults"] == found


def test_each_explanation_is_about_existing_code() -> None:
    """The lines that an explained mutant removes stand in the function that is named: no entry is out of date."""
    for one in read_explanations(command.EXPLAINED):
        function = pkgutil.resolve_name(one.function)
        source = inspect.getsource(getattr(function, "fget", function))
        gone = {line[1:].strip() for line in one.change.splitlines() if line.startswith("-")}
        assert gone
        assert gone <= {line.strip() for line in source.splitlines()}, one.function
