"""The proxy: it records the right calls, and kills the right process at the right moment."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.proofs.crash.proxy import PROC, CallSite, InterceptingProxy, KillPoint, Side, process_behind, tapped
from tests.support.http_server import Handler, serving

pytestmark = pytest.mark.skipif(not (PROC / "net" / "tcp").exists(), reason="no /proc: this is not Linux")

NAMES = {"turnstile-Ledger-1": "ledger", "turnstile-Users-1": "users"}
READ = ("DynamoDB_20120810.GetItem", {"TableName": "turnstile-Ledger-1", "Key": {"eventId": {"S": "party"}}})
WRITE = ("DynamoDB_20120810.PutItem", {"TableName": "turnstile-Users-1", "Item": {"userId": {"S": "party"}}})
FOREIGN = ("DynamoDB_20120810.GetItem", {"TableName": "turnstile-Ledger-1", "Key": {"eventId": {"S": "other"}}})
HIDE = ("AmazonSQS.ChangeMessageVisibilityBatch", {"Entries": [{"ReceiptHandle": "r"}]})

CALLER = """
import http.client, json, sys
connection = http.client.HTTPConnection(sys.argv[1].removeprefix("http://"), timeout=10)
for target, parameters in json.loads(sys.argv[2]):
    connection.request("POST", "/", json.dumps(parameters), {"X-Amz-Target": target, "Authorization": "AWS4"})
    print(connection.getresponse().read().decode(), flush=True)
"""
"""A function: it makes its calls over one connection, and prints the answers."""


class Setup:
    """A proxy with the addresses of two functions, and the operations that reached the server behind it."""

    def __init__(self, proxy: InterceptingProxy, registrar: str, promoter: str, reached: list[str]) -> None:
        self.proxy, self.registrar, self.promoter, self.reached = proxy, registrar, promoter, reached

    def call(self, address: str, *calls: object) -> subprocess.CompletedProcess[str]:
        """Run a process that makes these calls."""
        command = [sys.executable, "-c", CALLER, address, json.dumps(calls)]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def setup() -> Iterator[Setup]:
    """A proxy in front of a server that answers each call with its operation."""
    reached: list[str] = []

    class Operations(Handler):
        def reply(self) -> None:
            self.content()
            assert self.headers["Authorization"] == "AWS4"
            reached.append(self.headers["X-Amz-Target"].rpartition(".")[2])
            self.answer(reached[-1].encode())

    with serving(Operations) as url:
        proxy = InterceptingProxy(url, NAMES)
        with tapped(proxy, {"registrar", "promoter"}) as addresses:
            yield Setup(proxy, addresses["registrar"], addresses["promoter"], reached)


def test_calls_are_answered_and_recorded(setup: Setup) -> None:
    """Calls about what is watched are recorded by function, repetitions once; all are passed on."""
    setup.call(setup.registrar, READ, HIDE)
    assert not setup.proxy.sites
    setup.proxy.watch({"party"})
    ended = setup.call(setup.registrar, READ, READ, FOREIGN, READ, WRITE, HIDE)
    setup.call(setup.promoter, READ)
    setup.call(setup.registrar, HIDE, READ)
    assert ended.stdout.split() == setup.reached[2:8]
    assert len(setup.reached) == 11
    assert setup.proxy.sites == [
        CallSite("registrar", 1, "GetItem ledger"),
        CallSite("registrar", 2, "PutItem users"),
        CallSite("registrar", 3, "ChangeMessageVisibilityBatch "),
        CallSite("promoter", 1, "GetItem ledger"),
        CallSite("registrar", 4, "GetItem ledger"),
    ]


@pytest.mark.parametrize(
    ("side", "reached"), [(Side.BEFORE, ["GetItem"]), (Side.AFTER, ["GetItem", "PutItem"])], ids=str
)
def test_the_caller_is_killed_once(setup: Setup, side: Side, reached: list[str]) -> None:
    """Before a call that does not reach the server, or after it, without the answer. Then the function is back."""
    moments: list[str] = []
    point = KillPoint(CallSite("registrar", 2, "PutItem users"), side)
    setup.proxy.watch({"party"}, point, lambda: moments.append("then"))
    assert setup.call(setup.promoter, READ, WRITE).returncode == 0
    setup.reached.clear()
    ended = setup.call(setup.registrar, READ, WRITE, READ)
    assert setup.proxy.fired(within=5)
    assert (ended.returncode, ended.stdout.split()) == (-signal.SIGKILL, ["GetItem"])
    assert (setup.reached, moments) == (reached, ["then"])
    setup.call(setup.registrar, FOREIGN)
    setup.call(setup.promoter, READ)
    assert not setup.proxy.back(within=0)
    assert setup.call(setup.registrar, WRITE).returncode == 0
    assert setup.proxy.back(within=5)


def test_another_call_does_not_kill(setup: Setup) -> None:
    """A call with another number, of another kind or of another function is passed on."""
    for site in (CallSite("registrar", 1, "PutItem users"), CallSite("promoter", 1, "GetItem ledger")):
        setup.proxy.watch({"party"}, KillPoint(site, Side.BEFORE))
        assert setup.call(setup.registrar, READ, WRITE).returncode == 0
        assert not setup.proxy.fired(within=0)
    with pytest.raises(LookupError):
        process_behind(1, 1)
