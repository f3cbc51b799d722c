"""The faults: their kinds and frequencies, and the proxy that injects them.

microburst tries its rules in turn, each with its own probability: that of a rule is conditional on the others before
it.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.cli import REPOSITORY, http_client
from infra.cli.processes import Children
from tests.support.http_server import free_port

Rule = dict[str, Any]
"""One of microburst's rules, as its documentation has them."""

MARGIN = 0.02
"""Added to the share that is asked for, so that chance does not bring a short run below it."""

_GIVEN_UP_MS = 3000
"""A function's read timeout (`workers.aws.clients`)."""

_STATEMENT = "injected"
_START_SECONDS = 15
_MOST_ENTRIES = 10


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A kind of fault that any call may meet. `weight` is its part of all faults; each service has its own rule."""

    name: str
    weight: int
    dynamodb: Rule
    sqs: Rule

    @classmethod
    def alike(cls, name: str, weight: int, rule: Rule) -> FaultKind:
        """Make a kind that does the same to both services."""
        return cls(name, weight, rule, rule)


def _error(code: str, status: int, **fields: object) -> Rule:
    return {"error": {"code": code, "status": status, "message": _STATEMENT, "fields": fields or None}}


KINDS = (
    FaultKind("throttle", 15, _error("ProvisionedThroughputExceededException", 400), _error("RequestThrottled", 403)),
    FaultKind("server error", 13, _error("InternalServerError", 500), _error("ServiceUnavailable", 503)),
    FaultKind.alike("latency", 36, {"latency": {"min": 30, "max": 300}}),
    FaultKind.alike("no answer, call not made", 2, {"timeout_ms": _GIVEN_UP_MS + 500}),
    # When the call takes effect, the caller is gone or has called again.
    FaultKind.alike(
        "no answer, call made late", 3, {"latency": {"min": _GIVEN_UP_MS + 100, "max": _GIVEN_UP_MS + 1500}}
    ),
    FaultKind.alike("reset, call not made", 13, {"reset": True}),
    FaultKind.alike("reset, call made", 18, {"response": {"abort_bytes": 0}}),
)
"""A third of the faults are only slow: with more errors an SDK with a retry quota soon stops retrying, and few requests
would succeed."""

_CONFLICT = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
_REFUSED = {"SenderFault": False, "Code": "ThrottlingException", "Message": _STATEMENT}


def _conflicts() -> list[Rule]:
    reasons = [_CONFLICT, {"Code": "None"}]
    cancelled = _error("TransactionCanceledException", 400, CancellationReasons=reasons)
    return [
        {"service": "dynamodb", "operation": "TransactWriteItems", **cancelled},
        {"service": "dynamodb", "operation": "PutItem", **_error("TransactionConflictException", 400)},
    ]


def _refused_entries() -> list[Rule]:
    """Refuse all entries of a batch. The proxy cannot refuse some: it passes on whole calls."""
    return [
        {
            "service": "sqs",
            "operation": "SendMessageBatch",
            "body": f"length(Entries) == `{size}`",
            **_error("None", 200, Successful=[], Failed=[{"Id": str(i), **_REFUSED} for i in range(size)]),
        }
        for size in range(1, _MOST_ENTRIES + 1)
    ]


SPECIAL = {"transaction conflict": (0.2, _conflicts()), "entries refused": (0.4, _refused_entries())}
"""Faults of certain calls, tried before all others: probability and rules."""


def rules(share: float) -> list[tuple[str, Rule]]:
    """Return rules, each with the name of its kind, by which at least `share` of all calls meet a fault."""
    special = [(name, rule | {"probability": p}) for name, (p, of_kind) in SPECIAL.items() for rule in of_kind]
    common: list[tuple[str, Rule]] = []
    for service in ("dynamodb", "sqs"):
        left = 1.0
        for kind in KINDS:
            own = share * kind.weight / sum(other.weight for other in KINDS)
            common.append((kind.name, {"service": service, "probability": own / left, **getattr(kind, service)}))
            left -= own
    return special + common


@dataclass(frozen=True, slots=True)
class FaultCounts:
    """The calls that functions made while faults were on, and the faults that they met, by kind."""

    calls: int
    faults: Counter[str]

    @property
    def share(self) -> float:
        """The share of calls that met a fault."""
        return self.faults.total() / max(1, self.calls)

    def shortcomings(self, asked: float) -> list[str]:
        """Return a sentence for everything that the faults lacked."""
        kinds = [*(kind.name for kind in KINDS), *SPECIAL]
        silent = [f"the fault {name!r} was never injected" for name in kinds if not self.faults[name]]
        if self.share < asked:
            silent.append(f"only {self.share:.1%} of the calls met a fault; {asked:.0%} were asked for")
        return silent


class FaultProxy:
    """Controls the proxy."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._kinds: dict[int, str] = {}
        self._calls_before = 0
        self._calls_after: int | None = None

    def inject(self, share: float) -> None:
        """Start injecting faults into a little more than that share of the calls."""
        named = rules(min(1.0, share + MARGIN))
        self._calls_before = self.calls()
        placed = self._control("POST", "rules", [rule for _, rule in named])
        self._kinds = {rule["id"]: name for rule, (name, _) in zip(placed, named, strict=True)}

    def stop(self) -> None:
        """Stop injecting."""
        self._control("POST", "rules", [])
        self._calls_after = self.calls()

    def counts(self) -> FaultCounts:
        """Return the counts so far."""
        calls = self.calls() if self._calls_after is None else self._calls_after
        faults: Counter[str] = Counter()
        for rule in self._control("GET", "stats")["by_rule"]:
            if rule["id"] in self._kinds:
                faults[self._kinds[rule["id"]]] += rule["fired"]
        return FaultCounts(calls - self._calls_before, faults)

    def calls(self) -> int:
        """Return how many calls the proxy has passed on since it started."""
        return int(self._control("GET", "health")["requests_seen"])

    def _control(self, method: str, path: str, body: object = None) -> Any:
        answer = http_client.call(method, f"{self.url}/_microburst/{path}", body)
        if answer.status != 200:
            raise RuntimeError(f"the fault proxy does not {method} {path}: {answer.status} {answer.body}")
        return answer.body


def fault_proxy(upstream_url: str, out: Path, seed: int, children: Children) -> FaultProxy:
    """Start the proxy on a free port, without faults. It ends with the other `children`; RuntimeError if it fails."""
    command = [sys.executable, "-m", "tests.proofs.soak.fault_proxy", str(seed), "--upstream", upstream_url]
    port, log = free_port(), out / "microburst.log"
    with log.open("wb") as output:
        process = children.start([*command, "--port", str(port)], env=os.environ, cwd=REPOSITORY, output=output)
    # Not 127.0.0.1: in a host with dots microburst looks for the name of a service, and loads all service models.
    proxy = FaultProxy(f"http://localhost:{port}")
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            proxy.calls()
        except http_client.UnreachableError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the fault proxy does not start; see {log}") from None
            time.sleep(0.05)
        else:
            return proxy
