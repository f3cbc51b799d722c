"""The answers about one registration: what it has come to, why it is refused, where it is."""

from __future__ import annotations

from dataclasses import dataclass

from api.http.polling import note_pending
from api.http.problems import RETRY_AFTER_SECONDS, Problem
from api.http.types import Response, json_response, url
from api.views import registration_view
from workers.domain.decision import Reason
from workers.domain.records import Ledger, Registration, Status
from workers.domain.transitions import DISCARDED
from workers.telemetry import Metric, logger, measure

REPLAYED = {"Idempotent-Replayed": "true"}
"""The header of an answer that repeats what an earlier request with the same idempotency key came to."""

NOT_REGISTERED = Problem("not-registered", "This user has no active registration for this event.")

_REFUSALS = {
    "event-full": "Every seat is taken, and there is no waiting list.",
    "waitlist-full": "Every seat is taken, and so is every place in the waiting list.",
    "registration-closed": "The event is closed or cancelled.",
    DISCARDED: "The request could not be processed. It can be made again.",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """A registration, and the ledger if it was read too."""

    record: Registration
    ledger: Ledger | None = None


class RegistrationResponses:
    """Answers whose links begin with `base_url`."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    def of_post(self, standing: Standing, headers: dict[str, str]) -> Response:
        """201, 202 or 409, from the registration as it stands."""
        record = standing.record
        if record.status is Status.REJECTED:
            code = record.code if record.code in _REFUSALS else "registration-closed"
            return Problem(code, _REFUSALS[code], headers=headers).response()
        if record.status is Status.PENDING:
            return self.undecided(standing, headers)
        headers = {"Location": self._url(record)} | headers
        return json_response(201, registration_view(record, standing.ledger), headers)

    def undecided(self, standing: Standing, headers: dict[str, str]) -> Response:
        """202: accepted, not decided yet."""
        record = standing.record
        note_pending(record.event_id, registration_id=record.registration_id)
        later = {"Location": self._url(record), "Retry-After": str(RETRY_AFTER_SECONDS)}
        return json_response(202, registration_view(record, standing.ledger), later | headers)

    def already(self, record: Registration) -> Response:
        """409 for who has a seat or a place in the line."""
        location = self._url(record)
        return Problem(
            "already-registered",
            f"The registration is {record.status}.",
            headers={"Link": f'<{location}>; rel="related"'},
            extra={"registration": location},
        ).response()

    def _url(self, record: Registration) -> str:
        return url(self._base_url, "events", record.event_id, "registrations", record.user_id)


def no_room(registration_id: str, why: Reason, headers: dict[str, str]) -> Response:
    """409 from the ledger that was just read: the queue could only say the same, so it is not asked.

    A cancellation that is not decided yet may make room a moment later, for who comes then.
    """
    logger.info("refused", extra={"registration_id": registration_id, "reason": str(why)})
    measure({Metric.REJECTED: 1}, reason=str(why))
    return Problem(str(why), _REFUSALS[why], headers=headers).response()


def no_content(headers: dict[str, str]) -> Response:
    """204."""
    return Response(204, headers=headers)
