"""The Lambda entries of the API: `api.entry.registrations` is the handler of `api.registrations.handler`."""

from __future__ import annotations

from workers.entry import Handler, load

_MODULES = {
    "users": "api.users.handler",
    "events": "api.events.handler",
    "registrations": "api.registrations.handler",
    "docs": "api.reference.handler",
}


def __getattr__(name: str) -> Handler:
    """Lambda asks for the entry by its name, once in a process."""
    if name not in _MODULES:
        raise AttributeError(name)
    return load(_MODULES[name])
