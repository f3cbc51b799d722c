"""The function on the queue of erasures: it cancels what an erased person registered for in the same moment.

`DELETE /users/{userId}` cancels every registration that it finds. A request to register that was on its way meanwhile
may be accepted all the same, and the index that is searched lags. So the request also sends a message which arrives
when no such request can be left, and this function searches once more. An erasure that failed half way is completed by
it, too. Whoever registers is stored as pending or decided before they are answered, so the Cancel is behind the
Register in the event's queue, however long that is. What remains is a process of the API that dies in between while the
queue is behind: `turnstile reconcile` finds that.

Any failure raises, and the queue delivers the message again: cancelling twice does no harm.
"""

from __future__ import annotations

import json
import os
import uuid
from functools import cache
from typing import Any

from workers.aws import clients
from workers.aws.clock import SYSTEM_CLOCK
from workers.erasure import RegistrationCanceller
from workers.settings import EraserSettings
from workers.telemetry import logger


class Eraser:
    """The handler and its dependencies."""

    def __init__(self, canceller: RegistrationCanceller) -> None:
        self._canceller = canceller

    def handle(self, event: dict[str, Any]) -> None:
        """Process the messages of a batch. Raises if anything could not be read or sent."""
        for user_id in dict.fromkeys(json.loads(record["body"])["userId"] for record in event["Records"]):
            behind = None
            while True:
                _, behind = self._canceller.cancel_page(user_id, behind)
                if behind is None:
                    break


@cache
def _eraser() -> Eraser:
    settings = EraserSettings.load(os.environ)
    dynamodb, sqs, table = clients.dynamodb(), clients.sqs(), settings.registrations_table
    return Eraser(
        RegistrationCanceller(dynamodb, sqs, table, settings.queue_url, SYSTEM_CLOCK, lambda: str(uuid.uuid4()))
    )


def handler(event: dict[str, Any], context: object) -> None:
    """Handle a batch of the queue of erasures."""
    logger.append_keys(request_id=getattr(context, "aws_request_id", None))
    _eraser().handle(event)
