"""How long a request waits for the outcome of its command: `Prefer` (RFC 7240), and the polls in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from workers.aws.clients import is_transient
from workers.aws.clock import Clock
from workers.telemetry import Metric, logger, measure

DEFAULT_WAIT_SECONDS = 1.4
"""Leaves room for the rest of the request, so that every answer comes in under 2 s."""

MAX_WAIT_SECONDS = 10
"""The longest that a client may ask to wait: the function has 20 s."""

_FIRST_EXPECTED_SECONDS = 0.06
_LONGEST_EXPECTED_SECONDS = 0.7
_SHORTEST_PAUSE_SECONDS = 0.005
_LONGEST_PAUSE_SECONDS = 0.25
_GROWTH = 1.6
_EAGERNESS = 0.93
"""A first look that finds an outcome may have come too late for it: the next one comes a little earlier."""

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Wait:
    """Until when to wait, in microseconds since 1970, and what to say of it in `Preference-Applied`."""

    deadline: int
    headers: dict[str, str]


def parse_prefer(prefer: str | None, now: int) -> Wait:
    """What the `Prefer` header asks for. Other preferences, and values that are no whole number, are ignored.

    `respond-async` answers at once, `wait=N` after N seconds at the latest (at most 10). Both together, as RFC 7240 has
    it: wait up to N seconds, then go on without the client.
    """
    tokens = [preference.split(";", 1)[0].strip() for preference in (prefer or "").split(",")]
    asked = next((found for token in tokens if (found := _seconds(token)) is not None), None)
    applied = ["respond-async"] if "respond-async" in (token.lower() for token in tokens) else []
    seconds = 0.0 if applied else DEFAULT_WAIT_SECONDS
    if asked is not None:
        seconds = asked
        applied.append(f"wait={seconds}")
    headers = {"Preference-Applied": ", ".join(applied)} if applied else {}
    return Wait(now + round(seconds * 1_000_000), headers)


def _seconds(preference: str) -> int | None:
    """N of `wait=N`, at most MAX_WAIT_SECONDS; None for any other preference."""
    name, _, value = preference.partition("=")
    value = value.strip().removeprefix('"').removesuffix('"')
    if name.strip().lower() != "wait" or not (value.isascii() and value.isdigit()):
        return None
    digits = value.lstrip("0")
    return min(MAX_WAIT_SECONDS, int(digits or "0")) if len(digits) <= 2 else MAX_WAIT_SECONDS


class AdaptivePoller:
    """When to look for an outcome. A look costs a read, and one that comes too early finds nothing.

    So the first one comes when outcomes came lately. `expected` is what was learned from the requests before, in
    seconds from the sending to the outcome.
    """

    def __init__(self) -> None:
        self.expected = _FIRST_EXPECTED_SECONDS

    def poll(self, look: Callable[[], Found | None], wait: Wait, clock: Clock) -> Found | None:
        """Looks, less and less often, until there is something to be found or the time is over; then None."""
        began = clock.now()
        pause = self.expected
        missed = False
        while (left := (wait.deadline - clock.now()) / 1_000_000) > 0:
            clock.sleep(min(pause, left))
            waited = (clock.now() - began) / 1_000_000
            found = look()
            if found is not None:
                learned = waited if missed else self.expected * _EAGERNESS
                self.expected = min(_LONGEST_EXPECTED_SECONDS, max(_SHORTEST_PAUSE_SECONDS, learned))
                return found
            # After the first miss it cannot be long, if things are as they were lately.
            pause = pause * _GROWTH if missed else self.expected / 8
            pause = min(_LONGEST_PAUSE_SECONDS, max(_SHORTEST_PAUSE_SECONDS, pause))
            missed = True
        return None


def none_on_transient_error(look: Callable[[], Found | None]) -> Callable[[], Found | None]:
    """A look for which what passes by itself is nothing found yet: the queue has the command, so it is no refusal."""

    def look_or_wait() -> Found | None:
        try:
            return look()
        except Exception as error:
            if not is_transient(error):
                raise
            logger.warning("overloaded while waiting", exc_info=error)
            return None

    return look_or_wait


def log_pending(event_id: str, **fields: str) -> None:
    """Log and count an answer "accepted, not decided yet" (202)."""
    logger.info("answered pending", extra={"event_id": event_id, **fields})
    measure({Metric.PENDING_ANSWERS: 1})
