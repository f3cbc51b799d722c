"""A sample of histories, and the command that runs them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from tests.proofs.simulation.campaign import ENOUGH, FAILED, CampaignTotals
from tests.proofs.simulation.faults import Fault
from tests.proofs.simulation.network import _ATTEMPTS, _READ_TIMEOUT
from tests.proofs.simulation.scheduler import SECOND
from workers.aws import clients

_ROOT = Path(__file__).parents[3]


def simulate(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command of `make simulate`."""
    command = [sys.executable, "-m", "tests.proofs.simulation", *arguments]
    env = os.environ | environment
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=_ROOT, env=env)


def test_no_rule_breaks_in_two_hundred_histories() -> None:
    """Two hundred histories with every kind of fault: no rule breaks, and none of them is idle."""
    ran = simulate("--seeds", str(ENOUGH), "--processes", "1", "--json")
    found = json.loads(ran.stdout)
    assert (ran.returncode, found["broken"], found["shortcomings"]) == (0, {}, []), ran.stderr
    assert found["histories"] == ENOUGH
    assert all(found["faults"].values())


def test_a_seed_determines_its_history() -> None:
    """The same seed gives the same trace, byte for byte, whatever order Python has for its sets."""
    # In this history events are recounted, some of them twice: the order of a set would show there first.
    first, second = (simulate("--seeds", "1", "--from", "42", "--story", PYTHONHASHSEED=seed) for seed in ("1", "4"))
    assert first.stdout.count("\n") > 500
    assert first.stdout == second.stdout


def test_a_broken_rule_is_shown_by_a_short_history() -> None:
    """With a bug in the product the command fails, names rule and seed, and prints a command that breaks the rule."""
    ran = simulate("--seeds", "20", "--processes", "1", "--plant", "line-one-too-long")
    assert ran.returncode == 1
    found = re.search(r"BROKEN in history (\d+): 7: the waiting list keeps its limit", ran.stdout)
    assert found is not None
    assert f"All of it:\n  make simulate SEEDS=1 FROM={found[1]}\n" in ran.stderr
    command = next(line for line in ran.stderr.splitlines() if line.startswith("  python -m tests.proofs.simulation "))
    again = simulate(*command.split()[3:])
    assert (again.returncode, "BROKEN 7: the waiting list keeps its limit" in again.stdout) == (1, True)
    assert len(command.partition("--only ")[2].split()[0].split(",")) < 10


@pytest.mark.parametrize(
    ("change", "shortcoming"),
    [
        (lambda totals: None, []),
        (lambda totals: totals.fired.pop(Fault.CRASH), [f"never happened: {Fault.CRASH}"]),
        (lambda totals: totals.failed.pop(FAILED[4]), ["never failed for good: registrar send_message"]),
        (
            lambda totals: setattr(totals, "commands", 59 * ENOUGH),
            ["59.0 commands in a history on average; at least 60 are wanted"],
        ),
    ],
)
def test_a_campaign_must_be_thorough(change: Any, shortcoming: list[str]) -> None:
    """Many histories without some fault or failure, or with few requests, prove too little; a few are not judged."""
    totals = CampaignTotals(ENOUGH, commands=60 * ENOUGH, events=3 * ENOUGH)
    totals.fired.update(dict.fromkeys(Fault, 1000))
    totals.failed.update(dict.fromkeys(FAILED, 1))
    change(totals)
    assert totals.shortcomings() == shortcoming
    totals.histories -= 1
    assert totals.shortcomings() == []


def test_wrong_usage() -> None:
    """Options for one history are refused for many."""
    ran = simulate("--without", "crash")
    assert ran.returncode == 2
    assert "--only, --without and --story are about one history: with --seeds 1" in ran.stderr


def test_the_network_retries_like_the_product() -> None:
    """The simulated SDK has the attempts and the read timeout of the product's clients."""
    config = cast("Any", clients._CONFIG)
    assert (config.retries["total_max_attempts"], config.read_timeout * SECOND) == (_ATTEMPTS, _READ_TIMEOUT)
