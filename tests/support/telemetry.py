"""Read the pipeline's log lines as they are written, and its metrics as CloudWatch would."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from workers.telemetry import logger

UNITS = {"DecisionLatency": "Milliseconds", "TimeToPromotion": "Milliseconds", "FailedCommandAge": "Seconds"}
_STANDARD = set(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime"}


class _Keeper(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        self.lines.append({"message": record.getMessage(), "level": record.levelname, **extra})


@contextmanager
def log_lines() -> Iterator[list[dict[str, Any]]]:
    """Collect the lines that the block logs: message, level and fields."""
    keeper = _Keeper()
    logger.addHandler(keeper)
    try:
        yield keeper.lines
    finally:
        logger.handlers.remove(keeper)


def metrics(output: str) -> dict[str, list[float]]:
    """Return all values of each printed metric; a dimension besides `service` follows the name: `Rejected/full`."""
    found: dict[str, list[float]] = {}
    for line in output.splitlines():
        if not line.startswith('{"_aws"'):
            continue
        blob = json.loads(line)
        (directive,) = blob["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "Turnstile"
        (dimensions,) = directive["Dimensions"]
        suffix = "".join(f"/{blob[name]}" for name in dimensions if name != "service")
        assert blob["service"]
        for metric in directive["Metrics"]:
            assert metric["Unit"] == UNITS.get(metric["Name"], "Count")
            found.setdefault(metric["Name"] + suffix, []).extend(blob[metric["Name"]])
    return found
