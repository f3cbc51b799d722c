"""The faults: of which kinds, how often each, and the proxy that injects them.

Every kind has microburst rules, and a weight among its peers. Of a list of rules microburst takes the first whose draw
succeeds, so the chance of each is the one that it has once those before it have failed.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.cli import http_client
from infra.cli.processes import Children
from infra.cli.state_dir import REPOSITORY
from tests.support.http_server import free_port

Rule = dict[str, Any]
"""One of microburst's rules, as its documentation has them."""

MARGIN = 0.02
"""More than was asked for, so that chance does not bring a short run below it."""

_GIVEN_UP_MS = 3000
"""When a function stops waiting for an answer (`workers.aws.clients`)."""

_STATEMENT = "injected"
_START_SECONDS = 15
_MOST_ENTRIES = 10
_MOST_REMEMBERED = 2000


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault that any call may meet: `weight` is its part of all faults, `dynamodb` and `sqs` are what it does
    to calls of each."""

    name: str
    weight: int
    dynamodb: Rule
    sqs: Rule

    @classmethod
    def alike(cls, name: str, weight: int, rule: Rule) -> Kind:
        """One that does the same to both."""
        return cls(name, weight, rule, rule)


def _error(code: str, status: int, **fields: object) -> Rule:
    return {"error": {"code": code, "status": status, "message": _STATEMENT, "fields": fields or None}}


KINDS = (
    Kind("throttle", 15, _error("ProvisionedThroughputExceededException", 400), _error("RequestThrottled", 403)),
    Kind("server error", 13, _error("InternalServerError", 500), _error("ServiceUnavailable", 503)),
    Kind.alike("latency", 36, {"latency": {"min": 30, "max": 300}}),
    Kind.alike("no answer, call not made", 2, {"timeout_ms": _GIVEN_UP_MS + 500}),
    # Who has called is gone, or has called again, when the call takes effect.
    Kind.alike("no answer, call made late", 3, {"latency": {"min": _GIVEN_UP_MS + 100, "max": _GIVEN_UP_MS + 1500}}),
    Kind.alike("reset, call not made", 13, {"reset": True}),
    Kind.alike("reset, call made", 18, {"response": {"abort_bytes": 0}}),
)
"""What any call may meet. A third of it is only slow: with more errors than that, an SDK that counts its retries soon
makes none, and few requests would come to anything."""

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
    """A batch whose entries SQS takes none of. The proxy cannot take some of them: it passes a call on as a whole."""
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
"""What only some calls may meet, before everything else: how likely it is, and the rules."""


def rules(share: float) -> list[tuple[str, Rule]]:
    """The rules, each with the name of its kind, by which at least `share` of all calls meet a fault."""
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
class Tally:
    """How many calls the functions made while faults were on, and how many of them met one, by kind."""

    calls: int
    faults: Counter[str]

    @property
    def share(self) -> float:
        """The part of the calls that met a fault."""
        return self.faults.total() / max(1, self.calls)

    def shortcomings(self, asked: float) -> list[str]:
        """What the faults lacked: sentences."""
        kinds = [*(kind.name for kind in KINDS), *SPECIAL]
        silent = [f"the fault {name!r} was never injected" for name in kinds if not self.faults[name]]
        if self.share < asked:
            silent.append(f"only {self.share:.1%} of the calls met a fault; {asked:.0%} were asked for")
        return silent


class FaultProxy:
    """The proxy's remote control. What was injected goes to `audit` as JSON lines, as microburst reports it."""

    def __init__(self, url: str, audit: Path) -> None:
        self.url = url
        self._audit = audit
        self._kinds: dict[int, str] = {}
        self._newest = 0.0
        self._calls_before = 0
        self._calls_after: int | None = None

    def inject(self, share: float) -> None:
        """Faults from now on, a little more than that share."""
        named = rules(min(1.0, share + MARGIN))
        self._calls_before = self.calls()
        placed = self._control("POST", "rules", [rule for _, rule in named])
        self._kinds = {rule["id"]: name for rule, (name, _) in zip(placed, named, strict=True)}

    def stop(self) -> None:
        """No faults from now on."""
        self._control("POST", "rules", [])
        self._calls_after = self.calls()
        self.keep_audit()

    def keep_audit(self) -> None:
        """Writes down what was injected since the last time. The proxy remembers its last 2,000 faults."""
        found = self._control("GET", f"fired?limit={_MOST_REMEMBERED}&since={self._newest!r}")
        with self._audit.open("a", encoding="utf-8") as audit:
            for event in found:
                if event["ts"] > self._newest and event["rule_id"] in self._kinds:
                    self._newest = event["ts"]
                    audit.write(json.dumps({"kind": self._kinds[event["rule_id"]]} | event) + "\n")

    def tally(self) -> Tally:
        """The counts so far."""
        calls = self.calls() if self._calls_after is None else self._calls_after
        faults: Counter[str] = Counter()
        for rule in self._control("GET", "stats")["by_rule"]:
            if rule["id"] in self._kinds:
                faults[self._kinds[rule["id"]]] += rule["fired"]
        return Tally(calls - self._calls_before, faults)

    def calls(self) -> int:
        """How many calls have passed since the proxy started."""
        return int(self._control("GET", "health")["requests_seen"])

    def _control(self, method: str, path: str, body: object = None) -> Any:
        answer = http_client.call(method, f"{self.url}/_microburst/{path}", body)
        if answer.status != 200:
            raise RuntimeError(f"the fault proxy does not {method} {path}: {answer.status} {answer.body}")
        return answer.body


def fault_proxy(upstream_url: str, out: Path, seed: int, children: Children) -> FaultProxy:
    """Starts the proxy on a free port of this machine, without faults as yet; it ends with the other `children`.

    RuntimeError if it does not start.
    """
    command = [sys.executable, "-m", "tests.proofs.soak.fault_proxy", str(seed), "--upstream", upstream_url]
    port, log = free_port(), out / "microburst.log"
    with log.open("wb") as output:
        process = children.start([*command, "--port", str(port)], env=os.environ, cwd=REPOSITORY, output=output)
    # Not 127.0.0.1: in a name with dots microburst would look for a service, and read the models of all there are.
    proxy = FaultProxy(f"http://localhost:{port}", out / "faults.jsonl")
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
