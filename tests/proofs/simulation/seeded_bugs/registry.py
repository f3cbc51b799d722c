"""A seeded bug: wrappers around functions of the product, planted one bug at a time.

Targets are the product's own functions, and mypy compares each wrapper with its target. So if a function is renamed or
its arguments change, mypy names the bugs that must change too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import reduce, update_wrapper
from typing import Any, Concatenate, ParamSpec, TypeVar
from unittest.mock import patch

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Wrapper = Callable[Concatenate[Callable[_P, _R], _P], _R]
_HERE = "tests.proofs.simulation.seeded_bugs"


@dataclass(frozen=True, slots=True)
class SeededBug:
    """A bug: what goes wrong, the wrapped functions, and the run to start looking at if few runs show it."""

    what: str
    wrappers: tuple[tuple[Any, Callable[..., Any]], ...]
    first: int = 0

    def also(self, target: Callable[_P, _R], wrapper: _Wrapper[_P, _R]) -> SeededBug:
        """Return the bug with one more wrapper."""
        return SeededBug(self.what, (*self.wrappers, (target, wrapper)), self.first)

    def plant(self) -> ExitStack:
        """Plant the bug in this process. Closing what is returned removes it."""
        planted = ExitStack()
        for target, wrapper in self.wrappers:
            for owner, name in _owners(target):
                planted.enter_context(patch.object(owner, name, _wrapped(getattr(owner, name), wrapper)))
        return planted


def bug(what: str, target: Callable[_P, _R], wrapper: _Wrapper[_P, _R], first: int = 0) -> SeededBug:
    """Make a bug. The wrapper is called with the original function and its arguments."""
    return SeededBug(what, ((target, wrapper),), first)


def _wrapped(target: Any, wrapper: Callable[..., Any]) -> Any:
    original: Any = target.fget if isinstance(target, property) else target

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return wrapper(original, *args, **kwargs)

    update_wrapper(wrapped, original)
    return property(wrapped) if isinstance(target, property) else wrapped


def _owners(target: Any) -> Iterator[tuple[Any, str]]:
    """Yield where a function is found: its class, or every module that has imported it."""
    function: Any = target.fget if isinstance(target, property) else target
    *path, name = function.__qualname__.split(".")
    if path:
        yield reduce(getattr, path, sys.modules[function.__module__]), name
        return
    for key, module in list(sys.modules.items()):
        value = getattr(module, "__dict__", {}).get(name)
        cached = getattr(value, "__wrapped__", None) if callable(value) else None
        if function in (value, cached) and not key.startswith(_HERE):
            yield module, name
