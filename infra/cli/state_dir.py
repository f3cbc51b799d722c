"""Keep the files of a local stack: its state, its logs, and the lock that shows whether it is alive.

The emulator inherits an open, locked file that no other process keeps open. So the lock is held exactly as long as the
emulator lives, however it ends. A process id in a file cannot guarantee that, because ids are reused.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from infra.cli import CHECKOUT, REPOSITORY
from infra.cli.errors import CliError, NoStackError
from infra.cli.hints import suggest
from infra.cli.processes import kill_group

_END_WAIT = 5.0
_LOCK_WAIT = 0.3


@dataclass(frozen=True, slots=True)
class LocalStackState:
    """The state of a local stack: its emulator's process id (leader of its group), port and endpoint.

    `started` is in seconds since 1970; `ready` is True once a request through the API has succeeded.
    """

    pid: int
    port: int
    endpoint: str
    started: float
    ready: bool = False


class StateDir:
    """The directory of one local stack: TURNSTILE_HOME, or `.turnstile` in the repository.

    A package that is installed without the repository uses `.turnstile` in the user's home directory.
    """

    def __init__(self, path: Path | None = None) -> None:
        default = (REPOSITORY if CHECKOUT else Path.home()) / ".turnstile"
        self.path = path or Path(os.environ.get("TURNSTILE_HOME") or default).resolve()
        self.emulator_log = self.path / "emulator.log"
        self.deploy_log = self.path / "deploy.log"
        self.temporary = self.path / "tmp"
        self._state = self.path / "state.json"
        self._lock = self.path / "lock"

    def acquire(self) -> int:
        """Take the lock, remove what a dead stack may have left, and return the file descriptor of the lock.

        Pass the descriptor on to the emulator, then close it. Raises CliError if a stack is alive here, or if the
        directory cannot be used.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise CliError(f"cannot use the directory {self.path}: {error.strerror}") from error
        if not self._locked_within(_LOCK_WAIT, descriptor):
            os.close(descriptor)
            where = f" at {stack.endpoint}" if (stack := self._read()) else ""
            raise CliError(f"a stack is already running{where}; stop it first with: {suggest('down')}")
        self.clear()
        self.temporary.mkdir()
        return descriptor

    def record(self, stack: LocalStackState) -> None:
        """Record the stack, atomically."""
        draft = self._state.with_suffix(".new")
        draft.write_text(json.dumps(asdict(stack)))
        draft.replace(self._state)

    def mark_ready(self) -> None:
        """Record that the stack answers requests."""
        if stack := self._read():
            self.record(replace(stack, ready=True))

    def ready(self) -> LocalStackState:
        """Return the stack that answers requests here. Raises NoStackError if there is none, or none yet."""
        stack = self._read()
        if stack is None or not self._alive():
            raise NoStackError(f"there is no local stack; start one with: {suggest('up')}")
        if not stack.ready:
            raise NoStackError("the local stack is still starting; try again in a moment")
        return stack

    def recorded(self) -> bool:
        """Tell whether a stack, alive or not, is recorded; `down` removes the record before it kills the emulator."""
        return self._state.exists()

    def end(self) -> LocalStackState:
        """Stop the stack and everything it started, and remove its files, except for the logs.

        Raises NoStackError if no stack is alive (after removing what a dead one left), and CliError if it stays.
        """
        if not self._alive():
            self.clear()
            raise NoStackError("there is no local stack to stop")
        if not (stack := self._read()):
            raise CliError("a stack is being started; try again in a moment")
        self._state.unlink(missing_ok=True)
        kill_group(stack.pid)
        deadline = time.monotonic() + _END_WAIT
        while self._alive():
            if time.monotonic() > deadline:
                self.record(stack)
                raise CliError(f"the emulator (process {stack.pid}) does not end; kill it")
            time.sleep(0.01)
        self.clear()
        return stack

    def clear(self) -> None:
        """Remove state and temporary files, but not the logs."""
        self._state.unlink(missing_ok=True)
        shutil.rmtree(self.temporary, ignore_errors=True)

    def clear_if_dead(self) -> None:
        """Remove state and temporary files unless a stack is alive here."""
        if not self._alive():
            self.clear()

    def _read(self) -> LocalStackState | None:
        try:
            return LocalStackState(**json.loads(self._state.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def _alive(self) -> bool:
        try:
            descriptor = os.open(self._lock, os.O_RDWR)
        except OSError:
            return False
        try:
            # Shared, so that two commands that check at the same time do not mistake each other for the stack.
            return not _try_lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    @staticmethod
    def _locked_within(seconds: float, descriptor: int) -> bool:
        deadline = time.monotonic() + seconds  # another command may be checking for a moment
        while not _try_lock(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
