"""Fake HTTP services, each on a free port of this machine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType


class Handler(BaseHTTPRequestHandler):
    """One request of any kind (`command`, `path`, `headers`); a service implements `reply`."""

    protocol_version = "HTTP/1.1"

    def reply(self) -> None:
        """Answer, or return without an answer."""
        raise NotImplementedError

    def content(self) -> bytes:
        """Read the body; to be called once."""
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def answer(
        self,
        body: bytes = b"",
        status: int = 200,
        kind: str = "application/json",
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Send a response."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _reply(self) -> None:
        self.reply()

    do_GET = do_POST = do_PATCH = do_DELETE = _reply  # noqa: N815 - the library's names

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # a client may keep its connection
    request_queue_size = 128  # all may come at once


@contextmanager
def serving(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve while the block runs; yield the URL."""
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def free_port() -> int:
    """Return a port of this machine that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
