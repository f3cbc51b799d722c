"""What a local stack leaves on disk: who it is, its logs, and the lock that tells whether it is alive.

The emulator inherits an open, locked file, and nobody else keeps it open. So the lock is taken exactly as long
as the emulator lives, whoever ended it and however; a process id in a file cannot promise that, because ids are reused.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from infra.cli.errors import CliError, NoStackError
from infra.cli.processes import kill_group

REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND = os.path.relpath(Path(sys.prefix, "bin", "turnstile"))
"""This command as it can be pasted: set-up puts it into .venv/bin, which is on nobody's PATH."""
_END_WAIT = 5.0
_LOCK_WAIT = 0.3


@dataclass(frozen=True, slots=True)
class LocalStackState:
    """A local stack: the emulator's process (leader of its group), its port and endpoint, when it was started
    (seconds since 1970), and whether a request through the API has succeeded yet."""

    pid: int
    port: int
    endpoint: str
    started: float
    ready: bool = False


class StateDir:
    """The directory of one local stack: `.turnstile` in the repository, or what TURNSTILE_HOME names."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or Path(os.environ.get("TURNSTILE_HOME") or REPOSITORY / ".turnstile").resolve()
        self.emulator_log = self.path / "emulator.log"
        self.deploy_log = self.path / "deploy.log"
        self.temporary = self.path / "tmp"
        self._state = self.path / "state.json"
        self._lock = self.path / "lock"

    def acquire(self) -> int:
        """Take the lock and clear away what a stack that died may have left.

        Returns the file descriptor that holds the lock: hand it to the emulator, then close it.
        Raises CliError when a stack is alive here, or when the directory cannot be used.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise CliError(f"cannot use the directory {self.path}: {error.strerror}") from error
        if not self._locked_within(_LOCK_WAIT, descriptor):
            os.close(descriptor)
            where = f" at {stack.endpoint}" if (stack := self._read()) else ""
            raise CliError(f"a stack is already running{where}; end it first with: {COMMAND} down")
        self.clear()
        self.temporary.mkdir()
        return descriptor

    def record(self, stack: LocalStackState) -> None:
        """Write down who the stack is. The file appears at once or not at all."""
        draft = self._state.with_suffix(".new")
        draft.write_text(json.dumps(asdict(stack)))
        draft.replace(self._state)

    def mark_ready(self) -> None:
        """Write down that the stack takes requests."""
        if stack := self._read():
            self.record(replace(stack, ready=True))

    def ready(self) -> LocalStackState:
        """The stack that takes requests here. Raises NoStackError when there is none, or none yet."""
        stack = self._read()
        if stack is None or not self._alive():
            raise NoStackError(f"there is no local stack; start one with: {COMMAND} up")
        if not stack.ready:
            raise NoStackError("the local stack is still starting")
        return stack

    def recorded(self) -> bool:
        """Whether a stack is written down here, alive or not; `down` erases it before it ends the emulator."""
        return self._state.exists()

    def end(self) -> LocalStackState:
        """End the stack and everything it started, and clear away its files (logs stay).

        Raises NoStackError when none is alive (after clearing away what a dead one left), and CliError when it
        does not go.
        """
        if not self._alive():
            self.clear()
            raise NoStackError("there is no local stack to end")
        if not (stack := self._read()):
            raise CliError("a stack is just being started; try again in a moment")
        self._state.unlink(missing_ok=True)
        kill_group(stack.pid)
        deadline = time.monotonic() + _END_WAIT
        while self._alive():
            if time.monotonic() > deadline:
                self.record(stack)
                raise CliError(f"the emulator (process {stack.pid}) does not end")
            time.sleep(0.01)
        self.clear()
        return stack

    def clear(self) -> None:
        """Remove state and temporary files, not the logs."""
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
            # Shared, so that two commands that look at the same time do not take each other for the stack.
            return not _try_lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    @staticmethod
    def _locked_within(seconds: float, descriptor: int) -> bool:
        deadline = time.monotonic() + seconds  # another command may be looking for a moment
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
