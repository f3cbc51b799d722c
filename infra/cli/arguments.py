"""Arguments that several commands take."""

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
    """Add `--stage`: which deployment the command is for."""
    parser.add_argument("--stage", default=LOCAL, help="local (the default), dev or prod")


def moment_of(text: str, now: int) -> int:
    """What `--since` says: `2h`, `30m`, `1d` before `now`, or an ISO time (UTC unless it says otherwise).

    All in microseconds since 1970. UsageError if it is neither.
    """
    if match := re.fullmatch(r"(\d{1,6})([smhd])", text):
        return now - timedelta(**{_UNITS[match[2]]: int(match[1])}) // timedelta(microseconds=1)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--since {text} is neither like 30m, 2h, 1d nor an ISO time like 2030-05-17T09:00") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1_000_000)
