"""Virtual time, and processes that take turns on it: no threads, no sockets, nothing but one agenda.

The real handlers are ordinary code that calls AWS and sleeps. Here each runs in a greenlet: at every call it hands over
to the agenda, which decides by time, and by nothing else, who goes on. Times are drawn from the history's seed, so the
seed picks the interleaving, and the same seed picks it again.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any

from greenlet import getcurrent, greenlet

SECOND = 1_000_000
START = 1_767_225_600_000_000
"""2026-01-01, in microseconds since 1970."""


class ProcessKilled(BaseException):
    """The process is no more. Nothing in it may catch this."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: with a value, with an exception, or killed."""

    value: Any = None
    error: Exception | None = None
    killed: bool = False


class SimulatedProcess(greenlet):
    """Something that runs, waits for answers, and may die at any of them. `chance` is its own source of chance."""

    def __init__(
        self, scheduler: Scheduler, name: str, chance: Random, work: Callable[[], Any], then: Callable[[Ended], None]
    ) -> None:
        super().__init__(parent=scheduler.hub)
        self.name = name
        self.chance = chance
        self._scheduler = scheduler
        self._work = work
        self._then = then
        self._turn = 0
        self._dead = False

    def run(self) -> None:
        """The whole life of it."""
        ended = Ended(killed=True)
        try:
            ended = Ended(self._work())
        except ProcessKilled:
            pass
        except Exception as error:  # noqa: BLE001 - whoever waits for the process is told
            ended = Ended(error=error)
        self._dead = True
        self._scheduler.processes.pop(self.name, None)
        self._then(ended)

    def pause(self, microseconds: int) -> None:
        """Others go on, until so much later. Raises ProcessKilled if this process died meanwhile."""
        if self._dead:
            raise ProcessKilled
        self._turn += 1
        turn = self._turn
        self._scheduler.after(microseconds, lambda: self._resume(turn))
        self._scheduler.hub.switch()
        if self._dead:
            raise ProcessKilled

    def die(self) -> None:
        """Called by the process itself: it ends here."""
        self._dead = True
        raise ProcessKilled

    def kill(self) -> None:
        """Called by others: it ends where it waits. Nothing happens if it has ended."""
        if not self._dead:
            self._dead = True
            self._turn += 1
            if bool(self):  # a greenlet is true while it runs
                self.switch()
            else:  # not even begun
                self._scheduler.processes.pop(self.name, None)
                self._then(Ended(killed=True))

    def _resume(self, turn: int) -> None:
        if turn == self._turn and not self._dead:
            self.switch()


class Scheduler:
    """The agenda. `now` is in microseconds since 1970, `stopped` ends the run at once."""

    def __init__(self) -> None:
        self.now = START
        self.hub = getcurrent()
        self.processes: dict[str, SimulatedProcess] = {}
        self.stopped = False
        self._agenda: list[tuple[int, int, Callable[[], object]]] = []
        self._numbers = count()

    @property
    def current(self) -> SimulatedProcess:
        """The process whose turn it is."""
        process = getcurrent()
        assert isinstance(process, SimulatedProcess)
        return process

    @property
    def turn(self) -> str | None:
        """The name of the process whose turn it is; None if it is nobody's, as when a write takes effect late."""
        process = getcurrent()
        return process.name if isinstance(process, SimulatedProcess) else None

    def after(self, microseconds: int, action: Callable[[], object]) -> None:
        """Has something done, so much later. What is due at the same time is done in the order of being put down."""
        heapq.heappush(self._agenda, (self.now + microseconds, next(self._numbers), action))

    def start(
        self, name: str, chance: Random, work: Callable[[], Any], then: Callable[[Ended], None], delay: int = 0
    ) -> SimulatedProcess:
        """A new process, which begins after so many microseconds."""
        process = self.processes[name] = SimulatedProcess(self, name, chance, work, then)
        self.after(delay, lambda: None if process._dead else process.switch())
        return process

    def run(self, most: int) -> bool:
        """Runs until nothing is left to do; False if there still was after `most` turns."""
        for _ in range(most):
            if not self._agenda or self.stopped:
                return True
            self.now, _, action = heapq.heappop(self._agenda)
            action()
        return False

    def close(self) -> None:
        """Ends what still runs."""
        self.stopped = True
        for process in list(self.processes.values()):
            process.kill()
