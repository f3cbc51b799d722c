"""A sample of histories, and what one may expect of whoever makes them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.proofs.simulation.campaign import ENOUGH, FAILED, Totals
from tests.proofs.simulation.faults import Fault

_ROOT = Path(__file__).parents[3]


def simulate(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command that `make simulate` runs."""
    command = [sys.executable, "-m", "tests.proofs.simulation", *arguments]
    env = os.environ | environment
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=_ROOT, env=env)


def enough() -> Totals:
    """Just as many histories, commands, events and failures as are wanted."""
    totals = Totals(ENOUGH, commands=60 * ENOUGH, events=3 * ENOUGH)
    totals.fired.update(dict.fromkeys(Fault, 1000))
    totals.failed.update(dict.fromkeys(FAILED, 1))
    return totals


def test_no_rule_breaks_in_two_hundred_histories() -> None:
    """Two hundred histories with every kind of fault: no rule breaks, and none of them is idle."""
    ran = simulate("--seeds", str(ENOUGH), "--processes", "1", "--json")
    found = json.loads(ran.stdout)
    assert (ran.returncode, found["broken"], found["shortcomings"]) == (0, {}, []), ran.stderr
    assert found["histories"] == ENOUGH
    assert all(found["faults"].values())


def test_one_seed_is_one_history() -> None:
    """The same seed tells the same story, byte for byte, whatever order Python has for its sets."""
    # In this one events are recounted, some of them twice: where a set's order would show first.
    first, second = (simulate("--seeds", "1", "--from", "42", "--story", PYTHONHASHSEED=seed) for seed in ("1", "4"))
    assert first.stdout.count("\n") > 500
    assert first.stdout == second.stdout
    assert simulate("--seeds", "1", "--from", "43", "--story").stdout != first.stdout


def test_a_mistake_is_told_as_a_short_history_that_can_be_run_again() -> None:
    """With a mistake in the product it fails, names rule and seed, and its command breaks the same rule again."""
    ran = simulate("--seeds", "20", "--first-only", "--plant", "line-one-too-long")
    assert ran.returncode == 1
    found = re.search(r"BROKEN in history (\d+): 7: the line keeps its limit", ran.stdout)
    assert found is not None
    assert f"All of it:\n  make simulate SEEDS=1 FROM={found[1]}\n" in ran.stderr
    command = next(line for line in ran.stderr.splitlines() if line.startswith("  python -m tests.proofs.simulation "))
    again = simulate(*command.split()[3:])
    assert (again.returncode, "BROKEN 7: the line keeps its limit" in again.stdout) == (1, True)
    assert len(command.partition("--only ")[2].split()[0].split(",")) < 10


def test_histories_without_some_fault_are_not_enough() -> None:
    """Many histories in which one fault never happened fail, as do quiet ones; a few are not judged."""
    totals = enough()
    assert totals.shortcomings() == []
    totals.fired[Fault.CRASH] = 0
    totals.commands -= ENOUGH
    assert totals.shortcomings() == [
        f"never happened: {Fault.CRASH}",
        "59.0 commands in a history on average; at least 60 are wanted",
    ]
    totals.histories -= 1
    assert totals.shortcomings() == []


def test_histories_in_which_the_product_met_no_failure_are_not_enough() -> None:
    """The calls of each function that matter must have failed after all attempts of the SDK, parking among them."""
    totals = enough()
    totals.failed["registrar", "send_message"] = 0
    assert totals.shortcomings() == ["never failed for good: registrar send_message"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--seeds", "0"], "argument --seeds: '0' is not a whole number, 1 or more"),
        (["--plant", "nonsense"], "argument --plant: invalid choice: 'nonsense'"),
        (["--seeds", "1", "--without", "rain"], "argument --without: there is no fault 'RAIN'"),
        (["--without", "crash"], "--only, --without and --story are about one history: with --seeds 1"),
    ],
)
def test_wrong_usage(arguments: list[str], sentence: str) -> None:
    """What it does not know, or cannot heed, is refused with exit code 2, and named."""
    ran = simulate(*arguments)
    assert ran.returncode == 2
    assert sentence in ran.stderr
