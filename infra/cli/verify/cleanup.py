"""How what a journey made is deleted again: from the tables, because the API deletes neither events nor users' ids.

First everything that was asked for has to be decided: without its event a command that is still queued would become a
dead letter, and somebody would be woken for it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import BotoCoreError, ClientError

from api.people import binding_key, user_key
from infra.cli.verify.callers import subject_of
from workers.aws.items import (
    NOT_READABLE,
    Item,
    event_key,
    ledger_from_item,
    registration_from_item,
    registration_key,
)
from workers.domain.records import Status, registration_id

if TYPE_CHECKING:
    from infra.cli.deployment import Deployment

Kind = Literal["Register", "Cancel"]
_INTERVAL = 0.2


class CleanUp:
    """Remembers what a journey asks for, before it does, and deletes it. Nothing that was there before is touched."""

    def __init__(self, deployment: Deployment, event: str) -> None:
        self._dynamodb = deployment.clients.dynamodb
        self._outputs = deployment.outputs
        self._event = event
        self._users: list[tuple[str, str | None]] = []
        self._registered: dict[str, None] = {}
        self._awaited: dict[str, Kind] = {}
        self._has_event = False

    def of_event(self) -> None:
        """The event is about to be created."""
        self._has_event = True

    def of_user(self, user_id: str, token: str | None) -> None:
        """This user is about to be created, as the caller with this token."""
        self._users.append((user_id, token))

    def asks(self, kind: Kind, user_id: str) -> None:
        """A command for this user is about to be asked for."""
        self._registered[user_id] = None
        self._awaited[user_id] = kind

    def refused(self, user_id: str | None) -> None:
        """The API has refused what was asked for this user: there is no command."""
        self._awaited.pop(user_id or "", None)

    def run(self, wait: float) -> list[str]:
        """Delete everything, within `wait` seconds of being able to. Returns, in words, what stays and why."""
        try:
            undecided = self._has_event and self._wait(wait)
        except (ClientError, BotoCoreError, *NOT_READABLE) as error:
            return self._stays(f"whether its commands are decided cannot be seen: {error}; delete it when they are")
        if undecided:
            return self._stays("a command for it may still be queued; delete it when that is decided")
        return [word for word in map(self._delete, self._items()) if word]

    def _wait(self, seconds: float) -> bool:
        """True if something is still to be decided after this time."""
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
            if record is None or record.status is Status.PENDING or (kind == "Cancel" and record.alive):
                return True
        ledger = self._get(self._outputs.ledger_table, event_key(self._event))
        return ledger is not None and ledger_from_item(ledger).promotable  # a Promote is on its way

    def _get(self, table: str, key: Item) -> Item | None:
        return self._dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")

    def _registration(self, user_id: str) -> Item:
        return registration_key(registration_id(self._event, user_id))

    def _items(self) -> list[tuple[str, Item, str | None]]:
        """Table and key of everything that may be there; of a binding also to whom: it may be another user's by now."""
        outputs, items = self._outputs, list[tuple[str, Item, str | None]]()
        if self._has_event:  # the ledger first: without its registrations the auditor would call it damaged
            items.append((outputs.ledger_table, event_key(self._event), None))
            items += [(outputs.registrations_table, self._registration(user), None) for user in self._registered]
            items.append((outputs.events_table, event_key(self._event), None))
        for user_id, token in self._users:
            items.append((outputs.users_table, user_key(user_id), None))
            if token is not None:
                items.append((outputs.users_table, binding_key(subject_of(token)), user_id))
        return items

    def _delete(self, item: tuple[str, Item, str | None]) -> str | None:
        table, key, bound_to = item
        try:
            if bound_to is None:
                self._dynamodb.delete_item(TableName=table, Key=key)
            else:
                self._dynamodb.delete_item(
                    TableName=table,
                    Key=key,
                    ConditionExpression="boundTo = :user",
                    ExpressionAttributeValues={":user": {"S": bound_to}},
                )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            return None
        except (ClientError, BotoCoreError) as error:
            return _words(table, key, str(error))
        return None

    def _stays(self, why: str) -> list[str]:
        return [_words(table, key, why) for table, key, _ in self._items()]


def _words(table: str, key: Item, why: str) -> str:
    ((name, value),) = key.items()
    return f"{name} {value['S']} in {table}: {why}"
