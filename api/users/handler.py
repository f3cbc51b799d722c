"""`/users`: who can register. It also answers for every path that no route takes."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from api.http.answer import answer
from api.http.auth import identify_as_set_up
from api.http.body import read_body
from api.http.caller import SUBJECT, Caller
from api.http.dispatch import Handlers
from api.http.problems import Problem
from api.http.rate_limit import WriteLimit, limited
from api.http.types import Request, Response, json_response, url
from api.models.user import NewUser
from api.users.user_keys import binding_key, is_user, is_user_key, user_key
from api.views import user_view
from workers.aws import clients
from workers.aws.clients import Overloaded
from workers.aws.clock import SYSTEM_CLOCK, Clock
from workers.aws.items import Item, timestamp

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from api.users.erasure import Erasure


_TAKEN = {
    "user-exists": "The id belongs to somebody already.",
    "account-has-user": "Whoever has this token is a user already, and nobody is two.",
}
"""Why a user cannot be created, in the order of the items that are written."""


class Users:
    """The users table: this function alone writes it."""

    def __init__(self, dynamodb: DynamoDBClient, table: str, base_url: str, clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._base_url = base_url
        self._clock = clock

    def create(self, new: NewUser, caller: Caller) -> Response:
        """201, or 409 if the id is somebody else's, or the caller is a user already.

        The subject of the caller's token is bound to the user, one to one.
        """
        item: Item = {
            "userId": {"S": new.user_id},
            "name": {"S": new.name},
            "createdAt": {"S": timestamp(self._clock.now())},
        }
        if new.email is not None:
            item["email"] = {"S": new.email}
        if refusal := self._put(item) if caller.subject is None else self._put_bound(item, caller.subject):
            return Problem(refusal, _TAKEN[refusal]).response()
        return json_response(201, user_view(item), {"Location": url(self._base_url, "users", new.user_id)})

    def _put(self, item: Item) -> str | None:
        """The code of a problem if the id is taken."""
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression="attribute_not_exists(userId)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            # The SDK tries again when an answer is lost: what it then finds is what it wrote, to the microsecond.
            return None if error.response.get("Item") == item else "user-exists"
        return None

    def _put_bound(self, item: Item, subject: str) -> str | None:
        """The same, together with a second item, which says that the subject has a user. DynamoDB knows a transaction
        that it is sent again after a lost answer."""
        binding: Item = {**binding_key(subject), "boundTo": item["userId"]}
        puts: list[Any] = [
            {"Put": {"TableName": self._table, "Item": new, "ConditionExpression": "attribute_not_exists(userId)"}}
            for new in (item | {SUBJECT: {"S": subject}}, binding)
        ]
        try:
            self._dynamodb.transact_write_items(TransactItems=puts)
        except self._dynamodb.exceptions.TransactionCanceledException as error:
            reasons = [reason.get("Code") for reason in error.response.get("CancellationReasons", [])]
            for refusal, reason in zip(_TAKEN, reasons, strict=False):
                if reason == "ConditionalCheckFailed":
                    return refusal
            raise Overloaded("somebody else is creating the same user") from error
        return None

    def read(self, user_id: str, caller: Caller) -> Response:
        """200, or 404."""
        key = user_key(user_id)
        item = None
        if is_user_key(user_id):
            item = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        if not is_user(item) or not caller.sees_user(item):
            return Problem("user-not-found", "Nobody has this id.").response()
        return json_response(200, user_view(item))


def routes(users: Users, forget: Callable[[str, Caller], Response]) -> Handlers:
    """The routes of this function."""

    def create(request: Request) -> Response:
        return users.create(read_body(request, NewUser), request.caller)

    def read(request: Request) -> Response:
        return users.read(request.ids["userId"], request.caller)

    def erase(request: Request) -> Response:
        return forget(request.ids["userId"], request.caller)

    return {"POST /users": create, "GET /users/{userId}": read, "DELETE /users/{userId}": erase}


@cache
def _routes() -> Handlers:
    env = os.environ
    names = ("USERS_TABLE", "API_URL", "REGISTRATIONS_TABLE", "QUEUE_URL")
    table, base_url, registrations, queue_url = (clients.setting(env, name) for name in names)
    dynamodb = clients.dynamodb()

    @cache
    def forgetting() -> Erasure:
        from api.users.erasure import Erasure  # noqa: PLC0415 - few ask for it

        where = {"users": table, "registrations": registrations, "queue_url": queue_url}
        return Erasure(dynamodb, clients.sqs(), SYSTEM_CLOCK, lambda: str(uuid.uuid4()), **where)

    def forget(user_id: str, caller: Caller) -> Response:
        return forgetting().forget(user_id, caller)

    handlers = routes(Users(dynamodb, table, base_url, SYSTEM_CLOCK), forget)
    return limited(handlers, WriteLimit.of(env, SYSTEM_CLOCK))


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The Lambda entry of `/users`, and of every path that no route takes."""
    return answer(_routes(), event, identify_as_set_up())
