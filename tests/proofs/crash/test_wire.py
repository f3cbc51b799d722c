"""The wire itself: what it notes, and that it kills who it is told, when it is told."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.proofs.crash.wire import PROC, Point, Side, Step, Wire, process_behind, tapped
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
"""A function: it makes its calls over one connection, and prints what is answered."""


class Emulator:
    """What answers at the other end of the wire: each call with its operation. `came` are the operations."""

    def __init__(self) -> None:
        self.came: list[str] = []
        self.url = ""


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator that is listening."""
    emulator = Emulator()

    class Calls(Handler):
        def reply(self) -> None:
            self.content()
            assert self.headers["Authorization"] == "AWS4"
            operation = self.headers["X-Amz-Target"].rpartition(".")[2]
            emulator.came.append(operation)
            self.answer(operation.encode())

    with serving(Calls) as emulator.url:
        yield emulator


@contextmanager
def wired(emulator: Emulator) -> Iterator[tuple[Wire, str, str]]:
    """A wire to the emulator, and the addresses at which it listens for the registrar and for the promoter."""
    wire = Wire(emulator.url, NAMES)
    with tapped(wire, {"registrar", "promoter"}) as addresses:
        yield wire, addresses["registrar"], addresses["promoter"]


def call(address: str, *calls: object) -> subprocess.CompletedProcess[str]:
    """A process that makes these calls, when it has ended."""
    command = [sys.executable, "-c", CALLER, address, json.dumps(calls)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_calls_are_answered_and_noted_as_steps(emulator: Emulator) -> None:
    """A step is a call about what is watched; the same call in a row is one step, also if others come in between."""
    with wired(emulator) as (wire, address, _):
        wire.watch({"party"})
        ended = call(address, READ, READ, FOREIGN, READ, WRITE, HIDE, READ)
    assert ended.stdout.split() == emulator.came
    assert len(emulator.came) == 7
    assert wire.steps == [
        Step("registrar", 1, "GetItem ledger"),
        Step("registrar", 2, "PutItem users"),
        Step("registrar", 3, "ChangeMessageVisibilityBatch "),
        Step("registrar", 4, "GetItem ledger"),
    ]


def test_each_function_has_steps_of_its_own(emulator: Emulator) -> None:
    """Whose a call is, its address says; what another function does in between makes no step of it."""
    with wired(emulator) as (wire, address, other):
        wire.watch({"party"})
        for where in (address, other, address):
            call(where, READ)
    assert wire.steps == [Step("registrar", 1, "GetItem ledger"), Step("promoter", 1, "GetItem ledger")]


def test_nothing_is_noted_that_nobody_watches(emulator: Emulator) -> None:
    """Calls before `watch`, or about something else, are passed on and no more."""
    with wired(emulator) as (wire, address, _):
        call(address, READ, HIDE)
        assert not wire.steps
        wire.watch({"party"})
        call(address, FOREIGN)
    assert not wire.steps
    assert len(emulator.came) == 3


@pytest.mark.parametrize(
    ("side", "reached"), [(Side.BEFORE, ["GetItem"]), (Side.AFTER, ["GetItem", "PutItem"])], ids=str
)
def test_the_caller_is_killed(emulator: Emulator, side: Side, reached: list[str]) -> None:
    """Before a call it never reaches the emulator; after it, it has, and the caller does not hear the answer."""
    moments: list[str] = []
    with wired(emulator) as (wire, address, _):
        point = Point(Step("registrar", 2, "PutItem users"), side)
        wire.watch({"party"}, point, lambda: moments.append("then"))
        ended = call(address, READ, WRITE, READ)
        assert wire.fired(within=5)
    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout.split() == ["GetItem"]
    assert emulator.came == reached
    assert moments == ["then"]


def test_only_one_dies_and_the_next_process_is_seen(emulator: Emulator) -> None:
    """The point kills once. Who makes the call again lives, and is reported as back, no sooner."""
    with wired(emulator) as (wire, address, other):
        wire.watch({"party"}, Point(Step("registrar", 1, "GetItem ledger"), Side.BEFORE))
        assert call(other, READ).returncode == 0
        assert call(address, READ).returncode == -signal.SIGKILL
        assert wire.fired(within=5)
        call(address, FOREIGN)
        call(other, READ)
        assert not wire.back(within=0)
        assert call(address, READ).returncode == 0
        assert wire.back(within=5)


def test_nobody_dies_where_the_call_is_another_one(emulator: Emulator) -> None:
    """A step that has another number or is another call does not fire."""
    with wired(emulator) as (wire, address, _):
        for step in (Step("registrar", 1, "PutItem users"), Step("promoter", 1, "GetItem ledger")):
            wire.watch({"party"}, Point(step, Side.BEFORE))
            assert call(address, READ, WRITE).returncode == 0
            assert not wire.fired(within=0)


def test_the_process_behind_a_connection() -> None:
    """It is found by the two ports, and a connection that there is not is nobody's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            ports = client.getsockname()[1], client.getpeername()[1]
            assert process_behind(*ports) == os.getpid()
        with pytest.raises(LookupError):
            process_behind(ports[1], 1)
