"""Between the functions and the emulator: notes every call to AWS, and kills the caller at the one that it is told.

Nothing of it is in a function. Each function's AWS_ENDPOINT_URL points at a port of its own here, so that the port says
whose a call is, and the kernel which process is at the other end of the connection.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from http.client import HTTPConnection, HTTPMessage
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.http_server import Handler, serving

PROC = Path("/proc")
"""Where Linux tells about its processes. Other systems do not have it."""

_PATIENCE_SECONDS = 30.0
_HOP_BY_HOP = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})


class Side(StrEnum):
    """`before`: the emulator never gets the call. `after`: it has done it, and the caller never hears of it."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a function, its `number`-th from 1. The same call several times in a row is one step: how often
    somebody looks for an outcome is chance."""

    function: str
    number: int
    call: str


@dataclass(frozen=True, slots=True)
class Point:
    """Where the caller dies."""

    step: Step
    side: Side


@dataclass(frozen=True, slots=True)
class Answer:
    """What the emulator answered."""

    status: int
    headers: HTTPMessage
    body: bytes


class Wire:
    """The calls since `watch`, of all functions, and the process that was killed at one of them.

    `upstream` is the emulator's address, `names` says what tables and queues are called in a step, by their real names.
    """

    def __init__(self, upstream: str, names: Mapping[str, str]) -> None:
        self._upstream = urlsplit(upstream).netloc
        self._names = dict(names)
        self._lock = threading.Lock()
        self._ids: frozenset[str] = frozenset()
        self._steps: list[Step] = []
        self._point: Point | None = None
        self._then: Callable[[], None] = _nothing
        self._victim: str | None = None
        self._killed = threading.Event()
        self._back = threading.Event()

    def watch(self, ids: Collection[str], point: Point | None = None, then: Callable[[], None] | None = None) -> None:
        """From now on, and from the first step on, notes the calls that name one of these ids; kills at `point`, and
        then does `then`.

        A call that names nothing but receipt handles counts too. With no ids nothing is noted.
        """
        with self._lock:
            self._ids, self._steps, self._point, self._then = frozenset(ids), [], point, then or _nothing
            self._victim = None
            self._killed.clear()
            self._back.clear()

    @property
    def steps(self) -> Sequence[Step]:
        """The steps so far."""
        with self._lock:
            return list(self._steps)

    def fired(self, within: float) -> bool:
        """True once the caller was killed at the point, and `then` is done; False if that takes longer (in seconds)."""
        return self._killed.wait(within)

    def back(self, within: float) -> bool:
        """True once the function that was killed has made a call again, in another process; False if that takes longer
        (in seconds)."""
        return self._back.wait(within)

    def carry(self, function: str, request: BaseHTTPRequestHandler, body: bytes) -> Answer | None:
        """Passes a call on; None if its caller is dead now."""
        operation = request.headers.get("x-amz-target", "").rpartition(".")[2]
        text = body.decode()
        with self._lock:
            noted = self._concerns(operation, text)
            side = self._side(function, operation, text) if noted else None
            back = noted and function == self._victim
        if side is Side.BEFORE:
            self._kill(function, request)
            return None
        answer = self._pass_on(request, body)
        if side is Side.AFTER:
            self._kill(function, request)
            return None
        if back:
            self._back.set()
        return answer

    def _concerns(self, operation: str, text: str) -> bool:
        if self._ids and operation == "ChangeMessageVisibilityBatch":
            return True
        return any(name in text for name in self._ids)

    def _side(self, function: str, operation: str, text: str) -> Side | None:
        """Notes a call; the side of it on which the caller is to die, None if it is not."""
        things = [word for name, word in self._names.items() if f'"{name}"' in text]
        step = self._numbered(function, f"{operation} {', '.join(things)}")
        if self._point is None or self._point.step != step:
            return None
        side, self._point = self._point.side, None
        return side

    def _numbered(self, function: str, call: str) -> Step:
        own = [step for step in self._steps if step.function == function]
        if own and own[-1].call == call:
            return own[-1]
        step = Step(function, len(own) + 1, call)
        self._steps.append(step)
        return step

    def _kill(self, function: str, request: BaseHTTPRequestHandler) -> None:
        pid = process_behind(request.client_address[1], request.connection.getsockname()[1])
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while _runs(pid):
            if time.monotonic() > deadline:
                raise TimeoutError(f"process {pid} does not die")
            time.sleep(0.001)
        with self._lock:
            self._victim = function
        self._then()
        self._killed.set()

    def _pass_on(self, request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        """With the headers as they came: the function has signed them."""
        upstream = HTTPConnection(self._upstream, timeout=_PATIENCE_SECONDS)
        try:
            upstream.putrequest(request.command, request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                upstream.putheader(name, value)
            upstream.endheaders(body)
            response = upstream.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            upstream.close()


def _nothing() -> None:
    pass


def process_behind(port: int, peer: int) -> int:
    """The id of the process that has a connection from `port` to `peer` on this machine. LookupError if none has."""
    sockets = set()
    for line in (PROC / "net" / "tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ends = tuple(int(address.rpartition(":")[2], 16) for address in fields[1:3])
        if ends == (port, peer):
            sockets.add(f"socket:[{fields[9]}]")
    for process in PROC.iterdir():
        if process.name.isdecimal():
            with suppress(OSError):  # it has ended meanwhile, or is somebody else's
                if any(str(link.readlink()) in sockets for link in (process / "fd").iterdir()):
                    return int(process.name)
    raise LookupError(f"no process has a connection from port {port} to port {peer}")


def _runs(pid: int) -> bool:
    """False once a process has ended, whether or not its parent has asked how."""
    try:
        state = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}


@contextmanager
def tapped(wire: Wire, functions: Collection[str]) -> Iterator[dict[str, str]]:
    """Listens for each function while the context is open; gives the addresses by function."""
    with ExitStack() as running:
        yield {function: running.enter_context(serving(_tap(wire, function))) for function in functions}


def _tap(wire: Wire, function: str) -> type[Handler]:
    class Tap(Handler):
        wbufsize = -1

        def reply(self) -> None:
            answer = wire.carry(function, self, self.content())
            if answer is None:
                self.close_connection = True
                return
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def handle(self) -> None:
            with suppress(ConnectionError):  # who is killed does not say goodbye
                super().handle()

    return Tap
