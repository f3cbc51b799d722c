"""Cancel the registrations of an erased person, page by page: for the API's request, and for the function that looks
once more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.aws.clock import Clock
from workers.aws.erasure import cancellations, registrations_of
from workers.aws.items import Item
from workers.aws.send import send_all
from workers.telemetry import log_fields, logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True, slots=True)
class RegistrationCanceller:
    """Sends a Cancel for each active registration. `table` is that of registrations, the queue that of commands."""

    dynamodb: DynamoDBClient
    sqs: SQSClient
    table: str
    queue_url: str
    clock: Clock
    new_id: Callable[[], str]

    def cancel_page(self, user_id: str, behind: Item | None = None) -> tuple[int, Item | None]:
        """Cancel a page of registrations, after a key of the index.

        Return how many commands were sent, and the key after which the next page begins; None on the last page. What
        cannot be decoded is logged. Raises the clients' errors, and Overloaded.
        """
        page = registrations_of(self.dynamodb, self.clock, self.table, user_id, behind)
        for registration_id, error in page.unreadable.items():
            logger.error("a registration cannot be read", exc_info=error, extra={"registration_id": registration_id})
        commands = cancellations(page.active, self.new_id, self.clock.now())
        send_all(self.sqs, self.queue_url, commands)
        for command in commands:
            logger.info("accepted", extra=log_fields(command))
        return len(commands), page.following
