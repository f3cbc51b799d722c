"""Whatever a test leaves to chance can be had again: it comes from a seed, and a failure names it."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.repo_checks.conftest import run_pytest
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
"""Who may draw from the module `random`, which is common to all, and why."""


def run(folder: Path, *arguments: str) -> str:
    """What pytest says there, in random order and with Hypothesis."""
    return run_pytest(folder, "-p", "pytest_randomly", "-p", "_hypothesis_pytestplugin", *arguments)


def test_a_failure_says_how_to_have_it_again(tmp_path: Path) -> None:
    """It names the seed of the run; the command that it prints draws the same, another seed draws something else."""
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "test_it.py").write_text(FAILING, encoding="utf-8")
    first = run(tmp_path)
    [seed] = re.findall(r"^The seed of this run is (\d+)\.$", first, re.MULTILINE)
    assert f"Using --randomly-seed={seed}\n" in first
    assert f"make test SEED={seed}\n" in first
    [again] = re.findall(r"^this test again: +\.venv/bin/pytest (.+)$", first, re.MULTILINE)
    drawn = _drawn(first)
    assert _drawn(run(tmp_path, *shlex.split(again))) == drawn
    assert _drawn(run(tmp_path, f"--randomly-seed={int(seed) + 1}")) != drawn


def _drawn(said: str) -> str:
    found = re.search(r"^E +AssertionError: drew (.+)$", said, re.MULTILINE)
    assert found is not None, said
    return found[1]


class _Item:
    """A test, by its name."""

    def __init__(self, nodeid: str) -> None:
        self.nodeid = nodeid


def test_slow_rooms_come_first_and_in_one_piece() -> None:
    """Rooms that share something slow are put together, the slowest first; all else stays in the order of chance."""
    names = ["unit/b", "infra/b", "e2e/b", "api/a", "integration/a", "e2e/a", "unit/a", "infra/a", "tools/bench/a"]
    items: Any = [_Item(f"tests/{name}.py::test") for name in names]
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
        ("from random import Random\nchance = Random()", ["Random()"]),
        ("import random as r\nr.SystemRandom()", ["SystemRandom"]),
        ("import random\nrandom.shuffle(x)", ["shuffle"]),
        ("from random import choice", ["choice"]),
        ("import random\nfrom random import Random\nrandom.Random(1).shuffle(x)\nRandom('2').random()", []),
        ("import secrets\nsecrets.choice(x)", ["choice"]),
        ("from secrets import token_hex\ntoken_hex(3)", []),
    ],
)
def test_chance_without_a_seed_is_seen(source: str, found: list[str]) -> None:
    """The proof of the next one: every way to draw what no seed leads to is found, and nothing else."""
    assert list(seedless(ast.parse(source))) == found


def test_all_chance_has_a_seed() -> None:
    """No file in tests/ draws from a generator without a seed, or from the one that is common to all."""
    found = {
        path.relative_to(TESTS).as_posix(): names
        for path in sorted(TESTS.rglob("*.py"))
        if (names := list(seedless(ast.parse(path.read_text(encoding="utf-8")))))
    }
    assert {path: names for path, names in found.items() if path not in GLOBAL} == {}
    assert found.keys() == GLOBAL.keys()


def seedless(tree: ast.Module) -> Iterator[str]:
    """What a module draws that cannot be had again. Unique names (`token_hex`, `uuid4`) are no chance."""
    modules = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name in {"random", "secrets"}
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in {"random", "secrets"}:
            yield from (alias.name for alias in node.names if _is_seedless(alias.name))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            if _is_seedless(node.attr):
                yield node.attr
        elif isinstance(node, ast.Call) and not node.args and _name(node.func) == "Random":
            yield "Random()"


def _is_seedless(name: str) -> bool:
    return name not in {"Random", "token_hex"}


def _name(function: ast.expr) -> str:
    return cast("str", getattr(function, "attr", getattr(function, "id", "")))
