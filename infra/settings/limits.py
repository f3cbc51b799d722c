"""Limits on load: the API's requests per second, and the number of concurrent registrars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MAX_REGISTRARS = 1000
"""The maximum concurrency of an SQS event source mapping; its minimum is 2."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a stage. The defaults fit an account with AWS's usual quota of 1,000 concurrent executions.

    `reads` and `writes` are requests a second for each route, from all callers together; a burst may be as many.
    A registration may hold its function for 1.4 s while it waits for its outcome, so 250 of them a second take 350
    executions and leave room for everything else. `registrars` is the number of batches that are decided at the same
    time; no two of them share an event.
    """

    reads: int = 500
    writes: int = 250
    registrars: int = 50
    reserve: bool | None = None
    """Whether to reserve the registrars' share of the account's concurrency; None means in production only.
    Lambda refuses if fewer than 100 executions would be left for all other functions, and a new account may have 10."""
    lists: int = 40
    """Requests a second for each route that lists other people's data.

    A page of 100 costs up to 50 read units of the ledgers and 100 of the registrations. A new table has 12,000 a
    second, which registrations need as well: docs/performance.md has the calculation."""

    @property
    def personal_lists(self) -> int:
        """Requests a second for `GET /users/{userId}/registrations`: 2.5 times `lists`.

        In a rush everybody looks at their own list, which is short.
        """
        return self.lists * 5 // 2

    @classmethod
    def parse(cls, setting: Callable[[str], object]) -> Limits:
        """Read the limits from the CDK's context, which `setting` looks up.

        Raises ValueError with a sentence for the person deploying.
        """
        return cls(
            reads=_number(setting, "readsPerSecond", cls().reads, range(1, 10_001)),
            writes=_number(setting, "writesPerSecond", cls().writes, range(1, 10_001)),
            registrars=_number(setting, "registrars", cls().registrars, range(2, MAX_REGISTRARS + 1)),
            reserve=_yes_or_no(setting, "reserve"),
            lists=_number(setting, "listsPerSecond", cls().lists, range(1, 10_001)),
        )


def _number(setting: Callable[[str], object], name: str, default: int, allowed: range) -> int:
    given = setting(name)
    text = str(default if given is None else given)
    if not (text.isascii() and text.isdecimal() and int(text) in allowed):
        raise ValueError(f"{name}={text}: use -c {name}=N, a whole number from {allowed[0]} to {allowed[-1]}")
    return int(text)


def _yes_or_no(setting: Callable[[str], object], name: str) -> bool | None:
    text = setting(name)
    if text not in {None, "yes", "no"}:
        raise ValueError(f"{name}={text}: use -c {name}=yes|no")
    return None if text is None else text == "yes"
