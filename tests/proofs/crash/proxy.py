"""A proxy between the functions and the emulator: records the calls to AWS, and kills the caller at one of them.

Each function's AWS_ENDPOINT_URL points at its own port of the proxy. So the port tells the function, and the kernel
tells which process is at the other end of the connection. The functions themselves are unchanged.
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
"""The folder in which Linux describes its processes."""

_PATIENCE_SECONDS = 30.0
_HOP_BY_HOP = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})


class Side(StrEnum):
    """`before`: the emulator does not get the call. `after`: the emulator has answered, the caller gets no answer."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class CallSite:
    """A call of a function, numbered from 1. A call that is repeated in a row, as in polling, counts once."""

    function: str
    number: int
    call: str


@dataclass(frozen=True, slots=True)
class KillPoint:
    """The point at which to kill the caller."""

    site: CallSite
    side: Side


@dataclass(frozen=True, slots=True)
class UpstreamResponse:
    """The emulator's answer."""

    status: int
    headers: HTTPMessage
    body: bytes


class InterceptingProxy:
    """Records calls since `watch`. `upstream` is the emulator; `names` are short names of tables and queues."""

    def __init__(self, upstream: str, names: Mapping[str, str]) -> None:
        self._upstream = urlsplit(upstream).netloc
        self._names = dict(names)
        self._lock = threading.Lock()
        self._ids: frozenset[str] = frozenset()
        self._sites: list[CallSite] = []
        self._point: KillPoint | None = None
        self._then: Callable[[], None] = _nothing
        self._victim: str | None = None
        self._killed = threading.Event()
        self._back = threading.Event()

    def watch(
        self, ids: Collection[str], point: KillPoint | None = None, then: Callable[[], None] | None = None
    ) -> None:
        """Start recording the calls that name one of these ids, or only receipt handles; stop if there are no ids.

        At `point` the caller is killed, and then `then` is called.
        """
        with self._lock:
            self._ids, self._sites, self._point, self._then = frozenset(ids), [], point, then or _nothing
            self._victim = None
            self._killed.clear()
            self._back.clear()

    @property
    def sites(self) -> Sequence[CallSite]:
        """The calls so far."""
        with self._lock:
            return list(self._sites)

    def fired(self, within: float) -> bool:
        """Wait for the kill, and for `then`. Return False if they did not happen in so many seconds."""
        return self._killed.wait(within)

    def back(self, within: float) -> bool:
        """Wait for the next call of the function that was killed. Return False if there is none in so many seconds."""
        return self._back.wait(within)

    def carry(self, function: str, request: BaseHTTPRequestHandler, body: bytes) -> UpstreamResponse | None:
        """Pass a call on. Return None if its caller was killed."""
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
        """Record a call. Return the side on which to kill the caller, if any."""
        things = [word for name, word in self._names.items() if f'"{name}"' in text]
        site = self._numbered(function, f"{operation} {', '.join(things)}")
        if self._point is None or self._point.site != site:
            return None
        side, self._point = self._point.side, None
        return side

    def _numbered(self, function: str, call: str) -> CallSite:
        own = [site for site in self._sites if site.function == function]
        if own and own[-1].call == call:
            return own[-1]
        site = CallSite(function, len(own) + 1, call)
        self._sites.append(site)
        return site

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

    def _pass_on(self, request: BaseHTTPRequestHandler, body: bytes) -> UpstreamResponse:
        """Pass on the headers unchanged: the function has signed them."""
        upstream = HTTPConnection(self._upstream, timeout=_PATIENCE_SECONDS)
        try:
            upstream.putrequest(request.command, request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                upstream.putheader(name, value)
            upstream.endheaders(body)
            response = upstream.getresponse()
            return UpstreamResponse(response.status, response.headers, response.read())
        finally:
            upstream.close()


def _nothing() -> None:
    pass


def process_behind(port: int, peer: int) -> int:
    """Return the id of the process that has a connection from `port` to `peer`. LookupError if none has."""
    sockets = set()
    for line in (PROC / "net" / "tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ends = tuple(int(address.rpartition(":")[2], 16) for address in fields[1:3])
        if ends == (port, peer):
            sockets.add(f"socket:[{fields[9]}]")
    for process in PROC.iterdir():
        if process.name.isdecimal():
            with suppress(OSError):  # it has ended, or belongs to another user
                if any(str(link.readlink()) in sockets for link in (process / "fd").iterdir()):
                    return int(process.name)
    raise LookupError(f"no process has a connection from port {port} to port {peer}")


def _runs(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        state = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}


@contextmanager
def tapped(proxy: InterceptingProxy, functions: Collection[str]) -> Iterator[dict[str, str]]:
    """Listen for each function while the block runs; yield the addresses by function."""
    with ExitStack() as running:
        yield {function: running.enter_context(serving(_tap(proxy, function))) for function in functions}


def _tap(proxy: InterceptingProxy, function: str) -> type[Handler]:
    class Tap(Handler):
        wbufsize = -1

        def reply(self) -> None:
            answer = proxy.carry(function, self, self.content())
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
            with suppress(ConnectionError):  # a killed process does not close its connection
                super().handle()

    return Tap
