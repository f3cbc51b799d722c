"""GitHub runs what `.ci/run` runs."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.build.bundles import LAMBDA_PYTHON

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"


@pytest.fixture(scope="module")
def workflow() -> dict[Any, Any]:
    """The workflow as GitHub reads it."""
    read: dict[Any, Any] = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    return read


def test_it_runs_make_test(workflow: dict[Any, Any]) -> None:
    """Its one command is `.ci/run`, which is `make test`, on the oldest supported Python and on the functions'."""
    [job] = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").splitlines()[-1] == "exec make test"
    assert job["strategy"]["matrix"]["python"] == ["3.11", LAMBDA_PYTHON]
    assert 'requires-python = ">=3.11"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_it_has_few_rights(workflow: dict[Any, Any]) -> None:
    """It may only read the code, keeps no credentials, has a timeout, and pins each action by its hash."""
    [job] = workflow["jobs"].values()
    assert workflow["permissions"] == {"contents": "read"}
    assert "permissions" not in job
    assert job["timeout-minutes"] <= 60
    actions = [step for step in job["steps"] if "uses" in step]
    assert actions
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"]) for step in actions)
    [checkout] = [step for step in actions if step["uses"].startswith("actions/checkout@")]
    assert checkout["with"] == {"persist-credentials": False}
