"""A proxy on this machine that notes what a function asks AWS for, between the function and the emulator.

It passes every byte on as it is, so that what the function has signed holds, and notes the name and the body of each
request as it passes by.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.support.stacks import set_variables
from workers.domain.records import registration_id

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_HERE = "127.0.0.1"
_AT_ONCE = 65_536
_ENDPOINT = "AWS_ENDPOINT_URL"


@dataclass(frozen=True, slots=True)
class Call:
    """One request to AWS: its operation (`BatchGetItem`, `SendMessage` and so on) and its parameters."""

    operation: str
    parameters: dict[str, Any]

    @property
    def registration_id(self) -> str:
        """The registration that the call is about. KeyError or ValueError if it names none."""
        match self.operation:
            case "SendMessage":
                command = json.loads(self.parameters["MessageBody"])
                return registration_id(command["eventId"], command["userId"])
            case "PutItem":
                return str(self.parameters["Item"]["registrationId"]["S"])
            case _:
                keys = [key for table in self.parameters["RequestItems"].values() for key in table["Keys"]]
                (named,) = [key["registrationId"]["S"] for key in keys if "registrationId" in key]
                return str(named)


class CountingProxy:
    """The calls that passed since `clear`, in the order in which they came."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._calls: list[Call] = []

    @property
    def calls(self) -> Sequence[Call]:
        """The calls so far. A call is among them before the emulator gets it."""
        return list(self._calls)

    def clear(self) -> None:
        """Starts counting anew."""
        self._calls.clear()

    def note(self, head: bytes, body: bytes) -> None:
        """Notes a request. KeyError if it is none of an AWS API that names the operation in a header."""
        self._calls.append(Call(_headers(head)["x-amz-target"].rpartition(".")[2], json.loads(body)))


def operations(calls: Sequence[Call]) -> dict[str, list[str]]:
    """By registration id, the operations of the calls about it, in their order."""
    found: dict[str, list[str]] = {}
    for call in calls:
        found.setdefault(call.registration_id, []).append(call.operation)
    return found


@contextmanager
def counting_proxy(upstream_url: str) -> Iterator[CountingProxy]:
    """Runs a proxy to `upstream_url` on a free port of this machine while the context is open."""
    upstream = urlsplit(upstream_url)
    loop = asyncio.new_event_loop()

    async def start() -> tuple[asyncio.Server, CountingProxy]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _serve(reader, writer, proxy, upstream.hostname or _HERE, upstream.port or 80)

        server = await asyncio.start_server(serve, _HERE, 0, limit=_AT_ONCE)
        proxy = CountingProxy(f"http://{_HERE}:{server.sockets[0].getsockname()[1]}")
        return server, proxy

    server, proxy = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, name="counting proxy")
    thread.start()
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(_close(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _close(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, proxy: CountingProxy, host: str, port: int
) -> None:
    """One connection of the function, and one to the emulator for it: what comes back needs no reading."""
    back, forth = await asyncio.open_connection(host, port)
    answering = asyncio.create_task(_pass_on(back, writer))
    try:
        # The function closes its connections when it ends, and a function that is killed does not even do that.
        with suppress(asyncio.IncompleteReadError, ConnectionResetError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(int(_headers(head).get("content-length", "0")))
                proxy.note(head, body)
                forth.write(head + body)
                await forth.drain()
    finally:
        answering.cancel()
        forth.close()
        writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Passes on what comes, and closes when the other side has."""
    while chunk := await reader.read(_AT_ONCE):
        writer.write(chunk)
        await writer.drain()
    writer.close()


def _headers(head: bytes) -> dict[str, str]:
    """The headers by their names in small letters."""
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


@contextmanager
def through(functions: LambdaClient, function_name: str, proxy: CountingProxy) -> Iterator[None]:
    """Has a function talk to AWS through the proxy while the context is open. It starts anew before and after."""
    before = functions.get_function_configuration(FunctionName=function_name)["Environment"]["Variables"]
    set_variables(functions, function_name, dict(before) | {_ENDPOINT: proxy.url})
    try:
        yield
    finally:
        set_variables(functions, function_name, dict(before))
