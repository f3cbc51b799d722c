"""The emulator's own process: ministack, made to fit on a laptop.

AWS gives each request that finds no idle function a new one, and so does the emulator, by starting a process for it.
A burst of fifty requests would have a laptop start fifty processes at once and answer nobody for half a minute. Here a
request waits for one of a few to be free instead. And each process gets a link to code that is unpacked once: to unpack
it for each of them takes as long as to start it, and the emulator answers nobody meanwhile. And a queue that was found
empty a moment ago is looked at again after 5 ms, not 50: under load that is most of the time that a batch takes.
"""

from __future__ import annotations

import threading
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
            released.wait(1)  # not for ever: a process that has died is not released
    return leased


def release_worker(process: Any) -> None:
    """Gives a process back, to one of those who wait for it."""
    _release_worker(process)
    if process is not None:
        with _released[process.func_name]:
            _released[process.func_name].notify()


class SharedZip(zipfile.ZipFile):
    """A function's code: unpacked where all processes that run the same code share it."""

    def extractall(self, path: Any = None, members: Any = None, pwd: bytes | None = None) -> None:
        """Leaves a link at `path`, which is an empty directory before."""
        content = hash(tuple((file.filename, file.CRC) for file in self.infolist()))
        shared = Path(gettempdir()) / f"code-{content:x}"
        with _unpacking:
            if not shared.exists():
                super().extractall(shared, members, pwd)
        Path(path).rmdir()
        Path(path).symlink_to(shared)


if __name__ == "__main__":
    lambda_runtime.acquire_worker = lambda_svc.acquire_worker = acquire_worker
    lambda_runtime.release_worker = lambda_svc.release_worker = release_worker
    lambda_runtime.zipfile = SimpleNamespace(**vars(zipfile) | {"ZipFile": SharedZip})
    lambda_svc._ESM_IDLE_WAKE_GAP_SECONDS = 0.005  # noqa: SLF001 - there is no setting for it
    main()
