"""Functions are killed at a call to AWS: a sample of `make crash`."""

from __future__ import annotations

import pytest

from infra.cli.deployment import Deployment, Outputs
from tests.proofs.crash.matrix import findings, run_baseline, run_killed
from tests.proofs.crash.proxy import PROC, KillPoint, Side
from tests.proofs.crash.scenario_run import ScenarioRun
from tests.proofs.crash.scenarios import promotion
from tests.proofs.crash.tapped_stack import tapped_stack

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.own_stack("functions are killed"),
    pytest.mark.skipif(not (PROC / "net" / "tcp").exists(), reason="no /proc: this is not Linux"),
]


def test_a_seat_passes_on_over_dead_functions(stack: Outputs) -> None:
    """If the registrar dies after committing a cancellation, or the promoter before sending `Promote`, the end is the
    same as undisturbed."""
    with tapped_stack(Deployment.resolve(), {"registrar", "promoter"}) as stage:
        model = run_baseline(stage, promotion)
        calls = {(site.function, site.number): site for site in model.sites}
        for (function, number), side in {("registrar", 2): Side.AFTER, ("promoter", 1): Side.BEFORE}.items():
            point = KillPoint(calls[function, number], side)
            assert findings(model, point, run_killed(ScenarioRun(stage), promotion, point)) == []
