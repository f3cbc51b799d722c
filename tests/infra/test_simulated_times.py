"""The simulation gives functions and messages the time that the stack gives them."""

from __future__ import annotations

from tests.infra.reading import Resources
from tests.proofs.simulation.simulation import API_SECONDS, PROMOTER_SECONDS, REGISTRAR_SECONDS, VISIBILITIES


def test_time_outs(resources: Resources) -> None:
    """The time-outs of the functions that are simulated, and that of a message in the queue of commands."""
    functions = ("ApiRegistrationsFunction", "ApiEventsFunction", "WorkersRegistrarFunction", "WorkersPromoterFunction")
    times = [resources.one(name)["Timeout"] for name in functions]
    assert times == [API_SECONDS, API_SECONDS, REGISTRAR_SECONDS, PROMOTER_SECONDS]
    assert resources.one("QueuesCommands")["VisibilityTimeout"] == VISIBILITIES[0]
