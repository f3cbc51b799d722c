"""Random data in tests can be had again: it comes from a seed, and a failure names the seed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.repo_checks.conftest import run_pytest
from tests.support.pages import python_files
from tests.support.xdist_scheduling import SHARING, slowest_first

TESTS = Path(__file__).resolve().parents[1]
CONFTEST = """
from tests.support.chance import Chance

def pytest_configure(config):
    config.pluginmanager.register(Chance())
"""
FAILING = """
import random
from hypothesis import given, settings, strategies as st

def test_of_chance():
    made_up = []

    @settings(database=None)
    @given(st.integers())
    def draw(number):
        made_up.append(number)

    draw()
    raise AssertionError(f"drew {random.random()} {sum(made_up)} {len(made_up)}")
"""


def run(folder: Path, *arguments: str) -> tuple[str, str]:
    """Run pytest there, in random order and with Hypothesis; return what it prints, and what the failing test drew."""
    printed = run_pytest(folder, "-p", "pytest_randomly", "-p", "_hypothesis_pytestplugin", *arguments)
    found = re.search(r"^E +AssertionError: drew (.+)$", printed, re.MULTILINE)
    assert found is not None, printed
    return printed, found[1]


def test_a_failure_says_how_to_repeat_it(tmp_path: Path) -> None:
    """It names the seed of the run; the command that it prints draws the same, another seed something else."""
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "test_it.py").write_text(FAILING, encoding="utf-8")
    printed, drawn = run(tmp_path)
    [seed] = re.findall(r"^The seed of this run is (\d+)\.$", printed, re.MULTILINE)
    assert f"make test SEED={seed}\n" in printed
    [again] = re.findall(r"^this test again: +\.venv/bin/pytest (.+)$", printed, re.MULTILINE)
    assert run(tmp_path, *shlex.split(again))[1] == drawn
    assert run(tmp_path, f"--randomly-seed={int(seed) + 1}")[1] != drawn


def test_slow_packages_come_first_and_in_one_piece() -> None:
    """Packages that share something slow are put together, the slowest first; all others stay in random order."""
    names = ["unit/b", "infra/b", "e2e/b", "api/a", "integration/a", "e2e/a", "unit/a", "infra/a", "tools/bench/a"]
    items: Any = [SimpleNamespace(nodeid=f"tests/{name}.py::test") for name in names]
    slowest_first(items)
    ordered = [item.nodeid.removeprefix("tests/").removesuffix(".py::test") for item in items]
    assert ordered == [
        "e2e/b", "e2e/a", "integration/a", "infra/b", "infra/a", "tools/bench/a", "unit/b", "api/a", "unit/a",
    ]  # fmt: skip
    packages = {folder.name for group in (TESTS, TESTS / "proofs", TESTS / "tools") for folder in group.iterdir()}
    assert packages.issuperset(SHARING)


def test_every_generator_has_a_seed() -> None:
    """Nothing in tests/ draws from a generator without a seed; ruff bans the one that all share."""
    unseeded = re.compile(r"\bRandom" + r"\(\)")
    assert [path for path in python_files("tests") if unseeded.search(path.read_text(encoding="utf-8"))] == []
