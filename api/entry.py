"""The Lambda entries of the API: `api.entry.registrations` is the handler of `api.registrations`."""

from __future__ import annotations

from workers.entry import Handler, load

_FUNCTIONS = frozenset({"users", "events", "registrations", "docs"})


def __getattr__(name: str) -> Handler:
    """Lambda asks for the entry by its name, once in a process."""
    if name not in _FUNCTIONS:
        raise AttributeError(name)
    return load(f"api.{name}")
