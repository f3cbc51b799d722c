"""A proxy between a function and the emulator that records each call to AWS.

It passes every byte on unchanged, so that the function's signatures stay valid.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.support.stacks import set_variables
from workers.domain.records import registration_id

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_CHUNK = 65_536


class CountingProxy:
    """The calls that passed since `clear`, as pairs of operation and parameters, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def clear(self) -> None:
        """Start counting anew."""
        self.calls = []

    def operations(self) -> dict[str, list[str]]:
        """Return, by registration id, the operations on it, in order. KeyError or ValueError for a call without one."""
        found: dict[str, list[str]] = {}
        for operation, parameters in self.calls:
            found.setdefault(_registration_of(operation, parameters), []).append(operation)
        return found

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
        """Pass one connection of the function on to the emulator; only requests need reading."""
        back, forth = await asyncio.open_connection(host, port)
        answering = asyncio.create_task(_pass_on(back, writer))
        try:
            # A function closes its connections when it ends; a function that is killed does not even do that.
            with suppress(asyncio.IncompleteReadError, ConnectionResetError):
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    headers = _headers(head)
                    body = await reader.readexactly(int(headers.get("content-length", "0")))
                    self.calls.append((headers["x-amz-target"].rpartition(".")[2], json.loads(body)))
                    forth.write(head + body)
                    await forth.drain()
        finally:
            answering.cancel()
            forth.close()
            writer.close()


@contextmanager
def counted(functions: LambdaClient, function_name: str, endpoint_url: str) -> Iterator[CountingProxy]:
    """Make a function talk to AWS through a proxy while the block runs. It restarts before and after."""
    proxy, upstream, loop = CountingProxy(), urlsplit(endpoint_url), asyncio.new_event_loop()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Any:
        return proxy.serve(reader, writer, upstream.hostname or "127.0.0.1", upstream.port or 80)

    server = loop.run_until_complete(asyncio.start_server(connected, "127.0.0.1", 0, limit=_CHUNK))
    thread = threading.Thread(target=loop.run_forever, name="counting proxy")
    thread.start()
    try:
        with _environment(functions, function_name, server.sockets[0].getsockname()[1]):
            yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(_close(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def _environment(functions: LambdaClient, function_name: str, port: int) -> Iterator[None]:
    before: Mapping[str, str] = functions.get_function_configuration(FunctionName=function_name)["Environment"][
        "Variables"
    ]
    set_variables(functions, function_name, dict(before) | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"})
    try:
        yield
    finally:
        set_variables(functions, function_name, dict(before))


def polls_of(operations: Sequence[str]) -> int:
    """Return how many of a registration's calls poll for the outcome: the reads after its message was sent."""
    return list(operations[operations.index("SendMessage") :]).count("BatchGetItem")


def _registration_of(operation: str, parameters: dict[str, Any]) -> str:
    match operation:
        case "SendMessage":
            command = json.loads(parameters["MessageBody"])
            return registration_id(command["eventId"], command["userId"])
        case "PutItem":
            return str(parameters["Item"]["registrationId"]["S"])
        case _:
            keys = [key for table in parameters["RequestItems"].values() for key in table["Keys"]]
            (named,) = [key["registrationId"]["S"] for key in keys if "registrationId" in key]
            return str(named)


async def _close(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK):
        writer.write(chunk)
        await writer.drain()
    writer.close()


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
