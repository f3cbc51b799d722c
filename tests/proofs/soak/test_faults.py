"""The faults: how often each comes, by microburst's own engine; what the SDK makes of each, through the real proxy."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from microburst.core.context import RequestContext  # type: ignore[import-untyped]
from microburst.rules import RuleEngine  # type: ignore[import-untyped]

from infra.cli.processes import Children, Interrupts
from tests.proofs.soak.faults import KINDS, FaultProxy, Tally, fault_proxy, rules
from tests.proofs.soak.made_up import EVERY_FAULT
from tests.support.http_server import Handler, serving
from workers.aws import clients

ASKED = 0.4
CALLS = 4000


@pytest.mark.parametrize(
    ("service", "operation"), [("dynamodb", "TransactWriteItems"), ("dynamodb", "Query"), ("sqs", "SendMessage")]
)
def test_the_share_of_each_kind(service: str, operation: str) -> None:
    """Of every call's faults each kind has its part, and all together are as many as were asked for."""
    engine, named = RuleEngine(), rules(ASKED)
    placed = engine.set_rules([rule for _, rule in named])
    kinds = {rule.id: name for rule, (name, _) in zip(placed, named, strict=True)}
    context = RequestContext(service=service, operation=operation, body=b"{}")
    decisions = [engine.decide(context) for _ in range(CALLS)]
    met = Counter(kinds[decision.rule.id] for decision in decisions if decision is not None)
    conflicts = met.pop("transaction conflict", 0)
    assert (conflicts > 0) == (operation == "TransactWriteItems")
    assert met.total() == pytest.approx(ASKED * (CALLS - conflicts), rel=0.1)
    weights = sum(kind.weight for kind in KINDS)
    for kind in KINDS:
        assert met[kind.name] == pytest.approx(ASKED * (CALLS - conflicts) * kind.weight / weights, rel=0.7)


def test_when_a_function_gives_up() -> None:
    """What is to come after a function has given up waits longer than the function does."""
    gives_up = clients._CONFIG.read_timeout * 1000  # type: ignore[attr-defined]
    waits = {kind.name: kind.dynamodb for kind in KINDS if kind.name.startswith("no answer")}
    assert waits["no answer, call not made"]["timeout_ms"] > gives_up
    assert waits["no answer, call made late"]["latency"]["min"] > gives_up


def test_what_a_run_lacked() -> None:
    """A kind that never came is named, and so is a share that is too small."""
    assert Tally(200, EVERY_FAULT).shortcomings(0.4) == []
    assert Tally(300, EVERY_FAULT).shortcomings(0.4) == ["only 30.0% of the calls met a fault; 40% were asked for"]
    others = Counter({name: number for name, number in EVERY_FAULT.items() if name != "throttle"})
    assert Tally(100, others).shortcomings(0.4) == ["the fault 'throttle' was never injected"]


class Upstream:
    """Stands where the emulator stands: takes every call, and remembers it with the host that it named."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: list[tuple[str | None, str]] = []

    def hosts_of(self, mark: str) -> list[str | None]:
        """Of the calls with that mark. Others may come late, from a test that is over."""
        return [host for host, body in self.calls if mark in body]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    """What is behind the proxy."""
    upstream = Upstream()

    class Calls(Handler):
        def reply(self) -> None:
            upstream.calls.append((self.headers["Host"], self.content().decode()))
            self.answer(b"{}")

    with serving(Calls) as upstream.url:
        yield upstream


@pytest.fixture(scope="module")
def proxy(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultProxy]:
    """The real proxy, in a process of its own."""
    with Interrupts() as interrupts, Children(interrupts) as children:
        yield fault_proxy(upstream.url, tmp_path_factory.mktemp("proxy"), 1, children)


def only(proxy: FaultProxy, kind: str, **of: str) -> None:
    """Every call meets this fault from now on."""
    found = [rule for name, rule in rules(ASKED) if name == kind and of.items() <= rule.items()]
    proxy._control("POST", "rules", [rule | {"probability": 1.0} for rule in found])


def client(proxy: FaultProxy, service: Any) -> Any:
    """One of the SDK's clients, at the proxy, that tries once."""
    once = Config(retries={"total_max_attempts": 1}, read_timeout=2)
    return boto3.client(service, endpoint_url=proxy.url, config=once)


