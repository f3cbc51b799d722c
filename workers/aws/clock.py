"""Time, passed in wherever it is needed, so that tests can hold it still."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """`now` in microseconds since 1970, `sleep` in seconds."""

    now: Callable[[], int]
    sleep: Callable[[float], None]


SYSTEM_CLOCK = Clock(now=lambda: time.time_ns() // 1000, sleep=time.sleep)
"""This machine's."""
