"""Wait for the outcome of a command: for how long (`Prefer`, RFC 7240), and when to poll."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from workers.aws.clients import is_transient
from workers.aws.clock import Clock
from workers.metrics import Metric
from workers.telemetry import logger, measure

DEFAULT_WAIT_SECONDS = 1.4
"""Leaves time for the rest of the request, so that every answer takes less than 2 s."""

MAX_WAIT_SECONDS = 10
"""The longest wait that a client may ask for; the function may run for 20 s."""

_FIRST_EXPECTED_SECONDS = 0.06
_LONGEST_EXPECTED_SECONDS = 0.7
_SHORTEST_PAUSE_SECONDS = 0.005
_LONGEST_PAUSE_SECONDS = 0.25
_GROWTH = 1.6
_EAGERNESS = 0.93
"""A first poll that finds an outcome may have come later than necessary: the next one comes a little earlier."""

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Wait:
    """A deadline in microseconds since 1970, and the header that says which preferences were applied."""

    deadline: int
    headers: dict[str, str]


def parse_prefer(prefer: str | None, now: int) -> Wait:
    """Parse the `Prefer` header. Other preferences, and values that are not whole numbers, are ignored.

    `respond-async` answers at once, `wait=N` after N seconds at the latest (at most 10). Both together mean, by RFC
    7240: wait up to N seconds, then answer that the request is still being processed.
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
    """Return N of `wait=N`, at most MAX_WAIT_SECONDS; None for any other preference."""
    name, _, value = preference.partition("=")
    value = value.strip().removeprefix('"').removesuffix('"')
    if name.strip().lower() != "wait" or not (value.isascii() and value.isdigit()):
        return None
    digits = value.lstrip("0")
    return min(MAX_WAIT_SECONDS, int(digits or "0")) if len(digits) <= 2 else MAX_WAIT_SECONDS


class AdaptivePoller:
    """Polls for outcomes. A poll costs a read, which is wasted if it comes too early.

    So the first poll comes after `expected` seconds: the time that recent requests took from sending to outcome.
    """

    def __init__(self) -> None:
        self.expected = _FIRST_EXPECTED_SECONDS

    def poll(self, read: Callable[[], Found | None], wait: Wait, clock: Clock) -> Found | None:
        """Call `read` at growing intervals until it returns something or the wait is over; then return None."""
        began = clock.now()
        pause = self.expected
        missed = False
        while (left := (wait.deadline - clock.now()) / 1_000_000) > 0:
            clock.sleep(min(pause, left))
            waited = (clock.now() - began) / 1_000_000
            found = read()
            if found is not None:
                learned = waited if missed else self.expected * _EAGERNESS
                self.expected = min(_LONGEST_EXPECTED_SECONDS, max(_SHORTEST_PAUSE_SECONDS, learned))
                return found
            # After the first miss the outcome is probably near, as it was for recent requests.
            pause = pause * _GROWTH if missed else self.expected / 8
            pause = min(_LONGEST_PAUSE_SECONDS, max(_SHORTEST_PAUSE_SECONDS, pause))
            missed = True
        return None


def none_on_transient_error(read: Callable[[], Found | None]) -> Callable[[], Found | None]:
    """Wrap a read: a transient error counts as nothing found yet, because the queue already has the command."""

    def read_or_none() -> Found | None:
        try:
            return read()
        except Exception as error:
            if not is_transient(error):
                raise
            logger.warning("overloaded while waiting", exc_info=error)
            return None

    return read_or_none


def log_pending(event_id: str, **fields: str) -> None:
    """Log and count an answer "accepted, not decided yet" (202)."""
    logger.info("answered pending", extra={"event_id": event_id, **fields})
    measure({Metric.PENDING_ANSWERS: 1})
