"""Create, read and change events. Descriptions are written here; seat settings go through the event's queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from api.events.responses import event_view
from api.http.caller import ORGANIZER_SUBJECT, Caller
from api.http.etag import EntityTags, Revisions, event_tag, revision_condition, revision_of
from api.http.polling import AdaptivePoller, Wait, log_pending, none_on_transient_error
from api.http.problems import RETRY_AFTER_SECONDS, Problem, RequestError, forbidden
from api.http.types import Response, json_response, url
from api.models.event import EventChange, NewEvent
from api.settings import EventSettings
from workers.aws.clients import Overloaded
from workers.aws.clock import Clock
from workers.aws.items import (
    Item,
    event_key,
    is_key,
    ledger_from_item,
    seat_settings_to_attributes,
    timestamp,
)
from workers.aws.load import batch_get
from workers.aws.send import send
from workers.domain.commands import Configure
from workers.domain.records import Ledger
from workers.domain.seat_settings import EventStatus
from workers.telemetry import log_fields, logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

_DEFAULTS: Item = {":zero": {"N": "0"}, ":one": {"N": "1"}, ":active": {"S": str(EventStatus.ACTIVE)}}
_NOT_FOUND = Problem("event-not-found", "No event has this id.")


class EventService:
    """Reads and writes event items, and asks the registrar for changes of their seats."""

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        sqs: SQSClient,
        settings: EventSettings,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._dynamodb = dynamodb
        self._sqs = sqs
        self._events = settings.events_table
        self._ledger = settings.ledger_table
        self._queue_url = settings.queue_url
        self._base_url = settings.api_url
        self._clock = clock
        self._new_id = new_id
        self._poller = AdaptivePoller()

    def create(self, new: NewEvent, caller: Caller) -> Response:
        """Answer 201, or 409 if the id is taken. The event belongs to the caller."""
        event_id = new.event_id or self._new_id()
        item: Item = {
            "eventId": {"S": event_id},
            "title": {"S": new.title},
            "date": {"S": new.date},
            "location": {"S": new.location},
            "organizer": {"S": new.organizer},
            "revision": {"N": "1"},
            "createdAt": {"S": timestamp(self._clock.now())},
            **seat_settings_to_attributes(new.seat_settings()),
        }
        if new.description is not None:
            item["description"] = {"S": new.description}
        if caller.subject is not None:
            item[ORGANIZER_SUBJECT] = {"S": caller.subject}
        try:
            self._dynamodb.put_item(
                TableName=self._events,
                Item=item,
                ConditionExpression="attribute_not_exists(eventId)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            # The SDK tries again after a lost answer: then the stored item is the one that was to be written.
            if error.response.get("Item") != item:
                return Problem("event-exists", f"Another event has the id {event_id}.").response()
        return _shown(201, item, None, {"Location": url(self._base_url, "events", event_id)})

    def read(self, event_id: str, known: EntityTags | None) -> Response:
        """Answer 200, 304 if the client has the present version, or 404."""
        item, ledger = self._load(event_id)
        if item is None:
            return _NOT_FOUND.response()
        tag = event_tag(item, ledger)
        if known is not None and known.match(tag):
            return Response(304, headers={"ETag": tag})
        return _shown(200, item, ledger)

    def change(self, event_id: str, change: EventChange, wait: Wait, wanted: Revisions, caller: Caller) -> Response:
        """Answer 200 with the event as it is now, or 202 while its seats are still to be changed.

        404 without such an event, 403 if it belongs to someone else, 412 if its revision is not among `wanted`
        (None: any revision).
        """
        before = self._check_owner(event_id, caller)
        change_id, fields = self._new_id(), change.own_fields()
        revision = self._update(event_id, fields, change_id, wanted) if is_key(event_id) else None
        if revision is None:
            return self._not_changed(event_id, wanted)
        status, headers, known = 200, wait.headers, None
        if changes := change.seat_changes():
            command = Configure(change_id, event_id, revision, changes, accepted_at=self._clock.now())
            logger.append_keys(command_id=command.command_id)
            send(self._sqs, self._queue_url, command)
            logger.info("accepted", extra=log_fields(command))
            poll = none_on_transient_error(lambda: self._configured(command))
            if not (self._poller.poll(poll, wait, self._clock) or poll()):
                log_pending(event_id)
                location = url(self._base_url, "events", event_id)
                later = {"Location": location, "Retry-After": str(RETRY_AFTER_SECONDS)}
                status, headers = 202, later | headers
                # The command is queued, so a 503 would be untrue: if nothing can be read now, show what was read.
                known = before and (_changed(before[0], revision, fields), before[1])
        item, ledger = self._load_or(known, event_id)
        return _NOT_FOUND.response() if item is None else _shown(status, item, ledger, headers)

    def _check_owner(self, event_id: str, caller: Caller) -> tuple[Item, Ledger | None] | None:
        """Raise a RequestError if the event is not the caller's. Return event and ledger; None if nothing is checked.

        Owners never change, so they can be read in advance.
        """
        if caller.unchecked:
            return None
        item, ledger = self._load(event_id)
        if item is None:
            raise RequestError(_NOT_FOUND)
        if not caller.can_manage(item):
            raise forbidden("Only the organizer who created an event can change it.")
        return item, ledger

    def _not_changed(self, event_id: str, wanted: Revisions) -> Response:
        """Answer 404, or 412 with the present entity tag of the event."""
        item, ledger = (None, None) if wanted is None else self._load(event_id)
        if item is None:
            return _NOT_FOUND.response()
        headers = {"ETag": event_tag(item, ledger)}
        return Problem("precondition-failed", "The event has changed. Read it again.", headers=headers).response()

    def _load(self, event_id: str) -> tuple[Item | None, Ledger | None]:
        if not is_key(event_id):
            return None, None
        key = event_key(event_id)
        found = batch_get(self._dynamodb, self._clock, {self._events: [key], self._ledger: [key]})
        ledger = found[self._ledger]
        if found[self._events] and not ledger:
            # The event may have been read a moment later, after its first ledger was written.
            ledger = batch_get(self._dynamodb, self._clock, {self._ledger: [key]})[self._ledger]
        return next(iter(found[self._events]), None), ledger_from_item(ledger[0]) if ledger else None

    def _load_or(self, known: tuple[Item, Ledger | None] | None, event_id: str) -> tuple[Item | None, Ledger | None]:
        """Read event and ledger. If a transient error prevents that, return what is `known`; None raises the error."""
        found = none_on_transient_error(lambda: self._load(event_id))() if known else None
        return found or known or self._load(event_id)

    def _update(self, event_id: str, fields: dict[str, str | None], change_id: str, wanted: Revisions) -> int | None:
        """Write descriptive fields and increment the event's revision. Return the new revision, which no other has.

        None as a field's value removes it; the last writer wins. Return None if there is no such event, or its revision
        is not among `wanted`.
        """
        if wanted is not None and not wanted:
            return None
        texts = fields | {"changeId": change_id}
        sets = [f"#{name} = :{name}" for name, value in texts.items() if value is not None]
        sets.append("#status = if_not_exists(#status, :active)")  # the index lists no event of before there was one
        removed = [f"#{name}" for name, value in texts.items() if value is None]
        expression = "SET " + ", ".join([*sets, "#revision = if_not_exists(#revision, :zero) + :one"])
        if removed:
            expression += " REMOVE " + ", ".join(removed)
        values: Item = {f":{name}": {"S": value} for name, value in texts.items() if value is not None}
        condition, revisions = revision_condition(wanted)
        try:
            # A retry after a lost answer may skip a revision: it only has to be newer, not next.
            updated = self._dynamodb.update_item(
                TableName=self._events,
                Key=event_key(event_id),
                ConditionExpression=condition,
                UpdateExpression=expression,
                ExpressionAttributeNames={f"#{name}": name for name in (*texts, "revision", "status")},
                ExpressionAttributeValues={**values, **revisions, **_DEFAULTS},
                ReturnValues="UPDATED_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            return _revision_after_lost_answer(change_id, wanted, error)
        return revision_of(updated["Attributes"])

    def _configured(self, command: Configure) -> bool | None:
        """Return True once every setting that the command changes has its revision or a later one, None before."""
        found = batch_get(self._dynamodb, self._clock, {self._ledger: [event_key(command.event_id)]})
        revisions = ledger_from_item(found[self._ledger][0]).revisions if found[self._ledger] else {}
        return all(revisions.get(name, 0) >= command.revision for name in command.changes) or None


def _shown(status: int, item: Item, ledger: Ledger | None, headers: Mapping[str, str] | None = None) -> Response:
    return json_response(status, event_view(item, ledger), {**(headers or {}), "ETag": event_tag(item, ledger)})


def _changed(item: Item, revision: int, fields: dict[str, str | None]) -> Item:
    """Return an event as it is after a change of descriptive fields."""
    kept: Item = {name: value for name, value in item.items() if name not in fields}
    texts: Item = {name: {"S": value} for name, value in fields.items() if value is not None}
    return kept | texts | {"revision": {"N": str(revision)}}


def _revision_after_lost_answer(change_id: str, wanted: Revisions, refused: ClientError) -> int | None:
    """Return the revision of a change that was refused although it was made; None if it was not made.

    The SDK tries again after a lost answer, and its own first attempt then makes the condition fail. If others have
    changed the event since, nobody can tell: this raises Overloaded.
    """
    response: Any = refused.response
    stored: Item | None = response.get("Item")
    if stored is None or not wanted:
        return None
    if stored.get("changeId") == {"S": change_id}:
        return revision_of(stored)
    retried = response["ResponseMetadata"].get("RetryAttempts", 0)
    if retried and revision_of(stored) > min(wanted) + 1:
        raise Overloaded("nobody can tell whether the change was made")
    return None
