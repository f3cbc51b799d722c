"""`TURNSTILE_STACK=running`: tests on the stack that is already up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.cli.deployment import Clients, Outputs

pytestmark = pytest.mark.e2e

HERE = Path(__file__).resolve().parent


def run(stack: str, home: str, *tests: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a process of its own with that stack."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV_"))}
    environment |= {"TURNSTILE_STACK": stack, "TURNSTILE_HOME": home}
    command = [sys.executable, "-m", "pytest", "-n0", "-p", "no:cacheprovider", *(str(HERE / test) for test in tests)]
    return subprocess.run(
        command, cwd=HERE.parents[1], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_running_stack_is_used(stack: Outputs, aws: Clients) -> None:
    """A test leaves its event on it, it goes on running, and harmful tests are skipped with a reason."""

    def events() -> int:
        return aws.dynamodb.scan(TableName=stack.events_table, Select="COUNT")["Count"]

    home, before = Path(os.environ["TURNSTILE_HOME"]), events()
    started = (home / "state.json").read_bytes()
    done = run("running", str(home), "test_scenarios.py::test_waiting_list", "test_crash.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed, 1 skipped" in done.stdout
    assert "needs a stack of its own (functions are killed): run it without TURNSTILE_STACK" in done.stdout
    assert events() == before + 1
    assert (home / "state.json").read_bytes() == started


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("running", "TURNSTILE_STACK=running, but there is no local stack"),
        ("runing", "TURNSTILE_STACK is runing; it can be: running"),
    ],
)
def test_without_one_nothing_runs(setting: str, sentence: str, tmp_path: Path) -> None:
    """Without a running stack, or with another value, no test runs; one sentence says why."""
    done = run(setting, str(tmp_path), "test_scenarios.py")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert done.stderr.startswith(f"ERROR: {sentence}")
    assert "passed" not in done.stdout
