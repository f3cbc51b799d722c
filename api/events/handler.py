"""`/events`: what people register for. Descriptions are written here, seats go through the event's queue."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from api.events.lists import EventList
from api.http import pagination
from api.http.answer import answer
from api.http.auth import identify_as_set_up
from api.http.body import read_body
from api.http.caller import ORGANIZER_SUBJECT, Caller
from api.http.dispatch import Handlers
from api.http.etag import Revisions, Tags, at_revision, event_tag, revision_of, tags_of
from api.http.headers import header
from api.http.polling import AdaptivePoller, Wait, none_on_transient_error, note_pending, wait_of
from api.http.problems import RETRY_AFTER_SECONDS, Problem, RequestError, forbidden
from api.http.rate_limit import WriteLimit, limited
from api.http.types import Request, Response, json_response, url
from api.models.event import EventChange, NewEvent
from api.views import event_view
from workers.aws import clients
from workers.aws.clients import Overloaded
from workers.aws.clock import SYSTEM_CLOCK, Clock
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
from workers.telemetry import log_fields, logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

_NOT_FOUND = Problem("event-not-found", "No event has this id.")


class Events:
    """Event items and the seats beside them."""

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        sqs: SQSClient,
        env: dict[str, str],
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._dynamodb = dynamodb
        self._sqs = sqs
        self._events = clients.setting(env, "EVENTS_TABLE")
        self._ledger = clients.setting(env, "LEDGER_TABLE")
        self._queue_url = clients.setting(env, "QUEUE_URL")
        self._base_url = clients.setting(env, "API_URL")
        self._clock = clock
        self._new_id = new_id
        self._pace = AdaptivePoller()
        self._list = EventList(dynamodb, env, clock)

    def create(self, new: NewEvent, caller: Caller) -> Response:
        """201, or 409 if the id is taken. The event is the caller's."""
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
            # The SDK tries again after a lost answer: then what is stored is what was to be written.
            if error.response.get("Item") != item:
                return Problem("event-exists", f"The id {event_id} belongs to an event already.").response()
        return _shown(201, item, None, {"Location": url(self._base_url, "events", event_id)})

    def read(self, event_id: str, known: Tags | None) -> Response:
        """200, 304 if the client knows it as it is, or 404."""
        item, ledger = self._load(event_id)
        if item is None:
            return _NOT_FOUND.response()
        tag = event_tag(item, ledger)
        if known is not None and known.have(tag):
            return Response(304, headers={"ETag": tag})
        return _shown(200, item, ledger)

    def list(self, page: pagination.Page) -> Response:
        """200: a page of events, which may be some seconds old."""
        return self._list.page(page)

    def change(self, event_id: str, change: EventChange, wait: Wait, wanted: Revisions, caller: Caller) -> Response:
        """200 with the event as it is now; 202 if its seats are still to be changed; 404; 403 if it is not the
        caller's; 412 if its revision is none of those `wanted` (None: any)."""
        self._must_run(event_id, caller)
        change_id = self._new_id()
        revision = self._describe(event_id, change.own_fields(), change_id, wanted) if is_key(event_id) else None
        if revision is None:
            return self._not_changed(event_id, wanted)
        status, headers = 200, wait.headers
        if changes := change.seat_changes():
            command = Configure(change_id, event_id, revision, changes, accepted_at=self._clock.now())
            logger.append_keys(command_id=command.command_id)
            send(self._sqs, self._queue_url, command)
            logger.info("accepted", extra=log_fields(command))
            look = none_on_transient_error(lambda: self._configured(command))
            if not (self._pace.poll(look, wait, self._clock) or look()):
                note_pending(event_id)
                location = url(self._base_url, "events", event_id)
                later = {"Location": location, "Retry-After": str(RETRY_AFTER_SECONDS)}
                status, headers = 202, later | headers
        item, ledger = self._load(event_id)
        return _NOT_FOUND.response() if item is None else _shown(status, item, ledger, headers)

    def _must_run(self, event_id: str, caller: Caller) -> None:
        """RequestError if it is not the caller's event: it never becomes another's, so it can be read in advance."""
        if caller.unchecked:
            return
        item, _ = self._load(event_id)
        if item is None:
            raise RequestError(_NOT_FOUND)
        if not caller.can_manage(item):
            raise forbidden("Only who has created an event may change it.")

    def _not_changed(self, event_id: str, wanted: Revisions) -> Response:
        """404, or 412 with the tag of the event as it is now."""
        item, ledger = (None, None) if wanted is None else self._load(event_id)
        if item is None:
            return _NOT_FOUND.response()
        headers = {"ETag": event_tag(item, ledger)}
        return Problem("precondition-failed", "Somebody has changed it; read it again.", headers=headers).response()

    def _load(self, event_id: str) -> tuple[Item | None, Ledger | None]:
        if not is_key(event_id):
            return None, None
        key = event_key(event_id)
        found = batch_get(self._dynamodb, self._clock, {self._events: [key], self._ledger: [key]})
        ledger = found[self._ledger]
        if found[self._events] and not ledger:
            # The event may have been read a moment later than that, its seats set together with a first ledger.
            ledger = batch_get(self._dynamodb, self._clock, {self._ledger: [key]})[self._ledger]
        return next(iter(found[self._events]), None), ledger_from_item(ledger[0]) if ledger else None

    def _describe(self, event_id: str, fields: dict[str, str | None], change_id: str, wanted: Revisions) -> int | None:
        """Writes descriptive fields (None removes one; the last writer wins) and counts the event's revision up.

        The new revision is the caller's alone. None if there is no such event, or at none of the revisions `wanted`.
        """
        if wanted is not None and not wanted:
            return None
        texts = fields | {"changeId": change_id}
        sets = [f"#{name} = :{name}" for name, value in texts.items() if value is not None]
        removed = [f"#{name}" for name, value in texts.items() if value is None]
        expression = "SET " + ", ".join([*sets, "#revision = if_not_exists(#revision, :zero) + :one"])
        if removed:
            expression += " REMOVE " + ", ".join(removed)
        values: Item = {f":{name}": {"S": value} for name, value in texts.items() if value is not None}
        condition, revisions = at_revision(wanted)
        try:
            # A retry after a lost answer may skip a revision: it only has to be newer, not next.
            updated = self._dynamodb.update_item(
                TableName=self._events,
                Key=event_key(event_id),
                ConditionExpression=condition,
                UpdateExpression=expression,
                ExpressionAttributeNames={f"#{name}": name for name in (*texts, "revision")},
                ExpressionAttributeValues={**values, **revisions, ":zero": {"N": "0"}, ":one": {"N": "1"}},
                ReturnValues="UPDATED_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            return _revision_made(change_id, wanted, error)
        return revision_of(updated["Attributes"])

    def _configured(self, command: Configure) -> bool | None:
        """True once every setting that the command changes has its revision, or a later one; None before."""
        found = batch_get(self._dynamodb, self._clock, {self._ledger: [event_key(command.event_id)]})
        revisions = ledger_from_item(found[self._ledger][0]).revisions if found[self._ledger] else {}
        return all(revisions.get(name, 0) >= command.revision for name in command.changes) or None


def _shown(status: int, item: Item, ledger: Ledger | None, headers: Mapping[str, str] | None = None) -> Response:
    return json_response(status, event_view(item, ledger), {**(headers or {}), "ETag": event_tag(item, ledger)})


def _revision_made(change_id: str, wanted: Revisions, refused: ClientError) -> int | None:
    """The revision that the change has made all the same; None if it was not made.

    The SDK tries again after a lost answer, and is refused by its own first attempt. If others came after that nobody
    can say whether it was made: Overloaded.
    """
    response: Any = refused.response
    stored: Item | None = response.get("Item")
    if stored is None or not wanted:
        return None
    if stored.get("changeId") == {"S": change_id}:
        return revision_of(stored)
    retried = response["ResponseMetadata"].get("RetryAttempts", 0)
    if retried and revision_of(stored) > min(wanted) + 1:
        raise Overloaded("it is not known whether the change was made")
    return None


def routes(events: Events, clock: Clock) -> Handlers:
    """The routes of this function."""

    def create(request: Request) -> Response:
        if not request.caller.organizes:
            raise forbidden("Events are created by organizers.")
        return events.create(read_body(request, NewEvent), request.caller)

    def change(request: Request) -> Response:
        wait = wait_of(header(request, "Prefer"), clock.now())
        tags = tags_of("If-Match", header(request, "If-Match"))
        wanted = None if tags is None else tags.revisions()
        return events.change(request.ids["eventId"], read_body(request, EventChange), wait, wanted, request.caller)

    def read(request: Request) -> Response:
        return events.read(request.ids["eventId"], tags_of("If-None-Match", header(request, "If-None-Match")))

    return {
        "POST /events": create,
        "GET /events": lambda request: events.list(pagination.page_of(request)),
        "GET /events/{eventId}": read,
        "PATCH /events/{eventId}": change,
    }


@cache
def _routes() -> Handlers:
    new_id = lambda: str(uuid.uuid4())  # noqa: E731
    events = Events(clients.dynamodb(), clients.sqs(), dict(os.environ), SYSTEM_CLOCK, new_id)
    return limited(routes(events, SYSTEM_CLOCK), WriteLimit.of(os.environ, SYSTEM_CLOCK))


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The Lambda entry of `/events`."""
    return answer(_routes(), event, identify_as_set_up())
