"""Delete what a verification run created: from the tables, because the API deletes neither events nor users' ids.

All commands have to be decided first: without its event, a command that is still queued would become a dead letter and
set off an alarm.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import BotoCoreError, ClientError

from infra.cli.verify.identities import subject_of
from workers.aws.items import (
    DECODE_ERRORS,
    Item,
    event_key,
    ledger_from_item,
    registration_from_item,
    registration_key,
)
from workers.aws.user_keys import binding_key, user_key
from workers.domain.records import Status, registration_id

if TYPE_CHECKING:
    from infra.cli.deployment import Deployment

Kind = Literal["Register", "Cancel"]
Condition = tuple[str, str]
"""An attribute, and the value without which an item is not deleted."""

USER_NAME = "turnstile verify"
"""The name of every user that a run creates."""

_INTERVAL = 0.2
_BLOCKS = (
    "; with --tokens, the token's owner is refused (409 account-has-user) until this user and its binding are deleted"
)


class CleanUp:
    """A record of what a run is about to create, made before each request, and its deletion.

    Nothing that existed before the run is touched.
    """

    def __init__(self, deployment: Deployment, event: str) -> None:
        self._dynamodb = deployment.clients.dynamodb
        self._outputs = deployment.outputs
        self._event = event
        self._users: list[tuple[str, str | None]] = []
        self._registered: dict[str, None] = {}
        self._awaited: dict[str, Kind] = {}
        self._has_event = False

    def will_create_event(self) -> None:
        """Record that the event is about to be created."""
        self._has_event = True

    def will_create_user(self, user_id: str, token: str | None) -> None:
        """Record that a user is about to be created by the caller with this token."""
        self._users.append((user_id, token))

    def will_request(self, kind: Kind, user_id: str) -> None:
        """Record that a command for this user is about to be requested."""
        self._registered[user_id] = None
        self._awaited[user_id] = kind

    def refused(self, user_id: str | None) -> None:
        """Record that the API refused the request for this user, so there is no command to wait for."""
        self._awaited.pop(user_id or "", None)

    def run(self, wait: float) -> list[str]:
        """Wait up to `wait` seconds for decisions, then delete everything. Return a line for each item that stays."""
        try:
            undecided = self._has_event and self._wait(wait)
        except (ClientError, BotoCoreError, *DECODE_ERRORS) as error:
            return self._stays(f"cannot tell whether its commands are decided: {error}; delete it after they are")
        if undecided:
            return self._stays("a command for it may still be queued; delete it after that is decided")
        return [line for line in map(self._delete, self._items()) if line]

    def _wait(self, seconds: float) -> bool:
        """Wait for decisions; return True if something is still undecided after this time."""
        deadline = time.monotonic() + seconds
        while self._undecided():
            if time.monotonic() > deadline:
                return True
            time.sleep(_INTERVAL)
        return False

    def _undecided(self) -> bool:
        for user_id, kind in self._awaited.items():
            item = self._get(self._outputs.registrations_table, self._registration(user_id))
            record = registration_from_item(item) if item else None
            if record is None or record.status is Status.PENDING or (kind == "Cancel" and record.is_active):
                return True
        ledger = self._get(self._outputs.ledger_table, event_key(self._event))
        return ledger is not None and ledger_from_item(ledger).promotable  # a Promote is on its way

    def _get(self, table: str, key: Item) -> Item | None:
        return self._dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")

    def _registration(self, user_id: str) -> Item:
        return registration_key(registration_id(self._event, user_id))

    def _items(self) -> list[tuple[str, Item, Condition | None]]:
        """Return table and key of everything that may exist.

        Users and bindings have a condition besides: by now they may belong to someone else.
        """
        outputs, items = self._outputs, list[tuple[str, Item, Condition | None]]()
        if self._has_event:  # the ledger first: without its registrations the auditor would call it damaged
            items.append((outputs.ledger_table, event_key(self._event), None))
            items += [(outputs.registrations_table, self._registration(user), None) for user in self._registered]
            items.append((outputs.events_table, event_key(self._event), None))
        for user_id, token in self._users:
            items.append((outputs.users_table, user_key(user_id), ("name", USER_NAME)))
            if token is not None:
                items.append((outputs.users_table, binding_key(subject_of(token)), ("boundTo", user_id)))
        return items

    def _delete(self, item: tuple[str, Item, Condition | None]) -> str | None:
        table, key, condition = item
        try:
            if condition is None:
                self._dynamodb.delete_item(TableName=table, Key=key)
            else:
                self._dynamodb.delete_item(
                    TableName=table,
                    Key=key,
                    ConditionExpression="#attribute = :value",
                    ExpressionAttributeNames={"#attribute": condition[0]},
                    ExpressionAttributeValues={":value": {"S": condition[1]}},
                )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            return None
        except (ClientError, BotoCoreError) as error:
            return _words(table, key, str(error))
        return None

    def _stays(self, why: str) -> list[str]:
        blocks = _BLOCKS if any(token is not None for _, token in self._users) else ""
        users = self._outputs.users_table
        return [_words(table, key, why + (blocks if table == users else "")) for table, key, _ in self._items()]


def _words(table: str, key: Item, why: str) -> str:
    ((name, value),) = key.items()
    return f"{name} {value['S']} in {table}: {why}"
