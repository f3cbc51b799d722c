"""Virtual time and cooperative processes on one agenda, without threads and sockets.

The real handlers are ordinary code that calls AWS and sleeps. Each runs in a greenlet that yields to the agenda at
every call. Times are drawn from a seed, so the seed determines the interleaving.
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
    """The process was killed. A BaseException, so that nothing in it catches this."""


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """The end of a process: with a value, with an exception, or killed."""

    value: Any = None
    error: Exception | None = None
    killed: bool = False


class SimulatedProcess(greenlet):
    """A process that can be killed at every call. `chance` is its own random source."""

    def __init__(
        self,
        scheduler: Scheduler,
        name: str,
        chance: Random,
        work: Callable[[], Any],
        then: Callable[[ProcessEnd], None],
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
        """Run to the end, and call `then`."""
        ended = ProcessEnd(killed=True)
        try:
            ended = ProcessEnd(self._work())
        except ProcessKilled:
            pass
        except Exception as error:  # noqa: BLE001 - `then` gets it
            ended = ProcessEnd(error=error)
        self._dead = True
        self._scheduler.processes.pop(self.name, None)
        self._then(ended)

    def pause(self, microseconds: int) -> None:
        """Let others go on for a time. Raises ProcessKilled if this process was killed meanwhile."""
        if self._dead:
            raise ProcessKilled
        self._turn += 1
        turn = self._turn
        self._scheduler.after(microseconds, lambda: self._resume(turn))
        self._scheduler.hub.switch()
        if self._dead:
            raise ProcessKilled

    def die(self) -> None:
        """End the process that calls this."""
        self._dead = True
        raise ProcessKilled

    def kill(self) -> None:
        """End another process where it waits, unless it has ended."""
        if not self._dead:
            self._dead = True
            self._turn += 1
            if bool(self):  # a greenlet is true while it runs
                self.switch()
            else:  # not started yet
                self._scheduler.processes.pop(self.name, None)
                self._then(ProcessEnd(killed=True))

    def _resume(self, turn: int) -> None:
        if turn == self._turn and not self._dead:
            self.switch()


class Scheduler:
    """The agenda. `now` is in microseconds since 1970; `stopped` ends the run at once."""

    def __init__(self) -> None:
        self.now = START
        self.hub = getcurrent()
        self.processes: dict[str, SimulatedProcess] = {}
        self.stopped = False
        self._agenda: list[tuple[int, int, Callable[[], object]]] = []
        self._numbers = count()

    @property
    def current(self) -> SimulatedProcess:
        """The running process."""
        process = getcurrent()
        assert isinstance(process, SimulatedProcess)
        return process

    @property
    def turn(self) -> str | None:
        """The name of the running process; None if there is none, as when a write takes effect late."""
        process = getcurrent()
        return process.name if isinstance(process, SimulatedProcess) else None

    def after(self, microseconds: int, action: Callable[[], object]) -> None:
        """Schedule an action. Actions due at the same time run in the order of scheduling."""
        heapq.heappush(self._agenda, (self.now + microseconds, next(self._numbers), action))

    def start(
        self, name: str, chance: Random, work: Callable[[], Any], then: Callable[[ProcessEnd], None], delay: int = 0
    ) -> SimulatedProcess:
        """Start a process after so many microseconds."""
        process = self.processes[name] = SimulatedProcess(self, name, chance, work, then)
        self.after(delay, lambda: None if process._dead else process.switch())
        return process

    def run(self, most: int) -> bool:
        """Run until nothing is left to do. Return False if something is left after `most` turns."""
        for _ in range(most):
            if not self._agenda or self.stopped:
                return True
            self.now, _, action = heapq.heappop(self._agenda)
            action()
        return False

    def close(self) -> None:
        """End all processes."""
        self.stopped = True
        for process in list(self.processes.values()):
            process.kill()
