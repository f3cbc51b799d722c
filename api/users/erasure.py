"""`DELETE /users/{userId}`: erase a person's data and cancel their registrations.

A tombstone comes first: it has no name and no email, and a strongly consistent read, as registering makes it, finds no
user any more. Then every active registration is cancelled through the queue of its event, so that its waiting list
moves up. Last, the login is unbound. Any call to AWS may fail and leave the rest undone; the same request completes it,
and repeating what was done is harmless.

A request to register that was on its way meanwhile may still be accepted. So a message about the erasure, which the
queue delays, wakes the function `workers.eraser`: within a minute it cancels such a registration, and what a failed
request has left.

The tombstone keeps a hash of the subject, so that its owner can send the request again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from api.http.caller import SUBJECT, Caller
from api.http.problems import Problem
from api.http.types import Response, json_response
from workers.aws.clients import Overloaded
from workers.aws.items import ERASED_AT, Item, timestamp
from workers.aws.user_keys import binding_key, is_user_key, user_key
from workers.erasure import RegistrationCanceller
from workers.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

    from api.settings import UserSettings
    from workers.aws.clock import Clock

PATIENCE = 5_000_000
"""Microseconds for cancelling. If it does not suffice, the client is asked to send the request again."""

_RESUME_KEY = "erasedUpTo"
"""On the tombstone while there is more to cancel: the key of the index to continue after."""


_OWNER = "ownerHash"
"""On the tombstone: the hash of the subject. A subject is a random id, so its hash tells nothing about the person."""


class UserEraser:
    """Erases users, and cancels their registrations."""

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        sqs: SQSClient,
        settings: UserSettings,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._dynamodb = dynamodb
        self._sqs = sqs
        self._clock = clock
        self._users = settings.users_table
        self._erasures = settings.erasure_queue_url
        self._canceller = RegistrationCanceller(
            dynamodb, sqs, settings.registrations_table, settings.queue_url, clock, new_id
        )

    def erase(self, user_id: str, caller: Caller) -> Response:
        """Answer 202, also for a user who was erased before, or 404.

        Raises Overloaded if there is more to cancel than fits into one request: the next one continues there.
        """
        tombstone = self._write_tombstone(user_id) if self._may_erase(caller, user_id) else None
        if tombstone is None:
            return Problem("user-not-found", "No user has this id.").response()
        self._sqs.send_message(QueueUrl=self._erasures, MessageBody=json.dumps({"userId": user_id}))
        sent = self._cancel_all(user_id, tombstone)
        self._finish(tombstone)
        logger.info("forgotten", extra={"cancellations": sent})
        body = {"userId": user_id, "erasedAt": tombstone[ERASED_AT]["S"], "cancellations": sent}
        return json_response(202, body)

    def _may_erase(self, caller: Caller, user_id: str) -> bool:
        """Return whether there can be such a user, and the caller may erase them."""
        if not is_user_key(user_id):
            return False
        if caller.unchecked:
            return True
        key = user_key(user_id)
        item = self._dynamodb.get_item(TableName=self._users, Key=key, ConsistentRead=True).get("Item", {})
        repeated = caller.subject is not None and item.get(_OWNER) == {"S": _hash(caller.subject)}
        return repeated or caller.can_see_user(item)

    def _write_tombstone(self, user_id: str) -> Item | None:
        """Replace the user by a tombstone and return it; None if there never was such a user."""
        try:
            return self._dynamodb.update_item(
                TableName=self._users,
                Key=user_key(user_id),
                UpdateExpression=f"SET {ERASED_AT} = if_not_exists({ERASED_AT}, :now) REMOVE #name, email",
                ConditionExpression="attribute_exists(userId)",
                ExpressionAttributeNames={"#name": "name"},
                ExpressionAttributeValues={":now": {"S": timestamp(self._clock.now())}},
                ReturnValues="ALL_NEW",
            )["Attributes"]
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            return None

    def _cancel_all(self, user_id: str, tombstone: Item) -> int:
        """Send a Cancel for every active registration. Return how many were sent."""
        behind = tombstone.get(_RESUME_KEY, {}).get("M")
        deadline, sent = self._clock.now() + PATIENCE, 0
        while True:
            number, behind = self._canceller.cancel_page(user_id, behind)
            sent += number
            if behind is None:
                return sent
            if self._clock.now() >= deadline:
                self._amend(tombstone, f"SET {_RESUME_KEY} = :place", {":place": {"M": behind}})
                raise Overloaded("there is more to cancel than fits into one request")

    def _finish(self, tombstone: Item) -> None:
        """Unbind the login, its own item first: while the tombstone names it, its owner may send the request again."""
        if SUBJECT in tombstone:
            self._unbind(tombstone)
            self._amend(
                tombstone,
                f"SET {_OWNER} = :owner REMOVE {SUBJECT}, {_RESUME_KEY}",
                {":owner": {"S": _hash(tombstone[SUBJECT]["S"])}},
            )
        elif _RESUME_KEY in tombstone:
            self._amend(tombstone, f"REMOVE {_RESUME_KEY}")

    def _unbind(self, tombstone: Item) -> None:
        try:
            self._dynamodb.delete_item(
                TableName=self._users,
                Key=binding_key(tombstone[SUBJECT]["S"]),
                ConditionExpression="boundTo = :user",
                ExpressionAttributeValues={":user": tombstone["userId"]},
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            logger.info("the login is bound to no user, or to another one")  # an earlier request came this far

    def _amend(self, tombstone: Item, expression: str, values: Item | None = None) -> None:
        more: dict[str, Any] = {} if values is None else {"ExpressionAttributeValues": values}
        self._dynamodb.update_item(
            TableName=self._users,
            Key={"userId": tombstone["userId"]},
            UpdateExpression=expression,
            ConditionExpression=f"attribute_exists({ERASED_AT})",
            **more,
        )


def _hash(subject: str) -> str:
    return hashlib.sha256(f"turnstile\0{subject}".encode()).hexdigest()
