"""The Lambda entries of the workers: `workers.entry.registrar` is the handler of `workers.registrar.handler`.

A function is loaded with Python's collector of cyclic garbage out of the way: while thousands of objects are made that
all stay, it looks through them again and again, for a sixth of a cold start. What is there when the function is loaded
stays for ever, so it is never looked through later either.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from importlib import import_module
from typing import Any

Handler = Callable[[dict[str, Any], object], Any]
"""What Lambda calls, with its event and its context."""

_MODULES = {
    "registrar": "workers.registrar.handler",
    "promoter": "workers.promoter",
    "auditor": "workers.auditor",
}


def load(module: str) -> Handler:
    """The `handler` of a function's module. ImportError if it cannot be loaded."""
    gc.disable()
    try:
        handler: Handler = import_module(module).handler
    except AttributeError as error:
        # Lambda would take it for "there is no such handler", and hide what is really missing.
        raise ImportError(f"{module} cannot be loaded: {error}") from error
    finally:
        gc.freeze()
        gc.enable()
    return handler


def __getattr__(name: str) -> Handler:
    """Lambda asks for the entry by its name, once in a process."""
    if name not in _MODULES:
        raise AttributeError(name)
    return load(_MODULES[name])
