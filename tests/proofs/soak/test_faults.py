"""The faults: what the SDK makes of each, through the real proxy, and how they are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.cli.processes import Children, Interrupts
from tests.proofs.soak.faults import KINDS, SPECIAL, FaultCounts, FaultProxy, fault_proxy, rules
from tests.support.http_server import Handler, serving
from workers.aws import clients

ASKED = 0.4


def test_what_a_run_lacked() -> None:
    """A kind that never occurred is a shortcoming, and so is a share that is too small."""
    every = Counter({kind.name: 10 for kind in KINDS} | dict.fromkeys(SPECIAL, 10))
    assert FaultCounts(200, every).shortcomings(0.4) == []
    assert FaultCounts(300, every).shortcomings(0.4) == ["only 30.0% of the calls met a fault; 40% were asked for"]
    every.pop("throttle")
    assert FaultCounts(100, every).shortcomings(0.4) == ["the fault 'throttle' was never injected"]


@pytest.fixture(scope="module")
def upstream() -> Iterator[tuple[str, list[tuple[str | None, str]]]]:
    """A server in place of the emulator: its URL, and host and body of each call."""
    calls: list[tuple[str | None, str]] = []

    class Upstream(Handler):
        def reply(self) -> None:
            calls.append((self.headers["Host"], self.content().decode()))
            self.answer(b"{}")

    with serving(Upstream) as url:
        yield url, calls


@pytest.fixture(scope="module")
def proxy(upstream: tuple[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultProxy]:
    """The real proxy, in a process of its own."""
    with Interrupts() as interrupts, Children(interrupts) as children:
        yield fault_proxy(upstream[0], tmp_path_factory.mktemp("proxy"), 1, children)


def client(proxy: FaultProxy, service: Any, kind: str | None = None) -> Any:
    """Return an SDK client at the proxy that tries once; every call meets the fault, if one is named."""
    if kind is not None:
        found = [rule for name, rule in rules(ASKED) if name == kind and rule["service"] == service]
        proxy._control("POST", "rules", [rule | {"probability": 1.0} for rule in found])
    once = Config(retries={"total_max_attempts": 1}, read_timeout=2)
    return boto3.client(service, endpoint_url=proxy.url, config=once)


def call(proxy: FaultProxy, kind: str, service: str, mark: str) -> Exception | None:
    """Return the error of a call that meets this fault; `mark` is in its body."""
    try:
        if service == "sqs":
            client(proxy, service, kind).send_message(QueueUrl="queue", MessageBody=mark)
        else:
            client(proxy, service, kind).put_item(TableName="table", Item={"key": {"S": mark}})
    except (BotoCoreError, ClientError) as error:
        return error
    return None


@pytest.mark.parametrize("service", ["dynamodb", "sqs"])
@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("latency", 1),
        ("throttle", 0),
        ("server error", 0),
        ("reset, call not made", 0),
        ("reset, call made", 1),
        ("no answer, call not made", 0),
    ],
)
def test_a_transient_fault(proxy: FaultProxy, upstream: Any, service: str, kind: str, made: int) -> None:
    """The product takes the fault for transient, the call was made or not as its name says, with the signed host."""
    mark = f"{kind} {service}"
    error = call(proxy, kind, service, mark)
    assert (error is None) if kind == "latency" else (error is not None and clients.is_transient(error))
    hosts = [host for host, body in upstream[1] if mark in body]
    assert hosts == [proxy.url.removeprefix("http://")] * made
    if kind == "throttle":
        assert isinstance(error, ClientError)
        names = {"sqs": "RequestThrottled", "dynamodb": "ProvisionedThroughputExceededException"}
        assert error.response["Error"]["Code"] == names[service]
    if kind.startswith("no answer"):  # the proxy is silent for longer than a function waits
        rule = next(rule for name, rule in rules(ASKED) if name == kind)
        assert rule["timeout_ms"] > clients._CONFIG.read_timeout * 1000  # type: ignore[attr-defined]


def test_special_faults(proxy: FaultProxy, upstream: Any) -> None:
    """Transactions are cancelled with reasons, single writes refused as conflicts, batches with all their entries."""
    dynamodb, sqs = client(proxy, "dynamodb", "transaction conflict"), client(proxy, "sqs")
    with pytest.raises(dynamodb.exceptions.TransactionConflictException):
        dynamodb.put_item(TableName="table", Item={"key": {"S": "value"}})
    put: Any = {"Put": {"TableName": "table", "Item": {"key": {"S": "value"}}}}
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as caught:
        dynamodb.transact_write_items(TransactItems=[put])
    reasons = [reason["Code"] for reason in caught.value.response["CancellationReasons"]]
    assert reasons == ["TransactionConflict", "None"]
    sqs = client(proxy, "sqs", "entries refused")
    for size in (1, 10):
        entries = [{"Id": str(index), "MessageBody": "refused entry"} for index in range(size)]
        answer = sqs.send_message_batch(QueueUrl="queue", Entries=entries)
        assert [entry["Id"] for entry in answer["Failed"]] == [entry["Id"] for entry in entries]
    assert not any("refused entry" in body for _, body in upstream[1])


def test_calls_and_faults_are_counted(proxy: FaultProxy) -> None:
    """While faults are on, calls are counted, and faults as the proxy reports them, in the share asked for."""
    proxy.inject(0.9)
    for number in range(41):
        if number == 40:
            proxy.stop()
        with suppress(ClientError, BotoCoreError):
            client(proxy, "sqs").get_queue_attributes(QueueUrl="queue")
    counts = proxy.counts()
    fired = [
        proxy._kinds[event["rule_id"]] for event in proxy._control("GET", "fired") if event["rule_id"] in proxy._kinds
    ]
    assert counts.calls == 40
    assert counts.faults == Counter(fired)
    assert 0.75 < counts.share < 1
