"""Bugs in the API: admission, answers, idempotency keys, changes of events, lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from api.events import lists
from api.events.lists import EventList
from api.events.service import EventService, _revision_after_lost_answer
from api.http.cache import Cache
from api.http.caller import Caller
from api.http.etag import Revisions, revision_condition
from api.http.types import Response
from api.registrations.headers import RegistrationHeaders
from api.registrations.lists import RegistrationLists
from api.registrations.pending import PendingStore, _pending
from api.registrations.service import RegistrationService
from api.registrations.snapshot import Snapshot
from api.settings import EventSettings
from tests.proofs.simulation.seeded_bugs.registry import bug
from workers.aws.clients import Overloaded
from workers.aws.clock import Clock
from workers.aws.items import Item, registration_key, registration_to_item
from workers.aws.send import send
from workers.domain.admission import _may_be_lost, admit
from workers.domain.commands import Configure
from workers.domain.records import Registration, Status

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_dynamodb import DynamoDBClient


def _known_key(record: Registration | None, key: str | None) -> str | None:
    return record.post_keys[0] if record is not None and record.post_keys and key is not None else key


def _latest_key(record: Registration | None, key: str | None) -> str | None:
    return None if record is not None and key in record.post_keys[:-1] else key


def _replay_any_delete(
    original: Callable[..., Response],
    self: RegistrationService,
    event_id: str,
    user_id: str,
    headers: RegistrationHeaders,
    caller: Caller,
) -> Response:
    record = self._reader.fetch_registration(event_id, user_id) if headers.key is not None else None
    known = record.delete_keys if record is not None else ()
    return original(self, event_id, user_id, replace(headers, key=known[0]) if known else headers, caller)


def _without_delete_keys(record: Registration | None) -> Registration | None:
    return record and replace(record, delete_keys=())


def _put_anyway(_: object, self: PendingStore, record: Registration) -> bool:
    self._dynamodb.put_item(TableName=self._table, Item=registration_to_item(record))
    return True


def _refuse_unknown(
    original: Callable[..., int | None], change_id: str, wanted: Revisions, refused: ClientError
) -> int | None:
    with suppress(Overloaded):
        return original(change_id, wanted, refused)
    return None


def _keep_for_a_minute(
    original: Callable[..., None], self: EventList, dynamodb: DynamoDBClient, settings: EventSettings, clock: Clock
) -> None:
    original(self, dynamodb, settings, clock)
    self._cache = Cache(60, lists.CACHE_PAGES, clock)


def _in_order_of_items(
    original: Callable[..., list[Registration]],
    self: RegistrationLists,
    rows: list[Item],
    sort_key: str,
    moved_to: Sequence[Status] = (),
) -> list[Registration]:
    table = self._settings.registrations_table
    items = self._read({table: [registration_key(row["registrationId"]["S"]) for row in rows]})[table]
    order = [item["registrationId"]["S"] for item in items]
    return sorted(original(self, rows, sort_key, moved_to), key=lambda record: order.index(record.registration_id))


API = {
    "any-key-replays": bug(
        "a request with a new idempotency key is taken for a known one",
        admit,
        lambda original, record, ledger, key, now: original(record, ledger, _known_key(record, key), now),
    ),
    "post-key-ignored": bug(
        "an idempotency key is ignored",
        admit,
        lambda original, record, ledger, key, now: original(record, ledger, None, now),
    ),
    "older-keys-forgotten": bug(
        "only the latest idempotency key of a registration is known",
        admit,
        lambda original, record, ledger, key, now: original(record, ledger, _latest_key(record, key), now),
        first=2,
    ),
    "resent-time-ignored": bug(
        "a request that may be lost is sent again by every POST",
        _may_be_lost,
        lambda original, record, now: original(replace(record, resent_at=None), now),
    ),
    "outcome-of-an-earlier-attempt": bug(
        "the outcome of an earlier attempt is the answer to this one",
        RegistrationService._fetch_decision,
        lambda original, self, register, *, with_ledger: original(
            self, replace(register, generation=0), with_ledger=with_ledger
        ),
    ),
    "delete-key-ignored": bug(
        "the idempotency key of a DELETE is ignored",
        RegistrationService._fetch_own,
        lambda original, self, event_id, user_id, caller: _without_delete_keys(
            original(self, event_id, user_id, caller)
        ),
        first=4,
    ),
    "any-delete-key-replays": bug(
        "a DELETE with a new idempotency key is taken for a known one", RegistrationService.cancel, _replay_any_delete
    ),
    "pending-over-an-outcome": bug("pending is written over whatever is stored", PendingStore._put, _put_anyway),
    "pending-not-stored": bug(
        "the 202 is about a pending registration that is not stored",
        PendingStore.save_pending,
        lambda _, self, command, before, resent_at=None: Snapshot(_pending(command, before, resent_at)),
    ),
    "cancellation-not-noted": bug(
        "a pending registration does not say that its Cancel was accepted",
        PendingStore.save_cancelling,
        lambda *_: None,
    ),
    "condition-looked-at-before": bug(
        "the revision that a PATCH requires is no condition of its write",
        revision_condition,
        lambda original, revisions: original(None),
    ),
    "own-change-refused": bug(
        "a change that the SDK repeats after it was made is a 412",
        _revision_after_lost_answer,
        lambda original, change_id, wanted, refused: original("", wanted, refused),
    ),
    "unknown-change-refused": bug(
        "a change that may have been made, with others after it, is a 412",
        _revision_after_lost_answer,
        _refuse_unknown,
        first=4,
    ),
    "change-told-before-it-is-made": bug(
        "PATCH answers 200 whether or not the change was made", EventService._configured, lambda *_: True
    ),
    "change-never-sent": bug(
        "a change of capacity is accepted and never sent",
        send,
        lambda original, client, queue_url, command: (
            None
            if isinstance(command, Configure) and "capacity" in command.changes
            else original(client, queue_url, command)
        ),
    ),
    "title-not-stored": bug(
        "a new title is not stored",
        EventService._update,
        lambda original, self, event_id, fields, change_id, wanted: original(self, event_id, {}, change_id, wanted),
    ),
    "list-kept-for-a-minute": bug(
        "a page of events is kept for a minute", EventList.__init__, _keep_for_a_minute, first=6
    ),
    "lists-empty": bug("lists are empty", RegistrationLists._records, lambda *_: []),
    "batch-get-order-trusted": bug(
        "items of a BatchGetItem are taken to be in the order of the keys",
        RegistrationLists._records,
        _in_order_of_items,
        first=12,
    ),
    "list-stops-after-a-page": bug(
        "a list has only one page",
        RegistrationLists._walk_event,
        lambda original, self, event_id, page, todo, row: (original(self, event_id, page, todo, row)[0], None),
    ),
    "status-filter-ignored": bug(
        "a user's list ignores the status",
        RegistrationLists._walk_user,
        lambda original, self, user_id, page, row: original(self, user_id, replace(page, statuses=tuple(Status)), row),
    ),
    "old-registrations-in-lists": bug(
        "lists show registrations as they were a moment ago",
        RegistrationLists._read,
        lambda original, self, wanted, eventual=(): original(
            self, wanted, {*eventual, self._settings.registrations_table}
        ),
        first=119,
    ),
}