def call(proxy: FaultProxy, kind: str, service: str, mark: str = "hello") -> Exception | None:
    """What becomes of a call that meets this fault; `mark` is in its body."""
    only(proxy, kind, service=service)
    try:
        if service == "sqs":
            client(proxy, service).send_message(QueueUrl="queue", MessageBody=mark)
        else:
            client(proxy, service).put_item(TableName="table", Item={"key": {"S": mark}})
    except (BotoCoreError, ClientError) as error:
        return error
    return None


def test_what_was_signed_arrives(proxy: FaultProxy, upstream: Upstream) -> None:
    """The host that the SDK has signed, the proxy's, is the one that the emulator sees."""
    assert call(proxy, "latency", "sqs", "signed") is None
    assert upstream.hosts_of("signed") == [proxy.url.removeprefix("http://")]


@pytest.mark.parametrize("service", ["dynamodb", "sqs"])
@pytest.mark.parametrize(
    ("kind", "made"),
    [("throttle", 0), ("server error", 0), ("reset, call not made", 0), ("reset, call made", 1)],
)
def test_a_fault_that_passes(proxy: FaultProxy, upstream: Upstream, service: str, kind: str, made: int) -> None:
    """The functions' code takes the fault for what passes by itself; the call was made, or not, as its name says."""
    mark = f"{kind} {service}"
    error = call(proxy, kind, service, mark)
    assert error is not None
    assert clients.is_transient(error)
    assert len(upstream.hosts_of(mark)) == made
    if kind == "throttle":
        assert isinstance(error, ClientError)
        names = {"sqs": "RequestThrottled", "dynamodb": "ProvisionedThroughputExceededException"}
        assert error.response["Error"]["Code"] == names[service]


def test_a_conflict_of_transactions(proxy: FaultProxy) -> None:
    """A transaction that meets another one is cancelled, with the reasons; a single write is refused."""
    error = call(proxy, "transaction conflict", "dynamodb")
    assert isinstance(error, client(proxy, "dynamodb").exceptions.TransactionConflictException)
    put: Any = {"Put": {"TableName": "table", "Item": {"key": {"S": "value"}}}}
    with pytest.raises(ClientError) as caught:
        client(proxy, "dynamodb").transact_write_items(TransactItems=[put])
    response: Any = caught.value.response
    assert response["Error"]["Code"] == "TransactionCanceledException"
    assert [reason["Code"] for reason in response["CancellationReasons"]] == ["TransactionConflict", "None"]


@pytest.mark.parametrize("size", [1, 3, 10])
def test_refused_entries(proxy: FaultProxy, upstream: Upstream, size: int) -> None:
    """A batch that meets the fault is answered with 200, and all its entries have failed."""
    only(proxy, "entries refused")
    mark = f"{size} entries"
    entries = [{"Id": str(index), "MessageBody": mark} for index in range(size)]
    answer = client(proxy, "sqs").send_message_batch(QueueUrl="queue", Entries=entries)
    assert [entry["Id"] for entry in answer["Failed"]] == [entry["Id"] for entry in entries]
    assert upstream.hosts_of(mark) == []


def test_counting_and_the_audit(proxy: FaultProxy, tmp_path: Path) -> None:
    """Calls and faults are counted while faults are on, and each fault is a line of the audit, once."""
    remote = FaultProxy(proxy.url, tmp_path / "faults.jsonl")
    remote.inject(0.9)
    for _ in range(20):
        with suppress(ClientError, BotoCoreError):
            client(proxy, "sqs").get_queue_attributes(QueueUrl="queue")
        remote.keep_audit()
    remote.stop()
    with suppress(ClientError, BotoCoreError):
        client(proxy, "sqs").get_queue_attributes(QueueUrl="queue")
    tally = remote.tally()
    lines = [json.loads(line) for line in (tmp_path / "faults.jsonl").read_text().splitlines()]
    assert tally.calls == 20
    assert tally.faults == Counter(line["kind"] for line in lines)
    assert tally.share > 0.5
