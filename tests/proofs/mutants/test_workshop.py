"""The copy in which mutants are made: decorated functions are mutated too, and mutmut is really asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.cli.processes import Children, Interrupts
from tests.proofs.mutants.workshop import ROOT, Mutant, MutantsError, Workshop, without_decorators

DECORATED = '''
from dataclasses import dataclass
from functools import lru_cache, wraps


def then(step):
    def decorator(function):
        @wraps(function)
        def wrapper(*args):
            return step(function(*args))
        return wrapper
    return decorator


@dataclass(frozen=True, slots=True)
class Box:
    side: int

    @property
    def area(self):
        """As is."""
        return self.side ** 2

    @staticmethod
    def name():
        return "box"

    @classmethod
    def small(cls):
        return cls(1)


@lru_cache(maxsize=None)
def cached(number):
    calls.append(number)
    return number


@then(lambda number: number + 1)
@then(lambda number: number * 3)
def answer():
    return 7


calls = []
'''

PYPROJECT = """
[tool.pytest.ini_options]
addopts = ["--import-mode=importlib"]

[tool.mutmut]
source_paths = ["workers"]
only_mutate = ["workers/seats.py"]
pytest_add_cli_args_test_selection = ["tests/unit"]
timeout_constant = 0.5
timeout_multiplier = 4.0
"""
CODE = """
from functools import cache


@cache
def free(capacity: int, taken: int) -> int:
    left = capacity - taken
    return left if left > 0 else 0


def untested() -> int:
    return 5


def count(number: int) -> int:
    while number > 3:
        number -= 1
    return number
"""
TESTS = """
from workers.seats import count, free


def test_free() -> None:
    assert (free(5, 2), free(2, 5)) == (3, 0)


def test_count() -> None:
    assert count(9) == 3
"""


def test_decorators_are_applied_afterwards() -> None:
    """No function is decorated any more, for mutmut to see it, and yet all behave as before; caches are gone."""
    changed = without_decorators(DECORATED)
    assert not [line for line in changed.splitlines() if line.lstrip().startswith("@") and "dataclass" not in line]
    module: dict[str, Any] = {"__name__": "made_up"}
    exec(compile(changed, "made_up", "exec", dont_inherit=True), module)  # noqa: S102 - it is our own text
    box = module["Box"]
    assert (box(3).area, box.name(), box.small(), module["answer"]()) == (9, "box", box(1), 22)
    assert [module["cached"](4), module["cached"](4), module["calls"]] == [4, 4, [4, 4]]


def test_the_rest_of_a_module_stays_as_it_is() -> None:
    """Where no function is decorated not a character changes."""
    text = (ROOT / "workers/aws/commit.py").read_text(encoding="utf-8")
    assert without_decorators(text) == text


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny project with the rooms that are copied; its tests need no plugins, which would take the most time."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in ("tests/proofs/mutants", "tests/support", "tests/unit", "workers"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "__init__.py").touch()
    for name, text in {
        "pyproject.toml": PYPROJECT,
        "workers/seats.py": CODE,
        "workers/other.py": "def f() -> int:\n    return 1\n",
        "tests/unit/test_seats.py": TESTS,
        "tests/__init__.py": "",
        "tests/proofs/__init__.py": "",
        "tests/conftest.py": "",
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def attempt(project: Path, *names: str) -> tuple[list[Mutant], list[tuple[int, int]]]:
    """The mutants of a project, and the progress that was made."""
    said: list[tuple[int, int]] = []
    with Interrupts() as interrupts, Children(interrupts) as children:
        workshop = Workshop(project / "build", project)
        workshop.run(children, names, lambda done, total: said.append((done, total)))
        return workshop.mutants(), said


def test_mutmut_is_asked_about_every_function(project: Path) -> None:
    """A mutant that a test notices is killed, one that never ends is noticed, one that makes no difference survives
    with its change, and what no test touches is named. Of other files there are none."""
    mutants, said = attempt(project)
    by_status = {status: [one for one in mutants if one.status == status] for status in {one.status for one in mutants}}
    assert set(by_status) == {"killed", "timeout", "survived", "no tests"}
    assert {one.file for one in mutants} == {"workers/seats.py"}
    assert {one.function for one in by_status["no tests"]} == {"workers.seats.untested"}
    assert {one.function for one in by_status["timeout"]} == {"workers.seats.count"}
    assert "-    return left if left > 0 else 0\n+    return left if left >= 0 else 0" in {
        one.change for one in by_status["survived"] if one.function == "workers.seats.free"
    }
    assert "workers.seats.free" in {one.function for one in by_status["killed"]}
    assert [one.noticed for one in mutants] == [one.status in {"killed", "timeout"} for one in mutants]
    assert all(0 <= done <= total for done, total in said)
    assert not (project / "mutants").exists()


def test_some_can_be_tried_alone(project: Path) -> None:
    """Those whose names match are tried, the others are not among the mutants."""
    mutants, _ = attempt(project, "workers.seats.x_free*")
    assert {one.function for one in mutants} == {"workers.seats.free"}


def test_tests_that_fail_anyway_end_it(project: Path) -> None:
    """Where a test is red without any mutant nothing can be said: the error shows what mutmut wrote last."""
    with (project / "tests/unit/test_seats.py").open("a", encoding="utf-8") as file:
        file.write("\n\ndef test_red() -> None:\n    assert count(9) == 'red'\n")
    with pytest.raises(MutantsError, match=r"(?s)mutmut failed with 1; the end of .*mutmut\.log:.*test_red"):
        attempt(project)


def test_a_project_that_says_nothing_is_told(project: Path) -> None:
    """Without the setting the error names it."""
    (project / "pyproject.toml").write_text("[tool.mutmut]\n", encoding="utf-8")
    with pytest.raises(MutantsError, match=r"only_mutate in \[tool\.mutmut\]"):
        Workshop(project / "build", project)


def test_what_was_there_before_is_gone(project: Path) -> None:
    """Results of another day are not taken for today's: the copy begins anew."""
    stale = project / "build/mutants/mutmut-stats.json"
    stale.parent.mkdir(parents=True)
    stale.touch()
    Workshop(project / "build", project)
    assert not stale.exists()


def test_two_runs_do_not_pull_the_floor_from_under_each_other(project: Path) -> None:
    """The second is refused while the first has the directory, whose content stays; afterwards it may."""
    first = Workshop(project / "build", project)
    with pytest.raises(MutantsError, match=r"another run is at work there \(it holds .*build\.lock\)"):
        Workshop(project / "build", project)
    assert (project / "build/pyproject.toml").exists()
    del first
    Workshop(project / "build", project)
