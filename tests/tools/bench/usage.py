"""Amounts of what AWS charges for: sums, costs, and the GB-seconds of an invocation."""

from __future__ import annotations

import uuid
from dataclasses import astuple, dataclass

from infra.functions import FUNCTIONS
from tests.tools.bench import prices

PROCESSOR_MB = 1769
"""With this much memory a function has a whole processor, with less a share of one (Lambda's documentation, "Configure
Lambda function memory")."""

OWN_MS = {"registrations": 4.1, "registrar": 3.5, "promoter": 2.0, "textbook": 3.0}
"""Processor time of an invocation, without waiting. Measured with `time.process_time` against DynamoDB Local on an
Intel Xeon at 2 cores; the promoter is estimated."""

OWN_MS_PER_MESSAGE = 0.3
"""The time that each further message of a batch adds for the registrar; measured the same way, with batches of 1 and
10."""

_ID = uuid.UUID(int=0)
_SPENT = "Duration: 123.45 ms\tBilled Duration: 124 ms\tMemory Size: 1024 MB\tMax Memory Used: 104 MB\t"
PLATFORM_LINES = (
    f"START RequestId: {_ID} Version: $LATEST\n",
    f"END RequestId: {_ID}\n",
    f"REPORT RequestId: {_ID}\t{_SPENT}\n",
)
"""The bytes that Lambda itself logs for each invocation."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Amounts of what AWS charges for, in its units."""

    http_requests: float = 0
    lambda_requests: float = 0
    gb_seconds: float = 0
    queue_requests: float = 0
    write_units: float = 0
    read_units: float = 0
    log_bytes: float = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))

    def __mul__(self, factor: float) -> Usage:
        return Usage(*(amount * factor for amount in astuple(self)))

    def dollars(self) -> dict[str, float]:
        """Return the costs by item."""
        return {
            "HTTP API": prices.HTTP_REQUESTS.of(self.http_requests),
            "Lambda requests": prices.LAMBDA_REQUESTS.of(self.lambda_requests),
            "Lambda time": prices.LAMBDA_GB_SECONDS.of(self.gb_seconds),
            "queue": prices.QUEUE_REQUESTS.of(self.queue_requests),
            "writes": prices.WRITE_UNITS.of(self.write_units),
            "reads": prices.READ_UNITS.of(self.read_units),
            "logs": prices.LOG_BYTES.of(self.log_bytes),
        }

    def total(self) -> float:
        """Return the whole cost in dollars."""
        return sum(self.dollars().values())


def gb_seconds(function: str, milliseconds: float, own_ms: float = 0.0) -> float:
    """Return what an invocation is charged for: `milliseconds` of waiting, and `own_ms` of a whole processor, of which
    the function has the share that its memory buys. The textbook solution has the memory of `registrations`."""
    megabytes = FUNCTIONS["registrations" if function == "textbook" else function].memory_mb
    return megabytes / 1024 * (milliseconds + own_ms / min(1, megabytes / PROCESSOR_MB)) / 1000
