"""The Lambda entries of the API: `api.entry.users` is the handler of `api.users.handler`.

`workers.entry` says how a function is found by its name; only that of the reference page has another name.
"""

from __future__ import annotations

from workers.entry import Handler, find


def __getattr__(name: str) -> Handler:
    """Return the entry that Lambda asks for, once in a process."""
    return find("api", "reference" if name == "docs" else name)
