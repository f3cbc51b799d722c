"""The clock, which is passed to whatever needs the time, so that tests can control it."""

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
"""The clock of this machine."""
