"""Run the emulator, ministack, with changes that make it fit on a laptop:

- Like AWS, the emulator starts a new process for each request that finds no idle function. A burst of fifty requests
  would make a laptop start fifty processes at once and answer nothing for half a minute. Here a request waits until one
  of a few processes is free.
- All processes share code that is unpacked once. Unpacking it for each process takes as long as starting the process,
  and the emulator answers nothing meanwhile.
- A process marks the end of its log lines for an event. Otherwise the emulator waits 5 ms for another line, or 50 ms
  for the first, before it answers.
- An empty queue is polled again after 5 ms instead of 50.
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
"""The number of requests that a function works on at once."""

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
    """Return an idle process of the function. Waits while all are busy; no function here calls itself."""
    kwargs["max_concurrency"] = PROCESSES_PER_FUNCTION
    released = _released[function]
    with released:
        while (leased := _acquire_worker(function, *args, **kwargs))[0] is None:
            released.wait(_LONGEST_WAIT)  # not forever: a process that has died is not released
    return leased


def release_worker(process: Any) -> None:
    """Release a process for a waiting request. None stands for a process that could not be started."""
    _release_worker(process)
    for released in list(_released.values()) if process is None else [_released[process.func_name]]:
        with released:
            released.notify()


def program(text: str) -> str:
    """Return the program of a function's process: the emulator's own, with a mark after the lines of each event.

    Raises ValueError if the emulator's program is not the expected one.
    """
    if text.count(_HANDLE) != 1:
        raise ValueError(
            "this version of ministack runs functions in an unknown way; use the version in infra/constraints.txt"
        )
    return text.replace(_HANDLE, _HANDLE_AND_SAY_SO.format(end=_END))


def lines_of_event(process: Any, **_: float) -> str:
    """Return the lines that a process has logged about the event that it just handled, up to the mark."""
    lines: list[str] = []
    heard = time.monotonic()
    while time.monotonic() - heard < _LONGEST_SILENCE:
        try:
            line: str = process._stderr_queue.get(timeout=0.05)  # noqa: SLF001 - there is no public access
        except queue.Empty:
            if not process._stderr_thread.is_alive():  # noqa: SLF001 - the same
                break  # it died before it could print the mark
            continue
        heard = time.monotonic()
        if line.endswith(_END):  # perhaps after a line that the function did not terminate
            lines += filter(None, [line.removesuffix(_END)])
            break
        lines.append(line)
    return "\n".join(lines)


class SharedZip(zipfile.ZipFile):
    """Unpacks a function's code once, into a place that all processes with the same code share."""

    def extractall(self, path: Any = None, members: Any = None, pwd: bytes | None = None) -> None:
        """Replace `path`, an empty directory, by a link to the unpacked code."""
        content = hash(tuple((file.filename, file.CRC) for file in self.infolist()))
        shared = Path(gettempdir()) / f"code-{content:x}"
        with _unpacking:
            if not shared.exists():
                unpacking = shared.with_suffix(".part")
                shutil.rmtree(unpacking, ignore_errors=True)  # left by a failed attempt
                super().extractall(unpacking, members, pwd)
                unpacking.rename(shared)
        Path(path).rmdir()
        Path(path).symlink_to(shared)


def fit() -> None:
    """Apply the changes. Raises AttributeError or ValueError if this version of ministack does not support them."""
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
        getattr(owner, name)  # raises AttributeError: setattr alone would go unnoticed
        setattr(owner, name, ours)


if __name__ == "__main__":
    fit()
    main()
