"""The names of the metrics that the functions publish."""

from __future__ import annotations

from enum import StrEnum

NAMESPACE = "Turnstile"


class Metric(StrEnum):
    """All metrics. Their dimension is `service`, which names the stage; `REJECTED` has `reason`, too."""

    CONFIRMED = "Confirmed"
    WAITLISTED = "Waitlisted"
    REJECTED = "Rejected"
    PROMOTED = "Promoted"
    CANCELLED = "Cancelled"
    SUPERSEDED = "Superseded"
    DECISION_LATENCY = "DecisionLatency"
    TIME_TO_PROMOTION = "TimeToPromotion"
    BATCH_SIZE = "BatchSize"
    RETRIED = "Retried"
    FAILED_COMMAND_AGE = "FailedCommandAge"
    COMMITS_FALLEN_BACK = "CommitsFallenBack"
    DEAD_LETTERED = "DeadLettered"
    PENDING_ANSWERS = "PendingAnswers"
    LEDGERS_AUDITED = "LedgersAudited"
    LEDGER_DRIFT = "LedgerDrift"
