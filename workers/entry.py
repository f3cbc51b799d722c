"""The Lambda entries of the workers: `workers.entry.promoter` is the handler of `workers.promoter`.

A function is found by its name, so a new one needs no line here: the `handler` of the module of that name or, if that
is a package, of its module `handler`.

A function is loaded with Python's collector of cyclic garbage switched off: while thousands of permanent objects are
created, it would scan them again and again, for a sixth of a cold start. They are never freed, so they are frozen, and
later collections skip them.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

Handler = Callable[[dict[str, Any], object], Any]
"""The function that Lambda calls with an event and its context."""


def find(package: str, name: str) -> Handler:
    """Load the handler of the function `name` of a package. AttributeError if there is no such function."""
    spec = find_spec(f"{package}.{name}")
    if spec is not None and spec.submodule_search_locations is not None:
        spec = find_spec(f"{spec.name}.handler")
    if spec is None:
        raise AttributeError(name)
    return load(spec.name)


def load(module: str) -> Handler:
    """Return the `handler` of a function's module. ImportError if it cannot be loaded."""
    gc.disable()
    try:
        handler: Handler = import_module(module).handler
    except AttributeError as error:
        # Lambda would report "there is no such handler", and hide what is really missing.
        raise ImportError(f"{module} cannot be loaded: {error}") from error
    finally:
        gc.freeze()
        gc.enable()
    return handler


def __getattr__(name: str) -> Handler:
    """Return the entry that Lambda asks for, once in a process."""
    return find("workers", name)
