"""The result of running `turnstile` in the process of a test; the fixture `turnstile` runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple


class CommandResult(NamedTuple):
    """The exit code of a command, and the text that it printed."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Return the lines of stdout, without the JSON logs of functions that run in this process."""
        return [line for line in self.out.splitlines() if not line.startswith("{")]

    @property
    def json(self) -> dict[str, Any]:
        """Return the last JSON object of stdout, which is the command's own."""
        found: dict[str, Any] = json.loads([line for line in self.out.splitlines() if line.startswith("{")][-1])
        return found


Turnstile = Callable[..., CommandResult]
