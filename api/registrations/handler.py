"""Registrations: register, read, cancel. The commands go through the event's queue; the answer is the outcome.

What the record says decides which command is sent: Register for the generation after the one seen, Cancel for the one
seen. So a command that arrives twice, late or out of a dead-letter queue is recognised by the registrar and changes
nothing.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, assert_never

from api.http import pagination
from api.http.answer import answer
from api.http.auth import identify_as_set_up
from api.http.body import read_body
from api.http.caller import Caller
from api.http.dispatch import Handlers
from api.http.headers import header
from api.http.polling import AdaptivePoller, Wait, none_on_transient_error
from api.http.problems import Problem, RequestError, forbidden
from api.http.rate_limit import WriteLimit, limited
from api.http.types import Request, Response, json_response
from api.models.registration import NewRegistration
from api.registrations.headers import RegistrationHeaders, parse_registration_headers
from api.registrations.lists import Lists
from api.registrations.pending import PendingStore, is_pending
from api.registrations.responses import NOT_REGISTERED, REPLAYED, RegistrationResponses, Standing, no_content, no_room
from api.registrations.snapshot import Reader, Snapshot
from api.views import registration_view
from workers.aws import clients
from workers.aws.clock import SYSTEM_CLOCK, Clock
from workers.aws.send import send
from workers.domain.admission import AlreadyRegistered, JoinPending, Refuse, Replay, Resend, Submit, admit
from workers.domain.commands import Cancel, Register
from workers.domain.records import Registration, Status, registration_id
from workers.telemetry import log_fields, logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient


class Registrations:
    """One registration at a time: asked for, read, given up."""

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        sqs: SQSClient,
        env: dict[str, str],
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._reader = Reader(dynamodb, env, clock)
        self._promises = PendingStore(dynamodb, self._reader, clients.setting(env, "REGISTRATIONS_TABLE"), clock)
        self._sqs = sqs
        self._queue_url = clients.setting(env, "QUEUE_URL")
        self._outcomes = RegistrationResponses(clients.setting(env, "API_URL"))
        self._clock = clock
        self._new_id = new_id
        self._pace = AdaptivePoller()

    def register(self, event_id: str, user_id: str, call: RegistrationHeaders, caller: Caller) -> Response:
        """Answer 201 confirmed or waitlisted, 202 pending, 409 refused or already registered, 404 or 403."""
        snapshot = self._reader.fetch(event_id, user_id, include_event_and_user=True)
        _check_may_register(snapshot, caller)
        ids, now = (event_id, user_id), self._clock.now()
        saved: Standing | None = None
        match admit(snapshot.record, snapshot.ledger, call.key, now):
            case Replay(record):
                return self._replay(record, snapshot, call)
            case AlreadyRegistered(record):
                return self._outcomes.already(record)
            case Refuse(reason):
                return no_room(registration_id(*ids), reason, call.wait.headers)
            case JoinPending(record):
                command = Register(self._new_id(), *ids, record.generation, accepted_at=now, key=call.key)
                saved = self._try_to_save(command, record)
            case Resend(record):
                command = Register(self._new_id(), *ids, record.generation, accepted_at=now, key=call.key)
                self._send(command)
                # Sending it once more does no harm, so this POST succeeds even if the time cannot be saved.
                saved = self._try_to_save(command, record, resent_at=now)
            case Submit(generation):
                command = Register(self._new_id(), *ids, generation, accepted_at=now, key=call.key)
                self._send(command)
            case other:
                assert_never(other)
        return self._outcomes.of_post(self._outcome(command, snapshot, saved, call.wait), call.wait.headers)

    def _replay(self, record: Registration, snapshot: Snapshot, call: RegistrationHeaders) -> Response:
        """Answer with the registration as it stands; while it is pending, within the wait. Send and write nothing."""
        standing, headers = Standing(record, snapshot.ledger), REPLAYED
        if is_pending(record):
            ids = record.event_id, record.user_id, record.generation
            command = Register(self._new_id(), *ids, accepted_at=record.registered_at, key=call.key)
            standing, headers = self._outcome(command, snapshot, standing, call.wait), call.wait.headers | REPLAYED
        return self._outcomes.of_post(standing, headers)

    def _try_to_save(self, command: Register, record: Registration, resent_at: int | None = None) -> Standing | None:
        return none_on_transient_error(lambda: self._promises.save_pending(command, record, resent_at))()

    def _outcome(self, command: Register, seen: Snapshot, noted: Standing | None, wait: Wait) -> Standing:
        """What the command has come to within the wait: the decision, or a promise."""
        if noted is not None and not is_pending(noted.record):
            return noted
        # Who will probably wait in the line is told her place in it, which the ledger knows.
        full = seen.ledger is not None and not seen.ledger.free_seats
        look = none_on_transient_error(lambda: self._decided(command, with_ledger=full))
        before = seen.record if noted is None else noted.record
        return self._pace.poll(look, wait, self._clock) or self._promises.save_pending(command, before)

    def read(self, event_id: str, user_id: str, caller: Caller) -> Response:
        """200 whatever its status, or 404."""
        seen = self._reader.fetch(event_id, user_id, include_event_and_user=not caller.unchecked)
        if seen.record is None or not _sees(caller, seen):
            return Problem("not-registered", "This user never registered for this event.").response()
        return json_response(200, registration_view(seen.record, seen.ledger))

    def cancel(self, event_id: str, user_id: str, call: RegistrationHeaders, caller: Caller) -> Response:
        """204, 202 if it is still queued, 404 if there is nothing to cancel, or 403."""
        record = self._to_cancel(event_id, user_id, caller)
        again = record is not None and call.key in record.delete_keys
        if again and not _is_cancelling(record):
            return no_content(REPLAYED)
        if record is None or not record.is_active:
            return NOT_REGISTERED.response()
        generation, headers = record.generation, call.wait.headers | (REPLAYED if again else {})
        if not again:
            self._ask_to_cancel(record, call.key)

        def gone() -> Registration | None:
            now = self._reader.record(event_id, user_id)
            return now if now is not None and (now.generation > generation or not now.is_active) else None

        if self._pace.poll(none_on_transient_error(gone), call.wait, self._clock) is not None:
            return no_content(headers)
        seen = none_on_transient_error(lambda: self._reader.fetch(event_id, user_id))() or Snapshot()
        if seen.record is not None and (seen.record.generation > generation or not seen.record.is_active):
            return no_content(headers)
        return self._outcomes.undecided(Standing(seen.record or record, seen.ledger), headers)

    def _to_cancel(self, event_id: str, user_id: str, caller: Caller) -> Registration | None:
        """The registration, if the caller may see it. RequestError if it is not theirs."""
        if caller.unchecked:
            return self._reader.record(event_id, user_id)
        seen = self._reader.fetch(event_id, user_id, include_event_and_user=True)
        if seen.record is None or not _sees(caller, seen):
            return None
        if not caller.is_user(seen.user):
            raise forbidden("Nobody cancels what is somebody else's.")
        return seen.record

    def _ask_to_cancel(self, record: Registration, key: str | None) -> None:
        """Sends the Cancel. A pending registration says from then on that it is on its way."""
        ids = self._new_id(), record.event_id, record.user_id, record.generation
        self._send(Cancel(*ids, accepted_at=self._clock.now(), key=key))
        self._promises.note_cancelling(record, key)

    def _send(self, command: Register | Cancel) -> None:
        logger.append_keys(command_id=command.command_id, registration_id=command.registration_id)
        send(self._sqs, self._queue_url, command)
        logger.info("accepted", extra=log_fields(command))

    def _decided(self, command: Register, *, with_ledger: bool) -> Standing | None:
        event_id, user_id, generation = command.event_id, command.user_id, command.generation
        if with_ledger:
            seen = self._reader.fetch(event_id, user_id)
        else:
            seen = Snapshot(record=self._reader.record(event_id, user_id))
        if seen.record is None or seen.record.generation < generation or is_pending(seen.record):
            return None
        if seen.record.status is Status.WAITLISTED and seen.ledger is None:
            seen = self._reader.fetch(event_id, user_id)
        return Standing(seen.record, seen.ledger) if seen.record is not None else None


def routes(registrations: Registrations, listing: Lists, clock: Clock) -> Handlers:
    """The routes of this function."""

    def register(request: Request) -> Response:
        user_id = read_body(request, NewRegistration).user_id
        return registrations.register(
            request.ids["eventId"], user_id, parse_registration_headers(request, clock.now()), request.caller
        )

    def read(request: Request) -> Response:
        return registrations.read(*_both(request), request.caller)

    def cancel(request: Request) -> Response:
        return registrations.cancel(*_both(request), parse_registration_headers(request, clock.now()), request.caller)

    def list_of_event(request: Request) -> Response:
        from api.registrations.csv import prefers_csv  # noqa: PLC0415 - who registers needs it not

        as_csv = prefers_csv(header(request, "Accept"))
        page = pagination.page_of_registrations(request)
        return listing.of_event(request.ids["eventId"], page, request.caller, as_csv=as_csv)

    def list_of_user(request: Request) -> Response:
        return listing.of_user(request.ids["userId"], pagination.page_of_registrations(request), request.caller)

    return {
        "POST /events/{eventId}/registrations": register,
        "GET /events/{eventId}/registrations": list_of_event,
        "GET /events/{eventId}/registrations/{userId}": read,
        "DELETE /events/{eventId}/registrations/{userId}": cancel,
        "GET /users/{userId}/registrations": list_of_user,
    }


def _both(request: Request) -> tuple[str, str]:
    return request.ids["eventId"], request.ids["userId"]


def _check_may_register(snapshot: Snapshot, caller: Caller) -> None:
    """Raise a RequestError unless event and user exist, and the caller may register this user."""
    if snapshot.event is None:
        raise RequestError(Problem("event-not-found", "No event has this id."))
    if snapshot.user is None or not caller.sees_user(snapshot.user):
        raise RequestError(Problem("user-not-found", "Nobody has this id."))
    if not caller.is_user(snapshot.user):
        raise forbidden("Nobody registers for somebody else.")


def _sees(caller: Caller, seen: Snapshot) -> bool:
    """Whether the caller may see the registration between this event and this user."""
    return caller.sees_user(seen.user) or caller.can_list_registrations(seen.event)


def _is_cancelling(record: Registration | None) -> bool:
    return is_pending(record) and record.cancelling


@cache
def _routes() -> Handlers:
    env, dynamodb = dict(os.environ), clients.dynamodb()
    registrations = Registrations(dynamodb, clients.sqs(), env, SYSTEM_CLOCK, lambda: str(uuid.uuid4()))
    handlers = routes(registrations, Lists(dynamodb, env, SYSTEM_CLOCK), SYSTEM_CLOCK)
    return limited(handlers, WriteLimit.of(env, SYSTEM_CLOCK))


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The Lambda entry of registrations, and of the lists of them."""
    return answer(_routes(), event, identify_as_set_up())
