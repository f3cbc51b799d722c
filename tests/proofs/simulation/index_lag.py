"""Indexes that follow their tables late, as DynamoDB's may."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.proofs.simulation.faults import Fault
from tests.proofs.simulation.scheduler import SECOND

if TYPE_CHECKING:
    from tests.proofs.simulation.simulation import Simulation

LONGEST = 3 * SECOND
"""The longest lag of an index row."""


class IndexLag:
    """Delays the changes of index rows."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._chance = sim.chance("index")
        self._behind = 0
        self._last_row: dict[tuple[str, str], int] = {}

    def changed(self, index: str, key: str, apply: Callable[[], None]) -> None:
        """Apply the change of a row, mostly at once. The changes of one item keep their order."""
        scheduler, late = self._sim.scheduler, 0
        if self._sim.faults.happens(Fault.STALE_INDEX, self._chance):
            late = self._chance.randrange(LONGEST)
        due = max(scheduler.now + late, self._last_row.get((index, key), 0))
        if due == scheduler.now:
            apply()
            return
        self._last_row[index, key] = due
        self._behind += 1

        def catch_up() -> None:
            self._behind -= 1
            apply()

        scheduler.after(due - scheduler.now, catch_up)

    def is_met(self) -> bool:
        """Return whether an index lags that is about to be read."""
        if self._behind:
            self._sim.count(Fault.STALE_INDEX, f"{self._behind} rows behind")
        return self._behind > 0
