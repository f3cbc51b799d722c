"""Run child processes that never outlive the command, however it ends, and turn signals into one interruption.

Each child gets a session, and so a process group, of its own: Ctrl-C in the terminal reaches only the command, which
then ends the whole group, including grandchildren. Signals are deferred while a child is being started, so that no
process exists without being recorded.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ONCE_MORE = 0.001  # seconds
_WATCH = """
import os, signal, sys
groups = set()
for line in sys.stdin:
    groups ^= {int(line)}
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
"""


class Interrupts:
    """Turns SIGINT, SIGTERM and SIGHUP into one KeyboardInterrupt, never inside a `hold()` block.

    A second signal has no effect, because the first one has already started the clean-up. A KeyboardInterrupt that is
    lost because Python was running a destructor is raised again afterwards.
    """

    def __init__(self) -> None:
        self._held = 0
        self._pending = False
        self._raised = False

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, self._receive) for number in (*_SIGNALS, signal.SIGALRM)}
        self._hook, sys.unraisablehook = sys.unraisablehook, self._lost
        return self

    def __exit__(self, *_: object) -> None:
        sys.unraisablehook = self._hook
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._previous.items():
            # After an interruption the command is about to exit; another signal would only garble its last output.
            signal.signal(number, signal.SIG_IGN if self._raised else handler)

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        if self._held:
            self._pending = True
        else:
            self._raise()

    def _lost(self, unraisable: sys.UnraisableHookArgs) -> None:
        if unraisable.exc_type is not KeyboardInterrupt:
            self._hook(unraisable)
            return
        self._raised = False
        signal.setitimer(signal.ITIMER_REAL, _ONCE_MORE)

    def _raise(self) -> None:
        if not self._raised:
            self._raised = True
            raise KeyboardInterrupt

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Defer signals until the end of the block."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
        if self._pending and not self._held:
            self._pending = False
            self._raise()


class Watchdog:
    """Kills process groups when this process ends without having stopped them: by SIGKILL, too.

    A small process of its own reads a pipe that only this process can write to. It sees the end of this process as the
    end of the pipe. The first mention of a group watches it, the second one releases it.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def toggle(self, group: int) -> None:
        """Watch a group from now on, or no longer."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _WATCH], stdin=subprocess.PIPE, start_new_session=True
            )
        assert self._process.stdin is not None  # noqa: S101 - for the type checker
        self._process.stdin.write(b"%d\n" % group)
        self._process.stdin.flush()

    def stop(self) -> None:
        """Stop watching all groups."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


class Children:
    """The processes that a command has started. Those that remain at the end of the `with` block are killed.

    If the command is killed before that, they are killed as well.
    """

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts
        self._watchdog = Watchdog()
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._interrupts.hold():
            for child in self._running:
                kill_group(child.pid)
                child.wait()
            self._watchdog.stop()

    def start(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        output: IO[bytes],
        keep_open: Sequence[int] = (),
    ) -> subprocess.Popen[bytes]:
        """Start `command` in a process group of its own, with stdout and stderr going to `output`."""
        with self._interrupts.hold():
            child = subprocess.Popen(
                command,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=keep_open,
            )
            self._running.append(child)
            self._watchdog.toggle(child.pid)
        return child

    def release(self, child: subprocess.Popen[bytes]) -> None:
        """Let `child` continue after the command has ended."""
        self._running.remove(child)
        self._watchdog.toggle(child.pid)


def kill_group(pid: int) -> None:
    """Kill the process group led by `pid`. The emulator needs no orderly shutdown, as its state is in memory."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
