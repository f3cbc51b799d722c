"""Write the commands that the output suggests so that they can be pasted: for the same stage and the same stack."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from contextvars import ContextVar
from pathlib import Path

_options = ContextVar("options", default="")
"""The options that suggested commands need in this run of `turnstile`."""


def suggest_with(options: str) -> None:
    """From now on, suggest commands with these options."""
    _options.set(options)


def suggest(arguments: str) -> str:
    """Return a command line of `turnstile` with these arguments.

    It names the stage of this run, unless that is the local one, and TURNSTILE_HOME if this run has it: without it,
    `turnstile down` would stop another stack.
    """
    installed = Path(sys.prefix, "bin", "turnstile")
    found = shutil.which("turnstile")
    here = shlex.quote(os.path.relpath(installed))
    words = ["turnstile" if found and Path(found) == installed else here, arguments]
    if home := os.environ.get("TURNSTILE_HOME"):
        words.insert(0, f"TURNSTILE_HOME={shlex.quote(str(Path(home).resolve()))}")
    return " ".join(filter(None, [*words, _options.get()]))
