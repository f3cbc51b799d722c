"""The batch commit through the real SDK on a made-up wire: what is sent, word for word, and what refusals become."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError

from tests.support.builders import Book, cancel, configure, register, seats
from workers.aws import clients
from workers.aws.commit import CommitCancelled, commit, transaction_items
from workers.aws.load import Tables

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLES = Tables(events="E", registrations="R", ledger="L")


class Wire:
    """What lies between the SDK and AWS: remembers each request, and gives the answer it was told to give."""

    def __init__(self, client: DynamoDBClient) -> None:
        self.client = client
        self.requests: list[dict[str, Any]] = []
        self.status, self.answer = 200, dict[str, Any]()

    def send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        """In place of the network."""
        assert request.headers["X-Amz-Target"] == b"DynamoDB_20120810.TransactWriteItems"
        self.requests.append(json.loads(cast("bytes", request.body)))
        return AWSResponse(request.url, self.status, HTTPHeaders(), Body(json.dumps(self.answer).encode()))

    def refuse(self, code: str, **more: object) -> None:
        """From now on the answer is an error."""
        self.status = 400
        self.answer = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "no", **more}


class Body:
    """The body of an answer, as urllib3 gives it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        """All in one piece."""
        yield self._content


@pytest.fixture(scope="module")
def client() -> DynamoDBClient:
    """The client of the functions."""
    return clients.dynamodb()


@pytest.fixture
def wire(client: DynamoDBClient) -> Iterator[Wire]:
    """A wire that accepts everything."""
    wire = Wire(client)
    send = cast("Callable[..., None]", wire.send)  # whoever listens here may answer, whatever the stubs say
    client.meta.events.register("before-send.dynamodb", send)
    yield wire
    client.meta.events.unregister("before-send.dynamodb", send)


def a_batch() -> list[Any]:
    """The items of a batch with a first and a later write, and changed settings."""
    book = Book(seats(2))
    book.fill("ann")
    return transaction_items(TABLES, [book.deliver(cancel("ann"), register("bob"), configure(1, seats(4, 7)))])


def test_all_items_go_in_one_request_with_a_token(wire: Wire) -> None:
    """One TransactWriteItems with every item as it is, and a token by which AWS knows the SDK's own retry."""
    items = a_batch()
    commit(wire.client, items)
    (sent,) = wire.requests
    assert len(sent.pop("ClientRequestToken")) == 36
    assert sent == json.loads(json.dumps({"TransactItems": items}))
    assert [next(iter(item)) for item in items] == ["Put", "Put", "Put", "Update"]


def test_a_cancelled_transaction_says_why(wire: Wire) -> None:
    """The reason of each item, in their order; those that say nothing are a question mark."""
    wire.refuse("TransactionCanceledException", CancellationReasons=[{"Code": "None"}, {"Code": "Conflict"}, {}])
    with pytest.raises(CommitCancelled) as caught:
        commit(wire.client, a_batch())
    assert caught.value.reasons == ("None", "Conflict", "?")
    assert str(caught.value) == "transaction cancelled: None, Conflict, ?"
    assert isinstance(caught.value.__cause__, ClientError)
    assert len(wire.requests) == 1


def test_a_cancelled_transaction_may_say_nothing(wire: Wire) -> None:
    """A cancellation without reasons is one all the same."""
    wire.refuse("TransactionCanceledException")
    with pytest.raises(CommitCancelled) as caught:
        commit(wire.client, a_batch())
    assert caught.value.reasons == ()


def test_another_refusal_is_what_it_is(wire: Wire) -> None:
    """What is no cancellation comes through as the SDK raised it, code and all."""
    wire.refuse("ResourceNotFoundException", CancellationReasons=[{"Code": "None"}])
    with pytest.raises(ClientError) as caught:
        commit(wire.client, a_batch())
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"


@pytest.mark.parametrize("answer", [{}, {"Error": {}}])
def test_a_refusal_without_a_code_is_what_it_is(answer: Any) -> None:
    """An answer that nobody understands is no cancellation: it comes through."""

    class Odd:
        def transact_write_items(self, **_: object) -> None:
            raise ClientError(answer, "TransactWriteItems")

    with pytest.raises(ClientError):
        commit(cast("DynamoDBClient", Odd()), [])
