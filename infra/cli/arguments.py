"""Arguments that several commands share."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from infra.cli.deployment import LOCAL
from infra.cli.errors import UsageError

if TYPE_CHECKING:
    import argparse

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def add_stage(parser: argparse.ArgumentParser) -> None:
    """Add `--stage`, the deployment that the command works on."""
    parser.add_argument("--stage", default=LOCAL, help="local (the default), dev or prod")


def moment_of(text: str, now: int) -> int:
    """Parse `--since`: `2h`, `30m` or `1d` before `now`, or an ISO time (UTC unless it has an offset).

    `now` and the result are in microseconds since 1970. Raises UsageError for anything else.
    """
    if match := re.fullmatch(r"(\d{1,6})([smhd])", text):
        return now - timedelta(**{_UNITS[match[2]]: int(match[1])}) // timedelta(microseconds=1)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--since {text} is not valid: use 30m, 2h, 1d, or an ISO time like 2030-05-17T09:00"
        ) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1_000_000)
