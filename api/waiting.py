"""How long a request waits for the outcome of its command: `Prefer` (RFC 7240), and the polls in between."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from workers.aws.clock import Clock

DEFAULT_WAIT_SECONDS = 1.4
"""Leaves room for the rest of the request, so that every answer comes in under 2 s."""

MAX_WAIT_SECONDS = 10

_FIRST_POLL_SECONDS = 0.03
_POLL_GROWTH = 1.5
_SLOWEST_POLL_SECONDS = 0.25

_WAIT = re.compile(r'wait\s*=\s*"?(\d{1,9})"?\Z', re.IGNORECASE)

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Wait:
    """Until when to wait, in microseconds since 1970, and what to say of it in `Preference-Applied`."""

    deadline: int
    headers: dict[str, str]


def wait_of(prefer: str | None, now: int) -> Wait:
    """What the `Prefer` header asks for: `respond-async`, `wait=N` (at most 10 s), or neither. Others are ignored."""
    for preference in (prefer or "").split(","):
        token = preference.split(";", 1)[0].strip()
        if token.lower() == "respond-async":
            return Wait(now, {"Preference-Applied": "respond-async"})
        if asked := _WAIT.match(token):
            seconds = min(MAX_WAIT_SECONDS, int(asked[1]))
            return Wait(now + seconds * 1_000_000, {"Preference-Applied": f"wait={seconds}"})
    return Wait(now + int(DEFAULT_WAIT_SECONDS * 1_000_000), {})


def poll(look: Callable[[], Found | None], wait: Wait, clock: Clock) -> Found | None:
    """Looks, less and less often, until there is something to be found or the time is over; then None."""
    pause = _FIRST_POLL_SECONDS
    while (left := (wait.deadline - clock.now()) / 1_000_000) > 0:
        clock.sleep(min(pause, left))
        found = look()
        if found is not None:
            return found
        pause = min(_SLOWEST_POLL_SECONDS, pause * _POLL_GROWTH)
    return None
