"""Indexes that follow their tables late, as DynamoDB's may."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.proofs.simulation.engine import SECOND
from tests.proofs.simulation.faults import Fault

if TYPE_CHECKING:
    from tests.proofs.simulation.world import World

LONGEST = 3 * SECOND
"""No row is behind its item for longer."""


class IndexLag:
    """All index rows that are still to change."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = world.chance("index")
        self._behind = 0
        self._last_row: dict[tuple[str, str], int] = {}

    def changed(self, index: str, key: str, apply: Callable[[], None]) -> None:
        """A row is to change: it mostly does at once. Changes of one item keep their order."""
        engine, late = self._world.engine, 0
        if self._world.faults.happens(Fault.STALE_INDEX, self._chance):
            late = self._chance.randrange(LONGEST)
        due = max(engine.now + late, self._last_row.get((index, key), 0))
        if due == engine.now:
            apply()
            return
        self._last_row[index, key] = due
        self._behind += 1

        def catch_up() -> None:
            self._behind -= 1
            apply()

        engine.after(due - engine.now, catch_up)

    def is_met(self) -> bool:
        """An index is about to be read: whether it lags."""
        if self._behind:
            self._world.count(Fault.STALE_INDEX, f"{self._behind} rows behind")
        return self._behind > 0
