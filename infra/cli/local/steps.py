"""Report the progress of a command: one line per step, with its duration."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH = 58


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print `name`, run the block, then print the seconds it took on the same line (or that it failed)."""
    print(f"  {name} ".ljust(_WIDTH, "."), end=" ", flush=True)
    began = time.monotonic()
    try:
        yield
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        raise
    except BaseException:
        print("FAILED", flush=True)
        raise
    print(f"{time.monotonic() - began:5.1f} s", flush=True)
