"""Register, read and cancel one registration. Commands go through the event's queue; the answer is their outcome.

The stored registration determines the command: Register for the generation after the stored one, Cancel for the stored
one. So the registrar recognises a command that arrives twice, late or out of a dead-letter queue, and ignores it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, assert_never

from api.http.caller import Caller
from api.http.polling import AdaptivePoller, Wait, none_on_transient_error
from api.http.problems import Problem, RequestError, forbidden
from api.http.types import Response, json_response
from api.registrations.headers import RegistrationHeaders
from api.registrations.pending import PendingStore, is_pending
from api.registrations.responses import (
    NOT_REGISTERED,
    REPLAYED,
    RegistrationResponses,
    no_content,
    refused,
    registration_view,
)
from api.registrations.snapshot import Snapshot, SnapshotReader
from api.settings import RegistrationSettings
from workers.aws.clock import Clock
from workers.aws.send import send
from workers.domain.admission import AlreadyRegistered, JoinPending, Refuse, Replay, Resend, Submit, admit
from workers.domain.commands import Cancel, Register
from workers.domain.records import Registration, Status, registration_id
from workers.telemetry import log_fields, logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient


class RegistrationService:
    """Handles one registration at a time."""

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        sqs: SQSClient,
        settings: RegistrationSettings,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._reader = SnapshotReader(dynamodb, settings, clock)
        self._store = PendingStore(dynamodb, self._reader, settings.registrations_table, clock)
        self._sqs = sqs
        self._queue_url = settings.queue_url
        self._responses = RegistrationResponses(settings.api_url)
        self._clock = clock
        self._new_id = new_id
        self._poller = AdaptivePoller()

    def register(self, event_id: str, user_id: str, headers: RegistrationHeaders, caller: Caller) -> Response:
        """Answer 201 confirmed or waitlisted, 202 pending, 409 refused or already registered, 404 or 403."""
        snapshot = self._reader.fetch(event_id, user_id, include_event_and_user=True)
        _check_may_register(snapshot, caller)
        now = self._clock.now()

        def command(generation: int) -> Register:
            return Register(self._new_id(), event_id, user_id, generation, accepted_at=now, key=headers.key)

        match admit(snapshot.record, snapshot.ledger, headers.key, now):
            case Replay(record):
                return self._replay(record, snapshot, headers)
            case AlreadyRegistered(record):
                return self._responses.already_registered(record)
            case Refuse(reason):
                return refused(registration_id(event_id, user_id), reason, headers.wait.headers)
            case JoinPending(record):
                register = command(record.generation)
                saved = self._try_to_save(register, record)
            case Resend(record):
                register = command(record.generation)
                self._send(register)
                # If the time cannot be saved, the next POST sends the command once more, which does no harm.
                saved = self._try_to_save(register, record, resent_at=now)
            case Submit(generation):
                register = command(generation)
                self._send(register)
                saved = None
            case other:
                assert_never(other)
        outcome = self._await_outcome(register, snapshot, saved, headers.wait)
        return self._responses.of_post(outcome, headers.wait.headers)

    def read(self, event_id: str, user_id: str, caller: Caller) -> Response:
        """Answer 200 whatever the status is, or 404."""
        snapshot = self._reader.fetch(event_id, user_id, include_event_and_user=not caller.unchecked)
        if snapshot.record is None or not _can_see(caller, snapshot):
            return Problem("not-registered", "This user never registered for this event.").response()
        return json_response(200, registration_view(snapshot.record, snapshot.ledger))

    def cancel(self, event_id: str, user_id: str, headers: RegistrationHeaders, caller: Caller) -> Response:
        """Answer 204, 202 while it is queued, 404 if there is nothing to cancel, or 403."""
        record = self._fetch_own(event_id, user_id, caller)
        retried = record is not None and headers.key in record.delete_keys
        if retried and not (is_pending(record) and record.cancelling):
            return no_content(REPLAYED)
        if record is None or not record.is_active:
            return NOT_REGISTERED.response()
        generation, answered = record.generation, headers.wait.headers | (REPLAYED if retried else {})
        if not retried:
            ids = self._new_id(), event_id, user_id, generation
            self._send(Cancel(*ids, accepted_at=self._clock.now(), key=headers.key))
            self._store.save_cancelling(record, headers.key)

        def fetch_cancelled() -> Registration | None:
            stored = self._reader.fetch_registration(event_id, user_id)
            return stored if _is_over(stored, generation) else None

        if self._poller.poll(none_on_transient_error(fetch_cancelled), headers.wait, self._clock) is not None:
            return no_content(answered)
        snapshot = none_on_transient_error(lambda: self._reader.fetch(event_id, user_id))() or Snapshot()
        if _is_over(snapshot.record, generation):
            return no_content(answered)
        return self._responses.undecided(Snapshot(snapshot.record or record, snapshot.ledger), answered)

    def _replay(self, record: Registration, snapshot: Snapshot, headers: RegistrationHeaders) -> Response:
        """Answer a retry with the registration as it stands, after waiting for its decision. Send nothing."""
        if not is_pending(record):
            return self._responses.of_post(snapshot, REPLAYED)
        ids = record.event_id, record.user_id, record.generation
        register = Register(self._new_id(), *ids, accepted_at=record.registered_at, key=headers.key)
        outcome = self._await_outcome(register, snapshot, snapshot, headers.wait)
        return self._responses.of_post(outcome, headers.wait.headers | REPLAYED)

    def _await_outcome(self, register: Register, before: Snapshot, saved: Snapshot | None, wait: Wait) -> Snapshot:
        """Return the decision, or the pending registration if there is none within the wait.

        `saved` is the attempt if it is saved as pending already, else None.
        """
        if saved is not None and not is_pending(saved.record):
            return saved
        # In a full event the decision is probably a place on the waiting list, and its position is in the ledger.
        full = before.ledger is not None and not before.ledger.free_seats
        fetch = none_on_transient_error(lambda: self._fetch_decision(register, with_ledger=full))
        decided = self._poller.poll(fetch, wait, self._clock)
        return decided or self._store.save_pending(register, (saved or before).record)

    def _fetch_decision(self, register: Register, *, with_ledger: bool) -> Snapshot | None:
        ids = register.event_id, register.user_id
        snapshot = self._reader.fetch(*ids) if with_ledger else Snapshot(self._reader.fetch_registration(*ids))
        record = snapshot.record
        if record is None or record.generation < register.generation or is_pending(record):
            return None
        if record.status is Status.WAITLISTED and snapshot.ledger is None:
            snapshot = self._reader.fetch(*ids)
        return snapshot if snapshot.record is not None else None

    def _fetch_own(self, event_id: str, user_id: str, caller: Caller) -> Registration | None:
        """Return the registration if the caller may see it. Raises a RequestError if it belongs to someone else."""
        if caller.unchecked:
            return self._reader.fetch_registration(event_id, user_id)
        snapshot = self._reader.fetch(event_id, user_id, include_event_and_user=True)
        if snapshot.record is None or not _can_see(caller, snapshot):
            return None
        if not caller.is_user(snapshot.user):
            raise forbidden("You can't cancel someone else's registration.")
        return snapshot.record

    def _send(self, command: Register | Cancel) -> None:
        logger.append_keys(command_id=command.command_id, registration_id=command.registration_id)
        send(self._sqs, self._queue_url, command)
        logger.info("accepted", extra=log_fields(command))

    def _try_to_save(self, register: Register, record: Registration, resent_at: int | None = None) -> Snapshot | None:
        return none_on_transient_error(lambda: self._store.save_pending(register, record, resent_at))()


def _check_may_register(snapshot: Snapshot, caller: Caller) -> None:
    """Raise a RequestError unless event and user exist and the caller is the user."""
    if snapshot.event is None:
        raise RequestError(Problem("event-not-found", "No event has this id."))
    if snapshot.user is None or not caller.can_see_user(snapshot.user):
        raise RequestError(Problem("user-not-found", "No user has this id."))
    if not caller.is_user(snapshot.user):
        raise forbidden("You can't register someone else.")


def _can_see(caller: Caller, snapshot: Snapshot) -> bool:
    """Return whether the caller may see the registration of this user for this event."""
    return caller.can_see_user(snapshot.user) or caller.can_list_registrations(snapshot.event)


def _is_over(record: Registration | None, generation: int) -> bool:
    """Return whether an attempt has ended, or was followed by another one."""
    return record is not None and (record.generation > generation or not record.is_active)
