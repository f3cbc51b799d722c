"""Random data in tests can be had again: it comes from a seed, and a failure names the seed."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

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
GLOBAL = {
    "tools/bench/baseline.py": "how long the textbook solution pauses is measured, not asserted",
    "proofs/soak/fault_proxy.py": "microburst draws from the module; the soak's seed is set before it starts",
}
"""Files that may draw from the module `random`, which all share, and why."""


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


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import random\nrandom.Random()", ["Random()"]),
        ("from random import Random\nrng = Random()", ["Random()"]),
        ("import random as r\nr.SystemRandom()", ["SystemRandom"]),
        ("from random import choice", ["choice"]),
        ("import random\nfrom random import Random\nrandom.Random(1).shuffle(x)\nRandom('2').random()", []),
        ("import secrets\nsecrets.choice(x)", ["choice"]),
        ("from secrets import token_hex\ntoken_hex(3)", []),
    ],
)
def test_unseeded_draws_are_found(source: str, found: list[str]) -> None:
    """Every way to draw without a seed is found, and nothing else."""
    assert list(unseeded(ast.parse(source))) == found


def test_all_draws_have_a_seed() -> None:
    """No file in tests/ draws from an unseeded generator, or from the one that all share."""
    found = {
        path.relative_to(TESTS).as_posix(): names
        for path in python_files("tests")
        if (names := list(unseeded(ast.parse(path.read_text(encoding="utf-8")))))
    }
    assert {path: names for path, names in found.items() if path not in GLOBAL} == {}
    assert found.keys() == GLOBAL.keys()


def unseeded(tree: ast.Module) -> Iterator[str]:
    """Yield what a module draws that cannot be repeated; unique names (`token_hex`, `uuid4`) are fine."""
    modules = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name in {"random", "secrets"}
    }
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module="random" | "secrets", names=names):
                yield from (alias.name for alias in names if alias.name not in {"Random", "token_hex"})
            case ast.Attribute(value=ast.Name(id=module), attr=name) if module in modules:
                if name not in {"Random", "token_hex"}:
                    yield name
            case ast.Call(args=[], func=function):
                if cast("str", getattr(function, "attr", getattr(function, "id", ""))) == "Random":
                    yield "Random()"
