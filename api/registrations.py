"""Registrations: register, read, cancel. The commands go through the event's queue; the answer is the outcome.

What the record says decides which command is sent: Register for the generation after the one seen, Cancel for the one
seen. So a command that arrives twice, late or out of a dead-letter queue is recognised by the registrar and changes
nothing.
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import Response

from api import lists
from api.http import answer, is_key, json_response, new_app, path_id, read_body, url
from api.models import NewRegistration
from api.problems import RETRY_AFTER_SECONDS, Problem, invalid
from api.registration_lists import Lists
from api.views import registration_view, waitlist_position
from api.waiting import Wait, poll, wait_of
from workers.aws import clients
from workers.aws.clock import SYSTEM_CLOCK, Clock
from workers.aws.commit import versioned_put
from workers.aws.items import Item, event_key, ledger_from_item, registration_from_item, registration_key
from workers.aws.load import batch_get
from workers.aws.send import send
from workers.domain.commands import Cancel, Register
from workers.domain.records import Ledger, Registration, Status, registration_id

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

RESEND_AFTER_MICROSECONDS = 15 * 60 * 1_000_000
"""A registration that is still pending after this is sent to the queue again by the next POST."""

_READS_PER_LOOK = 5
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")
_REPLAYED = {"Idempotent-Replayed": "true"}
_NOT_REGISTERED = Problem("not-registered", "This user has no active registration for this event.")
_REFUSALS = {
    "event-full": "Every seat is taken, and there is no waiting list.",
    "waitlist-full": "Every seat is taken, and so is every place in the waiting list.",
    "registration-closed": "The event is closed or cancelled.",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What one read found: the event, the user, the registration, the ledger; None for what is not there."""

    event: Item | None
    user: Item | None
    record: Registration | None
    ledger: Ledger | None


@dataclass(frozen=True, slots=True)
class Call:
    """What a POST or DELETE says besides its path and body: how long to wait, and the digest of its idempotency key."""

    wait: Wait
    key: str | None


class Registrations:
    """The front desk for one registration at a time."""

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
        self._users = clients.setting(env, "USERS_TABLE")
        self._events = clients.setting(env, "EVENTS_TABLE")
        self._registrations = clients.setting(env, "REGISTRATIONS_TABLE")
        self._ledger = clients.setting(env, "LEDGER_TABLE")
        self._queue_url = clients.setting(env, "QUEUE_URL")
        self._base_url = clients.setting(env, "API_URL")
        self._clock = clock
        self._new_id = new_id

    def register(self, event_id: str, user_id: str, call: Call) -> Response[str]:
        """201 confirmed or waitlisted, 202 pending, 409 refused or already registered, 404."""
        seen = self._look(event_id, user_id, with_sides=True)
        if seen.event is None:
            return Problem("event-not-found", "No event has this id.").response()
        if seen.user is None:
            return Problem("user-not-found", "Nobody has this id.").response()
        record = seen.record
        if record is not None and call.key is not None and record.post_key == call.key:
            return self._outcome(seen, record, _REPLAYED)
        if record is not None and record.alive and record.status is not Status.PENDING:
            return self._already(record)
        now = self._clock.now()
        generation = 1 if record is None else record.generation + (record.status is not Status.PENDING)
        if record is None or not record.alive or now - record.registered_at >= RESEND_AFTER_MICROSECONDS:
            command = Register(self._new_id(), event_id, user_id, generation, accepted_at=now, key=call.key)
            send(self._sqs, self._queue_url, command)
        decided = poll(lambda: self._decided(event_id, user_id, generation), call.wait, self._clock)
        if decided is None:
            decided = self._promise(event_id, user_id, record, generation, call.key)
        if decided.record is None:
            raise LookupError("a registration that was just written is not there")
        return self._outcome(decided, decided.record, call.wait.headers)

    def read(self, event_id: str, user_id: str) -> Response[str]:
        """200 whatever its status, or 404."""
        seen = self._look(event_id, user_id)
        if seen.record is None:
            return Problem("not-registered", "This user never registered for this event.").response()
        return json_response(200, registration_view(seen.record, seen.ledger))

    def cancel(self, event_id: str, user_id: str, call: Call) -> Response[str]:
        """204, 202 if it is still queued, or 404 if there is nothing to cancel."""
        record = self._look(event_id, user_id).record
        if record is not None and call.key is not None and record.delete_key == call.key:
            return _no_content(_REPLAYED)
        if record is None or not record.alive:
            return _NOT_REGISTERED.response()
        generation = record.generation
        command = Cancel(self._new_id(), event_id, user_id, generation, accepted_at=self._clock.now(), key=call.key)
        send(self._sqs, self._queue_url, command)

        def gone() -> Registration | None:
            now = self._look(event_id, user_id).record
            return now if now is not None and (now.generation > generation or not now.alive) else None

        if poll(gone, call.wait, self._clock) is not None:
            return _no_content(call.wait.headers)
        seen = self._look(event_id, user_id)
        view = registration_view(seen.record or record, seen.ledger)
        return json_response(202, view, self._pointing_at(record) | _retry_later() | call.wait.headers)

    def _look(self, event_id: str, user_id: str, *, with_sides: bool = False) -> Seen:
        """Reads the registration and the ledger, and `with_sides` the event and the user too, in one go.

        The items of one read need not be of the same moment: a waiter whose ticket the ledger no longer has is read
        again.
        """
        if not is_key(event_id) or not is_key(user_id):
            return Seen(None, None, None, None)
        wanted = {
            self._registrations: [registration_key(registration_id(event_id, user_id))],
            self._ledger: [event_key(event_id)],
        }
        if with_sides:
            wanted |= {self._events: [event_key(event_id)], self._users: [{"userId": {"S": user_id}}]}
        for _ in range(_READS_PER_LOOK):
            found = batch_get(self._dynamodb, self._clock, wanted)
            record, ledger = _first(found, self._registrations), _first(found, self._ledger)
            seen = Seen(
                event=_first(found, self._events),
                user=_first(found, self._users),
                record=registration_from_item(record) if record else None,
                ledger=ledger_from_item(ledger) if ledger else None,
            )
            waits = seen.record is not None and seen.record.status is Status.WAITLISTED
            if seen.record is None or not waits or waitlist_position(seen.record, seen.ledger) is not None:
                break
        return seen

    def _decided(self, event_id: str, user_id: str, generation: int) -> Seen | None:
        seen = self._look(event_id, user_id)
        record = seen.record
        if record is None or record.generation < generation or record.status is Status.PENDING:
            return None
        return seen

    def _promise(
        self, event_id: str, user_id: str, before: Registration | None, generation: int, key: str | None
    ) -> Seen:
        """Writes `pending`, so that the Location of the 202 resolves; unless the registrar was faster."""
        if before is None or before.status is not Status.PENDING:
            pending = Registration(
                event_id,
                user_id,
                Status.PENDING,
                generation,
                version=before.version + 1 if before else 1,
                registered_at=self._clock.now(),
                post_key=key or (before.post_key if before else None),
                delete_key=before.delete_key if before else None,
            )
            try:
                self._dynamodb.put_item(**versioned_put(self._registrations, pending))
                return Seen(None, None, pending, None)
            except self._dynamodb.exceptions.ConditionalCheckFailedException:
                pass
        return self._look(event_id, user_id)

    def _outcome(self, seen: Seen, record: Registration, headers: dict[str, str]) -> Response[str]:
        """The answer to a POST, from the registration as it stands."""
        if record.status is Status.REJECTED:
            code = record.code if record.code in _REFUSALS else "registration-closed"
            return Problem(code, _REFUSALS[code], headers=headers).response()
        headers = self._pointing_at(record) | headers
        if record.status is Status.PENDING:
            return json_response(202, registration_view(record, None), headers | _retry_later())
        return json_response(201, registration_view(record, seen.ledger), headers)

    def _already(self, record: Registration) -> Response[str]:
        location = self._url(record)
        return Problem(
            "already-registered",
            f"The registration is {record.status}.",
            headers={"Link": f'<{location}>; rel="related"'},
            extra={"registration": location},
        ).response()

    def _pointing_at(self, record: Registration) -> dict[str, str]:
        return {"Location": self._url(record)}

    def _url(self, record: Registration) -> str:
        return url(self._base_url, "events", record.event_id, "registrations", record.user_id)


