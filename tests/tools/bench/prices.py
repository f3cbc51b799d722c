"""AWS's prices in US dollars, region us-east-1, without the free tiers, which other things may have used up.

As of November 2026. AWS's own pages fill their tables by script, so the numbers were compared with sources of 2025 and
2026 that quote those pages; the price of alarms could not be compared. Review them when they are older than a year.
"""

from __future__ import annotations

from dataclasses import dataclass

DATE = "November 2026"
REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Price:
    """`dollars` for `per` units; `source` is AWS's page."""

    dollars: float
    per: float
    source: str

    def of(self, units: float) -> float:
        """Return the cost of this many units in dollars."""
        return self.dollars * units / self.per


MILLION = 1_000_000
GB = 1_000_000_000
"""Nearly what AWS counts for CloudWatch Logs; the difference to 2**30 is to the disadvantage of Turnstile."""

HTTP_REQUESTS = Price(1.00, MILLION, "https://aws.amazon.com/api-gateway/pricing/")
"""HTTP API, the first 300 million a month, up to 512 KB each."""

LAMBDA_REQUESTS = Price(0.20, MILLION, "https://aws.amazon.com/lambda/pricing/")

LAMBDA_GB_SECONDS = Price(0.0000133334, 1, "https://aws.amazon.com/lambda/pricing/")
"""arm64, the first 7.5 billion a month."""

QUEUE_REQUESTS = Price(0.50, MILLION, "https://aws.amazon.com/sqs/pricing/")
"""FIFO, up to 64 KB each; ten messages in one call are one request."""

WRITE_UNITS = Price(0.625, MILLION, "https://aws.amazon.com/dynamodb/pricing/on-demand/")
"""On demand, halved in November 2024."""

READ_UNITS = Price(0.125, MILLION, "https://aws.amazon.com/dynamodb/pricing/on-demand/")

LOG_BYTES = Price(0.50, GB, "https://aws.amazon.com/cloudwatch/pricing/")
"""Ingestion, standard class, the first 10 TB a month. Storage costs 0.03 dollars per compressed GB and month."""

CUSTOM_METRICS = Price(0.30, 1, "https://aws.amazon.com/cloudwatch/pricing/")
"""A month of one metric that is sent every hour. EMF costs nothing beyond its log lines."""

ALARMS = Price(0.10, 1, "https://aws.amazon.com/cloudwatch/pricing/")
"""A month of one alarm of standard resolution."""

DASHBOARDS = Price(3.00, 1, "https://aws.amazon.com/cloudwatch/pricing/")
"""A month of one; an account's first three are free up to 50 metrics, and Turnstile's has more."""

KEYS = Price(1.00, 1, "https://aws.amazon.com/kms/pricing/")
"""A month of a customer managed key. Each of its first two yearly rotations adds as much."""
