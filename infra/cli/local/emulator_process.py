"""The emulator's own process: ministack, made to fit on a laptop. What it gets from here:

- AWS gives each request that finds no idle function a new one, and so does the emulator, by starting a process for it.
  A burst of fifty requests would have a laptop start fifty processes at once and answer nobody for half a minute. Here
  a request waits for one of a few to be free instead.
- Each process has a link to code that is unpacked once. To unpack it for each of them takes as long as to start it, and
  the emulator answers nobody meanwhile.
- A process says when it has logged all that it will log about an event. The emulator would wait 5 ms for another line,
  or 50 for the first, before it answers.
- A queue that was found empty a moment ago is looked at again after 5 ms, not 50.
"""

from __future__ import annotations

import queue
import shutil
import threading
import time
import zipfile
from collections import defaultdict
from pathlib import Path
from tempfile import gettempdir
from types import SimpleNamespace
from typing import Any

from ministack.app import main
from ministack.core import lambda_runtime
from ministack.services import lambda_svc

PROCESSES_PER_FUNCTION = 6
"""So many requests does a function work on at once."""

_HANDLE = "            result = handler_fn(event, context)\n"
_HANDLE_AND_SAY_SO = """\
            try:
                result = handler_fn(event, context)
            finally:
                print("{end}", file=sys.stderr, flush=True)
"""
_END = "-- the emulator's mark: no more lines for this event --"
_LONGEST_SILENCE = 10.0
_LONGEST_WAIT = 1.0

_SCRIPT: str = lambda_runtime._PYTHON_WORKER_SCRIPT  # noqa: SLF001 - there is no setting for it
_acquire_worker = lambda_runtime.acquire_worker
_release_worker = lambda_runtime.release_worker
_released: dict[str, threading.Condition] = defaultdict(threading.Condition)
_unpacking = threading.Lock()


def acquire_worker(function: str, *args: Any, **kwargs: Any) -> Any:
    """An idle process of the function; waits while all are busy. No function here calls itself, so one gets free."""
    kwargs["max_concurrency"] = PROCESSES_PER_FUNCTION
    released = _released[function]
    with released:
        while (leased := _acquire_worker(function, *args, **kwargs))[0] is None:
            released.wait(_LONGEST_WAIT)  # not for ever: a process that has died is not released
    return leased


def release_worker(process: Any) -> None:
    """Gives a process back, to one of those who wait for it. None stands for one that could not be started."""
    _release_worker(process)
    for released in list(_released.values()) if process is None else [_released[process.func_name]]:
        with released:
            released.notify()


def program(text: str) -> str:
    """What a function's process runs: as the emulator has it, with a mark behind the lines of each event.

    ValueError if the emulator's program is another one than this was written for.
    """
    if text.count(_HANDLE) != 1:
        raise ValueError("this version of ministack runs functions in a way that is not known here")
    return text.replace(_HANDLE, _HANDLE_AND_SAY_SO.format(end=_END))


def lines_of_event(process: Any, **_: float) -> str:
    """What a process has written about the event that it just handled: all up to the mark, one line each."""
    lines: list[str] = []
    heard = time.monotonic()
    while time.monotonic() - heard < _LONGEST_SILENCE:
        try:
            line: str = process._stderr_queue.get(timeout=0.05)  # noqa: SLF001 - there is no other way to it
        except queue.Empty:
            if not process._stderr_thread.is_alive():  # noqa: SLF001 - the same
                break  # it died before it could say so
            continue
        heard = time.monotonic()
        if line.endswith(_END):  # at the end of a line that the function did not end
            lines += filter(None, [line.removesuffix(_END)])
            break
        lines.append(line)
    return "\n".join(lines)


class SharedZip(zipfile.ZipFile):
    """A function's code: unpacked where all processes that run the same code share it."""

    def extractall(self, path: Any = None, members: Any = None, pwd: bytes | None = None) -> None:
        """Leaves a link at `path`, which is an empty directory before."""
        content = hash(tuple((file.filename, file.CRC) for file in self.infolist()))
        shared = Path(gettempdir()) / f"code-{content:x}"
        with _unpacking:
            if not shared.exists():
                unpacking = shared.with_suffix(".part")
                shutil.rmtree(unpacking, ignore_errors=True)  # of one that failed
                super().extractall(unpacking, members, pwd)
                unpacking.rename(shared)
        Path(path).rmdir()
        Path(path).symlink_to(shared)


def fit() -> None:
    """Puts all this in place. AttributeError or ValueError if this version of ministack has no place for it."""
    for owner, name, ours in (
        (lambda_runtime, "acquire_worker", acquire_worker),
        (lambda_svc, "acquire_worker", acquire_worker),
        (lambda_runtime, "release_worker", release_worker),
        (lambda_svc, "release_worker", release_worker),
        (lambda_runtime, "zipfile", SimpleNamespace(**vars(zipfile) | {"ZipFile": SharedZip})),
        (lambda_runtime, "_PYTHON_WORKER_SCRIPT", program(_SCRIPT)),
        (lambda_runtime.Worker, "_drain_stderr_bounded", lines_of_event),
        (lambda_svc, "_ESM_IDLE_WAKE_GAP_SECONDS", 0.005),
    ):
        getattr(owner, name)  # what is not there would be replaced without anybody noticing
        setattr(owner, name, ours)


if __name__ == "__main__":
    fit()
    main()
