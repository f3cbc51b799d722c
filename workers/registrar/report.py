"""Report what was committed: a log line for each outcome and each promotion, and the metrics of the commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from workers.aws.send import ReceivedMessage
from workers.domain.commands import Promote, Recount
from workers.domain.decision import Decision, Outcome, Result
from workers.domain.records import Ledger
from workers.metrics import Metric
from workers.telemetry import log_fields, logger, measure

_COUNTED = {
    Result.CONFIRMED: Metric.CONFIRMED,
    Result.WAITLISTED: Metric.WAITLISTED,
    Result.CANCELLED: Metric.CANCELLED,
    Result.SUPERSEDED: Metric.SUPERSEDED,
}


@dataclass(frozen=True, slots=True)
class CommittedDecision:
    """A committed decision, and the messages of its commands, in order; undecided ones come last."""

    decision: Decision
    messages: Sequence[ReceivedMessage]


def report(committed: Sequence[CommittedDecision], now: int) -> None:
    """Log and measure what was committed together; `now` is in microseconds since 1970."""
    counts = Counter[Metric]()
    refusals = Counter[str]()
    latencies: list[float] = []
    waits: list[float] = []
    for decided in committed:
        decision = decided.decision
        ledgers = {"ledger_before": _brief(decision.before), "ledger_after": _brief(decision.ledger)}
        for outcome, message in zip(decision.outcomes, decided.messages, strict=False):
            latency = _milliseconds(outcome.command.accepted_at, now)
            logger.info("decided", extra=_outcome_fields(outcome, message, latency) | ledgers)
            if isinstance(outcome.command, Promote | Recount):
                continue  # not a person's request; a Promote is superseded if a Register filled the seats before it
            if outcome.result in _COUNTED:
                counts[_COUNTED[outcome.result]] += 1
            if outcome.result is Result.REJECTED:
                refusals[outcome.reason] += 1
            if outcome.result is not Result.SUPERSEDED and message.replay_of is None:
                latencies.append(latency)
        since = decision.before.free_since
        for record in decision.promoted:
            waits.append(_milliseconds(now if since is None else since, now))
            fields = {"event_id": record.event_id, "registration_id": record.registration_id, "waited_ms": waits[-1]}
            logger.info("promoted", extra=fields | ledgers)
    if waits:
        counts[Metric.PROMOTED] = len(waits)
    measure({**counts, Metric.DECISION_LATENCY: latencies, Metric.TIME_TO_PROMOTION: waits})
    for reason, refused in refusals.items():
        measure({Metric.REJECTED: refused}, reason=reason)


def _outcome_fields(outcome: Outcome, message: ReceivedMessage, latency: float) -> dict[str, object]:
    fields = log_fields(outcome.command) | {
        "outcome": str(outcome.result),
        "reason": str(outcome.reason),
        "latency_ms": latency,
        "receives": message.receives,
    }
    return fields | ({"replay_of": message.replay_of} if message.replay_of is not None else {})


def _brief(ledger: Ledger) -> dict[str, object]:
    return {
        "version": ledger.version,
        "capacity": ledger.settings.capacity,
        "confirmed": ledger.confirmed,
        "waiting": len(ledger.waitlist),
        "status": str(ledger.settings.status),
    }


def _milliseconds(since: int, now: int) -> float:
    return max(0, now - since) / 1000
