"""Processes that end with the test run that started them, even if that is killed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from infra.cli.processes import Watchdog, kill_group

WATCHDOG = Watchdog()
"""Watches all process groups that this process has started."""


@contextmanager
def owned(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Run a command in a process group of its own, which is killed at the end of the block."""
    process = subprocess.Popen(command, start_new_session=True, **options)
    WATCHDOG.toggle(process.pid)
    try:
        yield process
    finally:
        kill_group(process.pid)
        process.communicate()
        WATCHDOG.toggle(process.pid)
