"""The emulator's own process: ministack, with a bound on how many processes it starts for one function.

AWS gives each request that finds no idle function a new one, and so does the emulator, by starting a process for it.
A burst of fifty requests would have a laptop start fifty processes at once and answer nobody for half a minute. Here a
request waits for one of a few to be free instead.
"""

from __future__ import annotations

import time
from typing import Any

from ministack.app import main
from ministack.core import lambda_runtime
from ministack.services import lambda_svc

PROCESSES_PER_FUNCTION = 6

_acquire_worker = lambda_runtime.acquire_worker


def acquire_worker(*args: Any, **kwargs: Any) -> Any:
    """An idle process of the function; waits while all are busy. No function here calls itself, so one gets free."""
    kwargs["max_concurrency"] = PROCESSES_PER_FUNCTION
    while (leased := _acquire_worker(*args, **kwargs))[0] is None:
        time.sleep(0.005)
    return leased


if __name__ == "__main__":
    lambda_runtime.acquire_worker = lambda_svc.acquire_worker = acquire_worker
    main()
