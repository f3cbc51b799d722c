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
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from workers.aws import clients
from workers.aws.clock import SYSTEM_CLOCK, Clock
from workers.aws.erasure import cancellations, registrations_of
from workers.aws.send import send_all
from workers.settings import EraserSettings
from workers.telemetry import log_fields, logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient


class Eraser:
    """The handler and its dependencies."""

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        sqs: SQSClient,
        settings: EraserSettings,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._dynamodb = dynamodb
        self._sqs = sqs
        self._settings = settings
        self._clock = clock
        self._new_id = new_id

    def handle(self, event: dict[str, Any]) -> None:
        """Process the messages of a batch. Raises if anything could not be read or sent."""
        for user_id in dict.fromkeys(json.loads(record["body"])["userId"] for record in event["Records"]):
            self._cancel_all(user_id)

    def _cancel_all(self, user_id: str) -> None:
        behind = None
        while True:
            page = registrations_of(self._dynamodb, self._clock, self._settings.registrations_table, user_id, behind)
            for registration_id, error in page.unreadable.items():
                logger.error(
                    "a registration cannot be read", exc_info=error, extra={"registration_id": registration_id}
                )
            commands = cancellations(page.active, self._new_id, self._clock.now())
            send_all(self._sqs, self._settings.queue_url, commands)
            for command in commands:
                logger.info("accepted", extra=log_fields(command))
            behind = page.following
            if behind is None:
                return


@cache
def _eraser() -> Eraser:
    settings = EraserSettings.load(os.environ)
    return Eraser(clients.dynamodb(), clients.sqs(), settings, SYSTEM_CLOCK, lambda: str(uuid.uuid4()))


def handler(event: dict[str, Any], context: object) -> None:
    """Handle a batch of the queue of erasures."""
    logger.append_keys(request_id=getattr(context, "aws_request_id", None))
    _eraser().handle(event)
