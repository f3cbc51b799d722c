"""How much at once: requests that the API takes, registrars that run. Each can be set when deploying (`cdk -c`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MOST_REGISTRARS = 1000
"""The most, as the fewest (2), that an event source mapping of SQS takes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a stage lets through. The defaults fit an account with AWS's usual quota of 1,000 concurrent executions.

    `reads` and `writes` are requests a second for each route, all callers together; a burst may be a second's worth.
    A registration may hold its function for 1.4 s while it waits for its outcome, so 250 of them a second take 350 of
    those executions, and leave room for all else. `registrars` are the batches that are decided at the same time; two
    of them never have an event in common.
    """

    reads: int = 500
    writes: int = 250
    registrars: int = 50
    reserve: bool | None = None
    """Whether the registrars' share of the account's concurrency is set aside for them; None: in production only.
    Lambda refuses to where fewer than 100 executions would be left to everybody else: a new account may have 10."""
    lists: int = 40
    """Requests a second for each route that lists what is not the caller's own.

    A page of 100 costs up to 50 read units of the ledgers and 100 of the registrations, and a new table has 12,000 a
    second, which registrations need too: the sum is in docs/performance.md."""

    @property
    def personal_lists(self) -> int:
        """Requests a second for `GET /users/{userId}/registrations`: 2.5 times `lists`.

        Everybody looks at their own list in a rush, and it is short.
        """
        return self.lists * 5 // 2

    @classmethod
    def parse(cls, setting: Callable[[str], object]) -> Limits:
        """Make the limits of the CDK's context, which `setting` looks up.

        Raises ValueError with a sentence for the person deploying.
        """
        return cls(
            reads=_number(setting, "readsPerSecond", cls().reads, range(1, 10_001)),
            writes=_number(setting, "writesPerSecond", cls().writes, range(1, 10_001)),
            registrars=_number(setting, "registrars", cls().registrars, range(2, MOST_REGISTRARS + 1)),
            reserve=_answer(setting, "reserve"),
            lists=_number(setting, "listsPerSecond", cls().lists, range(1, 10_001)),
        )


def _number(setting: Callable[[str], object], name: str, default: int, allowed: range) -> int:
    given = setting(name)
    text = str(default if given is None else given)
    if not (text.isascii() and text.isdecimal() and int(text) in allowed):
        raise ValueError(f"{name}={text}: use -c {name}=N, a whole number from {allowed[0]} to {allowed[-1]}")
    return int(text)


def _answer(setting: Callable[[str], object], name: str) -> bool | None:
    text = setting(name)
    if text not in {None, "yes", "no"}:
        raise ValueError(f"{name}={text}: use -c {name}=yes|no")
    return None if text is None else text == "yes"
