"""Replays of dead letters are killed: a sample of `make prove-replay`."""

from __future__ import annotations

import pytest

from infra.cli.deployment import Deployment, Outputs
from tests.proofs.replay.proof import ProofSize, prove

pytestmark = pytest.mark.e2e

SIZE = ProofSize(letters=60, events=6, kills=10, seed=1)
AGAIN = "again: .venv/bin/python -m tests.proofs.replay --letters 60 --events 6 --kills 10 --seed 1"


def test_killed_replays_lose_double_and_reorder_nothing(stack: Outputs) -> None:
    """60 dead letters of 6 events, 10 replays killed at random moments, new commands meanwhile: nothing is lost."""
    findings = prove(Deployment.resolve(), SIZE, print)
    assert findings.killed_midway > 0
    assert findings.ok, f"{findings}; {AGAIN}"
