"""`/users`: who can register. It also answers for every path that no route takes."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from api.body import read_body
from api.http import Handlers, answer
from api.messages import Response, is_key, json_response, url
from api.models.user import NewUser
from api.problems import Problem
from api.views import user_view
from workers.aws import clients
from workers.aws.clock import SYSTEM_CLOCK, Clock
from workers.aws.items import Item, timestamp

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Users:
    """The users table: this function alone writes it."""

    def __init__(self, dynamodb: DynamoDBClient, table: str, base_url: str, clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._base_url = base_url
        self._clock = clock

    def create(self, new: NewUser) -> Response:
        """201, or 409 if the id is somebody else's."""
        item: Item = {
            "userId": {"S": new.user_id},
            "name": {"S": new.name},
            "createdAt": {"S": timestamp(self._clock.now())},
        }
        if new.email is not None:
            item["email"] = {"S": new.email}
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression="attribute_not_exists(userId)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            # The SDK tries again when an answer is lost: what it then finds is what it wrote, to the microsecond.
            if error.response.get("Item") != item:
                return Problem("user-exists", f"The id {new.user_id} belongs to somebody already.").response()
        return json_response(201, user_view(item), {"Location": url(self._base_url, "users", new.user_id)})

    def read(self, user_id: str) -> Response:
        """200, or 404."""
        key: Item = {"userId": {"S": user_id}}
        item = None
        if is_key(user_id):
            item = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        if item is None:
            return Problem("user-not-found", "Nobody has this id.").response()
        return json_response(200, user_view(item))


def routes(users: Users) -> Handlers:
    """The routes of this function."""
    return {
        "POST /users": lambda request: users.create(read_body(request, NewUser)),
        "GET /users/{userId}": lambda request: users.read(request.ids["userId"]),
    }


@cache
def _routes() -> Handlers:
    env = os.environ
    table, base_url = clients.setting(env, "USERS_TABLE"), clients.setting(env, "API_URL")
    return routes(Users(clients.dynamodb(), table, base_url, SYSTEM_CLOCK))


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The Lambda entry of `/users`, and of every path that no route takes."""
    return answer(_routes(), event)
