"""Functions that are killed at a call to AWS, on the real stack: a sample of `make crash`."""

from __future__ import annotations

import pytest

from infra.cli.deployment import Deployment, Outputs
from tests.proofs.crash.case import Case
from tests.proofs.crash.matrix import findings, killed, undisturbed
from tests.proofs.crash.stories import promotion
from tests.proofs.crash.target import target
from tests.proofs.crash.wire import PROC, Point, Side

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.own_stack("functions are killed"),
    pytest.mark.skipif(not (PROC / "net" / "tcp").exists(), reason="no /proc: this is not Linux"),
]


def test_a_seat_passes_on_over_dead_functions(stack: Outputs) -> None:
    """The registrar dies when it has committed a cancellation, or the promoter before it asks for the promotion: in the
    end all is as if nobody had died."""
    with target(Deployment.resolve(), {"registrar", "promoter"}) as stage:
        model = undisturbed(stage, promotion)
        calls = {(step.function, step.number): step for step in model.steps}
        for (function, number), side in {("registrar", 2): Side.AFTER, ("promoter", 1): Side.BEFORE}.items():
            point = Point(calls[function, number], side)
            assert findings(model, point, killed(Case(stage), promotion, point)) == []
