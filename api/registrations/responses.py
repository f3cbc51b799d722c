"""Registrations as clients see them: JSON made from records, and the answers to POST and DELETE."""

from __future__ import annotations

from typing import Any

from api.http.polling import log_pending
from api.http.problems import RETRY_AFTER_SECONDS, Problem
from api.http.types import Response, json_response, url
from api.registrations.snapshot import Snapshot
from workers.aws.items import timestamp
from workers.domain.decision import Reason
from workers.domain.records import Ledger, Registration, Status, waitlist_position
from workers.domain.transitions import DISCARDED
from workers.metrics import Metric
from workers.telemetry import logger, measure

REPLAYED = {"Idempotent-Replayed": "true"}
"""The header of an answer to a retry: a request with the same idempotency key was accepted before."""

NOT_REGISTERED = Problem("not-registered", "This user has no active registration for this event.")

_REFUSALS = {
    "event-full": "Every seat is taken, and there is no waiting list.",
    "waitlist-full": "Every seat and every place on the waiting list is taken.",
    "registration-closed": "The event is closed or cancelled.",
    DISCARDED: "The request could not be processed. You can send it again.",
}


def registration_view(record: Registration, ledger: Ledger | None) -> dict[str, Any]:
    """Show a registration, with its position while it is waitlisted and the code of a rejection."""
    view: dict[str, Any] = {
        "registrationId": record.registration_id,
        "eventId": record.event_id,
        "userId": record.user_id,
        "status": str(record.status),
        "registeredAt": timestamp(record.registered_at),
    }
    position = waitlist_position(record, ledger)
    if position is not None:
        view["waitlistPosition"] = position
    if record.status is Status.REJECTED and record.code:
        view["code"] = record.code
    return view


class RegistrationResponses:
    """Builds responses whose links begin with `base_url`."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    def of_post(self, snapshot: Snapshot, headers: dict[str, str]) -> Response:
        """Answer 201, 202 or 409, by the status of the registration. A replay shows one that is cancelled as it is."""
        record = snapshot.registration
        if record.status is Status.REJECTED:
            code = record.code if record.code in _REFUSALS else "registration-closed"
            return Problem(code, _REFUSALS[code], headers=headers).response()
        if record.status is Status.PENDING:
            return self.undecided(snapshot, headers)
        if record.status is Status.CANCELLED and headers.items().isdisjoint(REPLAYED.items()):
            # A DELETE of the same person's was accepted while this request waited. 201 means a seat or a place.
            detail = "Another request cancelled it. To register again, send a new request, with a new Idempotency-Key."
            return self._about("registration-cancelled", detail, record, headers)
        headers = {"Location": self._url(record)} | headers
        return json_response(201, registration_view(record, snapshot.ledger), headers)

    def undecided(self, snapshot: Snapshot, headers: dict[str, str]) -> Response:
        """Answer 202: accepted, not decided yet."""
        record = snapshot.registration
        log_pending(record.event_id, registration_id=record.registration_id)
        later = {"Location": self._url(record), "Retry-After": str(RETRY_AFTER_SECONDS)}
        return json_response(202, registration_view(record, snapshot.ledger), later | headers)

    def already_registered(self, record: Registration) -> Response:
        """Answer 409 with a link to the active registration."""
        return self._about("already-registered", f"The registration is {record.status}.", record, {})

    def _about(self, code: str, detail: str, record: Registration, headers: dict[str, str]) -> Response:
        location = self._url(record)
        link = {"Link": f'<{location}>; rel="related"'}
        return Problem(code, detail, headers=headers | link, extra={"registration": location}).response()

    def _url(self, record: Registration) -> str:
        return url(self._base_url, "events", record.event_id, "registrations", record.user_id)


def refused(registration_id: str, reason: Reason, headers: dict[str, str]) -> Response:
    """Answer 409 from the ledger alone, log and count the rejection."""
    logger.info("refused", extra={"registration_id": registration_id, "reason": str(reason)})
    measure({Metric.REJECTED: 1}, reason=str(reason))
    return Problem(str(reason), _REFUSALS[reason], headers=headers).response()


def no_content(headers: dict[str, str]) -> Response:
    """Answer 204."""
    return Response(204, headers=headers)
