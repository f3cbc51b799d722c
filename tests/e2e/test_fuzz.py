"""Requests that schemathesis generates from the document: examples, coverage, fuzzing, and stateful sequences.

`make fuzz` sends thousands of requests with a new seed each time; here it is always the same sample.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from api.contract import examples
from api.contract.__main__ import KEPT, ROOT
from infra.cli.deployment import Outputs

pytestmark = pytest.mark.e2e

_SAMPLE = "50,1"
_CASES_PER_EXAMPLE = 9
"""The least number of cases that result from each example of an operation."""


def test_nothing_unexpected_is_answered(stack: Outputs, api: httpx.Client, tmp_path: Path) -> None:
    """No 5xx, no undocumented response, no invalid request accepted, no valid one refused."""
    cases, _, seed = os.environ.get("TURNSTILE_FUZZ", _SAMPLE).partition(",")
    api.post("/users", json=examples.NEW_USER)  # so that the document's examples exist
    api.post("/events", json=examples.NEW_EVENT_WITH_WAITLIST)
    report = tmp_path / "report.json"
    options = {
        "--url": stack.api_url,
        "--max-examples": str(max(5, int(cases) // _CASES_PER_EXAMPLE)),
        "--generation-database": "none",
        "--report-json-path": str(report),
    } | ({"--seed": seed} if seed else {})
    settings = ["--config-file", str(ROOT / "tests" / "e2e" / "schemathesis.toml")]
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        *settings,
        "run",
        str(_open_document(tmp_path)),
        "--no-color",
    ]
    done = subprocess.run(
        [*command, *(part for option in options.items() for part in option)],
        cwd=tmp_path,  # schemathesis leaves files behind
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=None if "TURNSTILE_FUZZ" in os.environ else subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    found = json.loads(report.read_text(encoding="utf-8"))
    assert found["complete"]
    assert found["operations"]["tested"] == found["operations"]["total"]
    assert {phase["status"] for phase in found["phases"].values()} == {"success"}
    assert found["test_cases"]["generated"] >= int(cases)


def _open_document(directory: Path) -> Path:
    """Write the document without its security requirements: the stack under attack needs no tokens (test_tokens.py and
    test_matrix.py test those), and return its path."""
    document = json.loads(KEPT.read_text(encoding="utf-8"))
    for operations in document["paths"].values():
        for operation in operations.values():
            operation.pop("security", None)
    path = directory / "openapi.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path