def idempotency_key(header: str | None) -> str | None:
    """The digest of an `Idempotency-Key`, quoted or bare; None without one. RequestError if it is no key."""
    if header is None:
        return None
    value = header.strip()
    if len(value) > 1 and value.startswith('"') and value.endswith('"'):
        value = value[1:-1]
    if not _IDEMPOTENCY_KEY.fullmatch(value):
        raise invalid("Idempotency-Key", "It must be 1 to 255 printable ASCII characters.")
    return hashlib.sha256(value.encode()).hexdigest()[:32]


def routes(registrations: Registrations, listing: Lists, clock: Clock) -> APIGatewayHttpResolver:
    """The routes of this function."""
    app = new_app()

    def call() -> Call:
        headers = app.current_event.headers
        return Call(wait_of(headers.get("prefer"), clock.now()), idempotency_key(headers.get("idempotency-key")))

    @app.post("/events/<event_id>/registrations")
    def register(event_id: str) -> Response[str]:
        return registrations.register(path_id(event_id), read_body(app.current_event, NewRegistration).user_id, call())

    @app.get("/events/<event_id>/registrations")
    def of_event(event_id: str) -> Response[str]:
        return listing.of_event(path_id(event_id), lists.page_of(app.current_event))

    @app.get("/events/<event_id>/registrations/<user_id>")
    def read(event_id: str, user_id: str) -> Response[str]:
        return registrations.read(path_id(event_id), path_id(user_id))

    @app.delete("/events/<event_id>/registrations/<user_id>")
    def cancel(event_id: str, user_id: str) -> Response[str]:
        return registrations.cancel(path_id(event_id), path_id(user_id), call())

    @app.get("/users/<user_id>/registrations")
    def of_user(user_id: str) -> Response[str]:
        return listing.of_user(path_id(user_id), lists.page_of(app.current_event))

    return app


def _first(found: dict[str, list[Item]], table: str) -> Item | None:
    return next(iter(found.get(table, [])), None)


def _retry_later() -> dict[str, str]:
    return {"Retry-After": str(RETRY_AFTER_SECONDS)}


def _no_content(headers: dict[str, str]) -> Response[str]:
    return Response(204, body="", headers=dict(headers))


@cache
def _app() -> APIGatewayHttpResolver:
    env, dynamodb = dict(os.environ), clients.dynamodb()
    registrations = Registrations(dynamodb, clients.sqs(), env, SYSTEM_CLOCK, lambda: str(uuid.uuid4()))
    return routes(registrations, Lists(dynamodb, env, SYSTEM_CLOCK), SYSTEM_CLOCK)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """The Lambda entry of registrations, and of the lists of them."""
    return answer(_app(), event, context)
