"""The faults, their probabilities in a history, and their counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from enum import StrEnum
from random import Random


class Fault(StrEnum):
    """All faults. Each is counted when it takes effect."""

    DUPLICATE_DELIVERY = "a message that was processed is delivered again"
    CRASH = "a process dies at a call to AWS"
    VISIBILITY_LOST = "two workers on one message"
    OUTAGE = "a service, or one operation of it, away for up to a minute"
    THROTTLE = "throttle"
    SERVER_ERROR = "5xx"
    CONFLICT = "TransactionConflict"
    RESET = "connection reset before the request took effect"
    ANSWER_LOST = "answer lost after the write"
    LATENCY = "slow answer"
    TIMEOUT = "timeout"
    LATE_EFFECT = "a write takes effect after its sender gave up"
    UNPROCESSED_KEYS = "BatchGetItem leaves keys unprocessed"
    TORN_READ = "BatchGetItem answers with items of two moments"
    PARTIAL_BATCH = "SendMessageBatch refuses some entries"
    STALE_INDEX = "an index row is stale or missing"
    STREAM_DUPLICATE = "a stream record twice"
    STREAM_RETRY = "a whole stream batch again"
    STREAM_DELAY = "a stream record late"
    STREAM_REORDER = "stream records of two shards out of order"
    POISON = "a poison message parked in the dead-letter queue"
    STRANGER = "a command for an event that nobody knows"
    MISFILED = "a command in another event's group"
    DAMAGE = "a record that cannot be read, and is mended later"
    LEDGER_DAMAGE = "a ledger that cannot be read, until it is recounted"
    RECOUNT = "a recount while other things happen"
    MOVED_BY_SQS = "a message received too often, moved to the dead-letter queue"
    REPLAY = "a dead letter replayed"
    DISCARD = "a dead letter discarded"
    CLOCK_SKEW = "a function whose clock is wrong"


BEFORE = (Fault.THROTTLE, Fault.SERVER_ERROR, Fault.RESET)
"""Faults that keep a request from taking effect."""

_ODDS: Mapping[Fault, float] = {
    Fault.DUPLICATE_DELIVERY: 0.06,
    Fault.CRASH: 0.008,
    Fault.VISIBILITY_LOST: 0.12,
    Fault.THROTTLE: 0.02,
    Fault.SERVER_ERROR: 0.02,
    Fault.CONFLICT: 0.06,
    Fault.RESET: 0.015,
    Fault.ANSWER_LOST: 0.03,
    Fault.LATENCY: 0.03,
    Fault.TIMEOUT: 0.008,
    Fault.UNPROCESSED_KEYS: 0.02,
    Fault.TORN_READ: 0.5,
    Fault.PARTIAL_BATCH: 0.15,
    Fault.STALE_INDEX: 0.3,
    Fault.STREAM_DUPLICATE: 0.1,
    Fault.STREAM_RETRY: 0.1,
    Fault.STREAM_DELAY: 0.2,
    Fault.STREAM_REORDER: 0.2,
    Fault.POISON: 0.4,
    Fault.STRANGER: 0.2,
    Fault.MISFILED: 0.2,
    Fault.DAMAGE: 0.3,
    Fault.LEDGER_DAMAGE: 0.4,
    Fault.RECOUNT: 0.5,
    Fault.DISCARD: 0.4,
    Fault.MOVED_BY_SQS: 0.6,
    Fault.CLOCK_SKEW: 0.3,
    Fault.OUTAGE: 0.2,
}
"""Per call, message, record or history, where a history has the fault at all."""

_SHARE_OF_HISTORIES = 0.7
"""The probability that a history has a fault at all: some bugs show only where other faults are absent."""


class Faults:
    """The faults of one history: their odds and counts."""

    def __init__(self, chance: Random, without: Collection[Fault] = ()) -> None:
        scale = chance.choice((0.5, 1, 1, 2))
        # Drawn for every fault, so that excluding one does not change the others.
        has = {fault: chance.random() < _SHARE_OF_HISTORIES for fault in _ODDS}
        self.odds = {f: _ODDS[f] * scale if has[f] and f not in without else 0.0 for f in _ODDS}
        self.fired: Counter[Fault] = Counter()
        self.calm = False

    def happens(self, fault: Fault, chance: Random) -> bool:
        """Return whether the fault happens now. Call `count` when it takes effect."""
        return chance.random() < self.odds[fault] and not self.calm

    def one_of(self, faults: Collection[Fault], chance: Random) -> Fault | None:
        """Return which of these faults happens to a call, if any."""
        drawn = chance.random()
        if self.calm:
            return None
        for fault in faults:
            drawn -= self.odds[fault]
            if drawn < 0:
                return fault
        return None

    def count(self, fault: Fault) -> None:
        """Count a fault that took effect."""
        self.fired[fault] += 1
