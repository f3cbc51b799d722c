"""`/users`: who can register. It also answers for every path that no route takes."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from api.http import answer, is_key, json_response, new_app, path_id, read_body, url
from api.models import NewUser
from api.problems import Problem
from api.views import user_view
from workers.aws import clients
from workers.aws.clock import SYSTEM_CLOCK, Clock
from workers.aws.items import Item, timestamp

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
    from mypy_boto3_dynamodb import DynamoDBClient


class Users:
    """The users table: this function alone writes it."""

    def __init__(self, dynamodb: DynamoDBClient, table: str, base_url: str, clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._base_url = base_url
        self._clock = clock

    def create(self, new: NewUser) -> Response[str]:
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

    def read(self, user_id: str) -> Response[str]:
        """200, or 404."""
        key: Item = {"userId": {"S": user_id}}
        item = None
        if is_key(user_id):
            item = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        if item is None:
            return Problem("user-not-found", "Nobody has this id.").response()
        return json_response(200, user_view(item))


def routes(users: Users) -> APIGatewayHttpResolver:
    """The routes of this function."""
    app = new_app()

    @app.post("/users")
    def create() -> Response[str]:
        return users.create(read_body(app.current_event, NewUser))

    @app.get("/users/<user_id>")
    def read(user_id: str) -> Response[str]:
        return users.read(path_id(user_id))

    return app


@cache
def _app() -> APIGatewayHttpResolver:
    env = os.environ
    table, base_url = clients.setting(env, "USERS_TABLE"), clients.setting(env, "API_URL")
    return routes(Users(clients.dynamodb(), table, base_url, SYSTEM_CLOCK))


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """The Lambda entry of `/users`, and of every path that no route takes."""
    return answer(_app(), event, context)
