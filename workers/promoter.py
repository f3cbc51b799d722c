"""The function on the ledger table's stream: it sends a `Promote` when a seat is free while somebody waits.

It decides nothing. When the command's turn comes, the registrar promotes according to the ledger as it is then. Any
failure raises, so that Lambda delivers the whole stream batch again: a repeated `Promote` does no harm.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from workers.aws import clients
from workers.aws.clock import SYSTEM_CLOCK, Clock
from workers.aws.send import promotion, send_all
from workers.settings import PromoterSettings
from workers.telemetry import log_fields, logger

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class Promoter:
    """The handler and its dependencies."""

    def __init__(self, sqs: SQSClient, queue_url: str, clock: Clock) -> None:
        self._sqs = sqs
        self._queue_url = queue_url
        self._clock = clock

    def handle(self, event: dict[str, Any]) -> None:
        """Process a stream event. Raises if any Promote could not be sent."""
        newest: dict[str, int] = {}
        for record in event["Records"]:
            image = record["dynamodb"].get("NewImage", {})
            if "promotable" in image:
                event_id, version = image["eventId"]["S"], int(image["version"]["N"])
                newest[event_id] = max(version, newest.get(event_id, 0))
        now = self._clock.now()
        commands = [promotion(event_id, version, now) for event_id, version in newest.items()]
        send_all(self._sqs, self._queue_url, commands)
        for command in commands:
            logger.info("promotion asked for", extra=log_fields(command))


@cache
def _promoter() -> Promoter:
    return Promoter(clients.sqs(), PromoterSettings.load(os.environ).queue_url, SYSTEM_CLOCK)


def handler(event: dict[str, Any], context: object) -> None:
    """Handle an event of the ledger table's stream."""
    logger.append_keys(request_id=getattr(context, "aws_request_id", None))
    _promoter().handle(event)
