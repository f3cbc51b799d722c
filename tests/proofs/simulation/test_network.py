"""The simulation's SDK is set up as the product's is."""

from __future__ import annotations

from typing import Any, cast

from tests.proofs.simulation.network import _ATTEMPTS, _READ_TIMEOUT
from tests.proofs.simulation.scheduler import SECOND
from workers.aws import clients


def test_attempts_and_patience() -> None:
    """It tries a call as often, and waits for an answer as long, as the product's own clients."""
    config = cast("Any", clients._CONFIG)
    assert (config.retries["total_max_attempts"], config.read_timeout * SECOND) == (_ATTEMPTS, _READ_TIMEOUT)
