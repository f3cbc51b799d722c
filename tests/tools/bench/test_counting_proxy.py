"""The counting proxy: it passes on what it gets, notes each call in its order, and leaves the function as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import pytest

from tests.support.http_server import Handler, serving
from tests.tools.bench.api_share import polls_of
from tests.tools.bench.counting_proxy import Call, CountingProxy, counting_proxy, operations, through
from workers.domain.records import registration_id

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

ADA = registration_id("pycon", "ada")
BOB = registration_id("pycon", "bob")


@contextmanager
def upstream() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """An emulator that answers with the body it got; what came, headers and body."""
    came: list[tuple[dict[str, str], bytes]] = []

    class Echo(Handler):
        def reply(self) -> None:
            body = self.content()
            came.append((dict(self.headers), body))
            self.answer(body)

    with serving(Echo) as url:
        yield url, came


def read_of(registration: str) -> dict[str, Any]:
    """The parameters of a read of a registration and of a ledger."""
    keys = {"ledger": {"eventId": {"S": "pycon"}}, "registrations": {"registrationId": {"S": registration}}}
    return {"RequestItems": {table: {"Keys": [key]} for table, key in keys.items()}}


def sent_for(user_id: str) -> dict[str, Any]:
    """The parameters of a message that registers a person."""
    return {"MessageBody": json.dumps({"eventId": "pycon", "userId": user_id})}


def test_calls_pass_unchanged_and_are_noted_in_their_order() -> None:
    """Two calls over one connection reach the emulator with the headers that were signed, and both are answered."""
    calls = [("DynamoDB_20120810.BatchGetItem", read_of(ADA)), ("AmazonSQS.SendMessage", sent_for("ada"))]
    with upstream() as (url, came), counting_proxy(url) as proxy:
        connection = HTTPConnection(urlsplit(proxy.url).netloc, timeout=5)
        for target, parameters in calls:
            headers = {"Host": "signed:1", "X-Amz-Target": target, "Authorization": "AWS4"}
            connection.request("POST", "/", json.dumps(parameters), headers)
            assert json.loads(connection.getresponse().read()) == parameters
        connection.close()
        noted = list(proxy.calls)
        proxy.clear()
        assert not proxy.calls
    assert noted == [Call("BatchGetItem", calls[0][1]), Call("SendMessage", calls[1][1])]
    assert [(headers["Host"], headers["Authorization"]) for headers, _ in came] == [("signed:1", "AWS4")] * 2


def test_a_body_of_many_pieces_is_one_call() -> None:
    """A call larger than what is read at once is noted whole."""
    parameters = {"MessageBody": "x" * 300_000}
    with upstream() as (url, came), counting_proxy(url) as proxy:
        connection = HTTPConnection(urlsplit(proxy.url).netloc, timeout=5)
        connection.request("POST", "/", json.dumps(parameters), {"X-Amz-Target": "AmazonSQS.SendMessage"})
        assert json.loads(connection.getresponse().read()) == parameters
        connection.close()
        assert proxy.calls == [Call("SendMessage", parameters)]
    assert len(came) == 1


def test_calls_are_told_apart_by_the_registration_that_they_are_about() -> None:
    """Reads, messages and puts of two people who register at the same time are counted for each."""
    calls = [
        Call("BatchGetItem", read_of(ADA)),
        Call("BatchGetItem", read_of(BOB)),
        Call("SendMessage", sent_for("ada")),
        Call("BatchGetItem", read_of(ADA)),
        Call("PutItem", {"Item": {"registrationId": {"S": ADA}}}),
    ]
    assert operations(calls) == {ADA: ["BatchGetItem", "SendMessage", "BatchGetItem", "PutItem"], BOB: ["BatchGetItem"]}


def test_a_call_that_names_no_registration_is_not_left_out() -> None:
    """It raises: a call that nobody counts would make the service look cheaper."""
    with pytest.raises((KeyError, ValueError)):
        operations([Call("GetItem", {"Key": {"eventId": {"S": "pycon"}}})])


def test_a_poll_is_a_read_after_the_message() -> None:
    """The read that comes first is no poll; each one after the message is."""
    assert polls_of(["BatchGetItem", "SendMessage"]) == 0
    assert polls_of(["BatchGetItem", "SendMessage", "BatchGetItem", "BatchGetItem", "PutItem"]) == 2


class _Functions:
    """Lambda with one function."""

    def __init__(self) -> None:
        self.variables = {"TABLE": "t"}

    def get_function_configuration(self, **_: str) -> dict[str, Any]:
        return {"Environment": {"Variables": self.variables}}

    def update_function_configuration(self, *, Environment: dict[str, Any], **_: str) -> None:  # noqa: N803 - AWS's name
        self.variables = Environment["Variables"]

    def get_waiter(self, _: str) -> _Functions:
        return self

    def wait(self, **_: str) -> None:
        pass


def test_a_function_is_left_as_it_was_even_when_the_measurement_fails() -> None:
    """It talks through the proxy while it is measured, with its other settings, and to the emulator itself after."""
    functions, proxy = _Functions(), CountingProxy("http://127.0.0.1:1")

    def measure() -> None:
        with through(cast("LambdaClient", functions), "registrations", proxy):
            assert functions.variables == {"TABLE": "t", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure()
    assert functions.variables == {"TABLE": "t"}
