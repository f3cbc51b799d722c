"""Outages of services: they get past the SDK's three attempts, as single failures hardly ever do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.proofs.simulation.faults import Fault, Faults
from tests.proofs.simulation.queues import DEAD_LETTERS, QUEUE
from tests.proofs.simulation.scheduler import SECOND

_LONGEST_SECONDS = 60
_WHOLE = ""


@dataclass(slots=True)
class Outage:
    """An outage of a service, of one operation, or of an operation on one `queue`.

    It begins with the first such call after `at`, so that every outage is met, and takes `length`, both in
    microseconds. `until` is its end once it has begun.
    """

    service: str
    operation: str
    queue: str | None
    at: int = 0
    length: int = 0
    until: int | None = None

    def __str__(self) -> str:
        """As a trace shows it."""
        return " ".join(filter(None, (self.service, self.operation, self.queue)))

    @property
    def throttled(self) -> bool:
        """True if one operation is throttled; a whole service answers 5xx."""
        return self.operation != _WHOLE

    def concerns(self, service: str, operation: str, request: Mapping[str, Any]) -> bool:
        """Return whether the call meets this outage."""
        return (
            service == self.service
            and self.operation in {_WHOLE, operation}
            and self.queue in {None, request.get("QueueUrl")}
        )


_KINDS: tuple[tuple[str, str, str | None], ...] = (
    ("dynamodb", _WHOLE, None),
    ("dynamodb", "batch_get_item", None),
    ("dynamodb", "query", None),
    ("dynamodb", "put_item", None),
    ("dynamodb", "transact_write_items", None),
    ("sqs", _WHOLE, None),
    ("sqs", "send_message", QUEUE),
    ("sqs", "send_message", DEAD_LETTERS),
    ("sqs", "send_message_batch", QUEUE),
    ("sqs", "change_message_visibility_batch", QUEUE),
)


class Outages:
    """The outages of one history, within `span` microseconds from `start`. `count` is called when one begins."""

    def __init__(
        self, faults: Faults, chance: Random, start: int, span: int, count: Callable[[Fault, str], None]
    ) -> None:
        self._faults = faults
        self._count = count
        self._planned: list[Outage] = []
        for kind in _KINDS:
            # Most are short, but some last a minute.
            at, length = start + chance.randrange(span + 1), int(_LONGEST_SECONDS ** chance.random() * SECOND)
            if faults.happens(Fault.OUTAGE, chance):
                self._planned.append(Outage(*kind, at=at, length=length))

    def met(self, service: str, operation: str, request: Mapping[str, Any], now: int) -> Outage | None:
        """Return the outage that a call meets, if any."""
        if self._faults.calm:
            return None
        for outage in self._planned:
            if outage.at <= now and outage.concerns(service, operation, request):
                if outage.until is None:
                    outage.until = now + outage.length
                    self._count(Fault.OUTAGE, f"{outage} for {outage.length / SECOND:.1f} s")
                if now < outage.until:
                    return outage
        return None
