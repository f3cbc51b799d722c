"""The bound on messages is that of the emulator that runs here."""

from __future__ import annotations

from infra.cli.local.emulator_process import PROCESSES_PER_FUNCTION
from tests.tools.bench.sold_out import CONNECTIONS, IN_FLIGHT


def test_as_many_requests_are_in_flight_as_the_emulator_runs_processes() -> None:
    """The goal is no looser than what can be in flight, and there are clients enough to have that many."""
    assert IN_FLIGHT == PROCESSES_PER_FUNCTION
    assert CONNECTIONS > IN_FLIGHT
