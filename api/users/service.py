"""Create and read users: the people who can register."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.http.caller import SUBJECT, Caller
from api.http.problems import Problem
from api.http.types import Response, json_response, url
from api.models.user import NewUser
from api.settings import UserSettings
from api.users.responses import user_view
from workers.aws.clients import Overloaded
from workers.aws.clock import Clock
from workers.aws.items import Item, timestamp
from workers.aws.user_keys import binding_key, is_user, is_user_key, user_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ME = "me"

_TAKEN = {
    "user-exists": "Another user has this id.",
    "account-has-user": "An account can have only one user.",
}
"""Why a user cannot be created, in the order of the items in the transaction."""


class UserService:
    """Creates and reads users. Only this class and `UserEraser`, in the same Lambda function, write the users table."""

    def __init__(self, dynamodb: DynamoDBClient, settings: UserSettings, clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._table = settings.users_table
        self._base_url = settings.api_url
        self._clock = clock

    def create(self, new: NewUser, caller: Caller) -> Response:
        """Answer 201, or 409 if the id is taken or the caller has a user already.

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
            own = self._bound_to(caller) if refusal == "account-has-user" else None
            return Problem(refusal, _TAKEN[refusal], extra={"user": self._url(own)} if own else {}).response()
        return json_response(201, user_view(item), {"Location": self._url(new.user_id)})

    def _url(self, user_id: str) -> str:
        return url(self._base_url, "users", user_id)

    def _put(self, item: Item) -> str | None:
        """Write the user. Return the code of a problem if the id is taken."""
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression="attribute_not_exists(userId)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            # The SDK tries again after a lost answer: then the stored item is this one, `createdAt` included.
            return None if error.response.get("Item") == item else "user-exists"
        return None

    def _put_bound(self, item: Item, subject: str) -> str | None:
        """Write the user together with the binding of the subject. Return the code of a problem if either exists.

        DynamoDB recognises a transaction that the SDK sends again after a lost answer.
        """
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
            raise Overloaded("another request is creating the same user") from error
        return None

    def _bound_to(self, caller: Caller) -> str | None:
        """Return the id of the caller's own user; None if they have none, or no token."""
        if caller.subject is None:
            return None
        key = binding_key(caller.subject)
        item = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return item["boundTo"]["S"] if item else None

    def read(self, user_id: str, caller: Caller) -> Response:
        """Answer 200, or 404. The id `me` stands for the caller's own user; it is too short for any user's id."""
        if user_id == ME:
            own = self._bound_to(caller)
            if own is None:
                detail = (
                    "Your account has no user yet. Create one with POST /users."
                    if caller.subject
                    else "You are not signed in."
                )
                return Problem("user-not-found", detail).response()
            user_id = own
        key = user_key(user_id)
        item = None
        if is_user_key(user_id):
            item = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        if not is_user(item) or not caller.can_see_user(item):
            return Problem("user-not-found", "No user has this id.").response()
        return json_response(200, user_view(item))
