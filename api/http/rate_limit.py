"""How many writes one caller may make: a token bucket for each, in the memory of this one process.

It keeps a caller who floods the API from taking what the others need, before anything is asked of AWS. It is
approximate: each warm function counts for itself, and forgets when it ends.
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
"""Of more callers than this the one who has been quiet for longest is forgotten: about 2 MB."""

_SECOND = 1_000_000


class WriteLimit:
    """`burst` writes at once, `per_second` for as long as one likes. Refused ones count for nothing.

    Of each caller it knows one number: when her bucket is full again, in microseconds since 1970.
    """

    def __init__(self, per_second: float, burst: int, clock: Clock) -> None:
        self._interval = round(_SECOND / per_second)
        self._depth = self._interval * burst
        self._clock = clock
        self._full_at: OrderedDict[str, int] = OrderedDict()

    def seconds_to_wait(self, caller: str) -> int:
        """0, and the write counts; or after how many whole seconds one would be taken."""
        now = self._clock.now()
        # A clock that was set back must shut nobody out for longer than an empty bucket does.
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
    # Who shows no token is known by their address, which others may share.
    seconds = limit.seconds_to_wait(request.caller.subject or request.source_ip)
    if not seconds:
        return handler(request)
    logger.info("too many writes of one caller")
    return Problem(
        "too-many-requests", f"The next one is taken in {seconds} s.", headers={"Retry-After": str(seconds)}
    ).response()
