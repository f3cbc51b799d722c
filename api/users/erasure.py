"""`DELETE /users/{userId}`: a person is forgotten.

A tombstone comes first: name and e-mail are gone, and whoever reads the user strongly, as registering does, finds
nobody. Then what the person still has is given back, through the queue of each event, so that its line moves up. Last,
the login is unbound. After each call to AWS the rest may be left undone: the same request again does it, and does what
was done once more without harm.

Whose Register was accepted before the tombstone, and is decided after this, gets a seat all the same: `turnstile
reconcile` finds it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from api.http.caller import SUBJECT, Caller
from api.http.problems import Problem
from api.http.types import Response, json_response
from api.users.user_keys import binding_key, is_user_key, user_key
from workers.aws.clients import Overloaded
from workers.aws.erasure import cancellations, registrations_of
from workers.aws.items import ERASED_AT, Item, timestamp
from workers.aws.send import send_all
from workers.telemetry import log_fields, logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

    from workers.aws.clock import Clock

PATIENCE = 5_000_000
"""Microseconds: who has more registrations than can be given back in it is asked to send the request again."""

_RESUME_KEY = "erasedUpTo"
"""On the tombstone, while there is more to give back: the key in the index to go on behind."""


class Erasure:
    """Forgets people: in the table `users`, with what they have in the table `registrations`."""

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        sqs: SQSClient,
        clock: Clock,
        new_id: Callable[[], str],
        *,
        users: str,
        registrations: str,
        queue_url: str,
    ) -> None:
        self._dynamodb = dynamodb
        self._sqs = sqs
        self._clock = clock
        self._new_id = new_id
        self._users = users
        self._registrations = registrations
        self._queue_url = queue_url

    def forget(self, user_id: str, caller: Caller) -> Response:
        """202, also for who is forgotten already; or 404. Overloaded if there is more to give back than fits into one
        request: the next one goes on there."""
        tombstone = self._bury(user_id) if self._may(caller, user_id) else None
        if tombstone is None:
            return Problem("user-not-found", "Nobody has this id.").response()
        sent = self._give_back(user_id, tombstone)
        self._finish(tombstone)
        logger.info("forgotten", extra={"cancellations": sent})
        body = {"userId": user_id, "erasedAt": tombstone[ERASED_AT]["S"], "cancellations": sent}
        return json_response(202, body)

    def _may(self, caller: Caller, user_id: str) -> bool:
        """Whether there can be such a user, and the caller may have them forgotten."""
        if not is_user_key(user_id):
            return False
        if caller.unchecked:
            return True
        key = user_key(user_id)
        found = self._dynamodb.get_item(TableName=self._users, Key=key, ConsistentRead=True)
        return caller.sees_user(found.get("Item"))

    def _bury(self, user_id: str) -> Item | None:
        """The tombstone, which is there from now on; None if there never was such a user."""
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

    def _give_back(self, user_id: str, tombstone: Item) -> int:
        """Sends a Cancel for everything active; answers how many."""
        behind = tombstone.get(_RESUME_KEY, {}).get("M")
        deadline, sent = self._clock.now() + PATIENCE, 0
        while True:
            page = registrations_of(self._dynamodb, self._clock, self._registrations, user_id, behind)
            for registration_id, error in page.unreadable.items():
                logger.error(
                    "a registration cannot be read", exc_info=error, extra={"registration_id": registration_id}
                )
            commands = cancellations(page.active, self._new_id, self._clock.now())
            send_all(self._sqs, self._queue_url, commands)
            for command in commands:
                logger.info("accepted", extra=log_fields(command))
            sent += len(commands)
            behind = page.following
            if behind is None:
                return sent
            if self._clock.now() >= deadline:
                self._amend(tombstone, f"SET {_RESUME_KEY} = :place", {":place": {"M": behind}})
                raise Overloaded("there is more to give back than fits into one request")

    def _finish(self, tombstone: Item) -> None:
        """Unbinds the login, first on its side: while the tombstone names it, its owner may send the request again."""
        if SUBJECT in tombstone:
            self._unbind(tombstone)
        if SUBJECT in tombstone or _RESUME_KEY in tombstone:
            self._amend(tombstone, f"REMOVE {SUBJECT}, {_RESUME_KEY}")

    def _unbind(self, tombstone: Item) -> None:
        try:
            self._dynamodb.delete_item(
                TableName=self._users,
                Key=binding_key(tombstone[SUBJECT]["S"]),
                ConditionExpression="boundTo = :user",
                ExpressionAttributeValues={":user": tombstone["userId"]},
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            logger.info("the login is bound to nobody or to somebody else")  # a request before this one came so far

    def _amend(self, tombstone: Item, expression: str, values: Item | None = None) -> None:
        more: dict[str, Any] = {} if values is None else {"ExpressionAttributeValues": values}
        self._dynamodb.update_item(
            TableName=self._users,
            Key={"userId": tombstone["userId"]},
            UpdateExpression=expression,
            ConditionExpression=f"attribute_exists({ERASED_AT})",
            **more,
        )
