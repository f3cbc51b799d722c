"""Many threads on a few events at a time: what FIFO groups prevent, the conditions in the tables prevent again."""

from __future__ import annotations

import pytest

from tests.proofs.races.proof import prove, seated_without_conditions
from tests.proofs.races.race import EVENTS, RUSHED

pytestmark = pytest.mark.integration

COMMANDS, THREADS, SEED = 500, 20, 1
AGAIN = f"again: .venv/bin/python -m tests.proofs.races --commands {COMMANDS} --seed {SEED}"


def test_twenty_threads_without_fifo_groups_break_no_rule(dynamodb_url: str) -> None:
    """500 commands through real handlers, conflicts, lost answers, copies, no order: every committed state is sound,
    every command has its outcome, and no answer was untrue."""
    findings = prove(dynamodb_url, COMMANDS, THREADS, seed=SEED, say=lambda _: None)
    assert findings.broken == (), AGAIN
    assert findings.commands >= COMMANDS


def test_without_the_conditions_the_same_rush_oversells(dynamodb_url: str) -> None:
    """200 people, 25 seats, and writes that do not look at versions: many more than 25 people are confirmed."""
    assert seated_without_conditions(dynamodb_url, THREADS) > EVENTS[RUSHED].capacity
