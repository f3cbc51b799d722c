"""Limit the writes of each caller: a token bucket per caller, in the memory of this process.

It keeps a caller who floods the API from taking capacity from the others, before anything is asked of AWS. It is
approximate: each warm function counts for itself, and its counts end with it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from api.http.dispatch import Handlers
from api.http.problems import Problem
from api.http.types import Request, Response
from workers.aws.clock import Clock
from workers.telemetry import logger

MAX_CALLERS = 10_000
"""Above this, the caller without a write for the longest time is forgotten. It takes about 2 MB."""

_SECOND = 1_000_000


class WriteLimit:
    """A limit of `burst` writes at once and `per_second` in the long run. Refused writes do not count.

    It keeps one number per caller: when their bucket is full again, in microseconds since 1970.
    """

    def __init__(self, per_second: float, burst: int, clock: Clock) -> None:
        self._interval = round(_SECOND / per_second)
        self._depth = self._interval * burst
        self.policy = f'"writes";q={burst};w={-(-self._depth // _SECOND)}'
        """The limit as a `RateLimit-Policy`: `burst` writes in the time in which an empty bucket becomes full."""
        self._clock = clock
        self._full_at: OrderedDict[str, int] = OrderedDict()

    def seconds_to_wait(self, caller: str) -> int:
        """Count a write and return 0, or return after how many whole seconds one would be accepted."""
        now = self._clock.now()
        # After the clock was set back, nobody must be refused for longer than with an empty bucket.
        full_at = min(max(self._full_at.get(caller, now), now), now + self._depth)
        early = full_at + self._interval - self._depth - now
        if early <= 0:
            full_at += self._interval
        self._remember(caller, full_at)
        return max(0, -(-early // _SECOND))

    def _remember(self, caller: str, full_at: int) -> None:
        self._full_at[caller] = full_at
        self._full_at.move_to_end(caller)
        if len(self._full_at) > MAX_CALLERS:
            self._full_at.popitem(last=False)


def limited(handlers: Handlers, limit: WriteLimit) -> Handlers:
    """Put a limit on the handlers that write: they answer 429 to callers who exceed it."""
    return {
        key: handler if key.startswith("GET ") else partial(_limited, handler, limit)
        for key, handler in handlers.items()
    }


def _limited(handler: Callable[[Request], Response], limit: WriteLimit, request: Request) -> Response:
    # Callers without a token are told apart by their address, which others may share.
    seconds = limit.seconds_to_wait(request.caller.subject or request.source_ip)
    if not seconds:
        return handler(request)
    logger.info("too many writes of one caller")
    headers = {
        "Retry-After": str(seconds),
        # draft-ietf-httpapi-ratelimit-headers-09. Only here: another process of the function has counts of its own.
        "RateLimit-Policy": limit.policy,
        "RateLimit": f'"writes";r=0;t={seconds}',
    }
    return Problem("too-many-requests", f"Try again in {seconds} s.", headers=headers).response()
