"""The load generator: every request once, one connection per client, times that were measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import pytest
from moto import mock_aws

from tests.support.http_server import Handler, serving
from tests.tools.bench.load import Answer, Load, Post, UnexpectedAnswer, add_users, drive, percentile, registration


class Service:
    """What a service was asked: the bodies, and over how many connections."""

    def __init__(self) -> None:
        self.url = ""
        self.paths: list[str] = []
        self.bodies: list[dict[str, object]] = []
        self.connections = 0
        self.answering = True


@contextmanager
def service() -> Iterator[Service]:
    """A service that answers 201, or breaks the connection when it is not `answering`."""
    seen = Service()

    class Answering(Handler):
        def setup(self) -> None:
            super().setup()
            seen.connections += 1

        def reply(self) -> None:
            seen.paths.append(self.path)
            seen.bodies.append(json.loads(self.content()))
            self.close_connection = not seen.answering
            if seen.answering:
                self.answer(b"{}", 201)

    with serving(Answering) as url:
        seen.url = f"{url}/base"
        yield seen


def test_every_request_is_made_once_and_each_client_keeps_one_connection() -> None:
    """40 requests of 4 clients are 40 requests, all different, over 4 connections at most."""
    with service() as seen:
        load = drive(seen.url, [registration("a b", f"user-{number}") for number in range(40)], 4)
    assert sorted(str(body["userId"]) for body in seen.bodies) == sorted(f"user-{number}" for number in range(40))
    assert set(seen.paths) == {"/base/events/a%20b/registrations"}
    assert seen.connections <= 4
    assert load.statuses == {201: 40}
    assert load.rate(201) == pytest.approx(40 / load.seconds)
    assert load.rate(202) == 0


def test_a_request_whose_connection_breaks_is_not_made_again() -> None:
    """It ends the load instead: a second attempt would hide what went wrong."""
    with service() as seen:
        seen.answering = False
        with pytest.raises(ConnectionError):
            drive(seen.url, [Post("/x", {})], 1)
    assert len(seen.bodies) == 1


def test_an_answer_of_another_kind_is_told() -> None:
    """One 202 among the 201s says that something else was measured."""
    load = Load([Answer(201, 0.1), Answer(202, 0.1)], 1.0)
    load.require(201, 202)
    with pytest.raises(UnexpectedAnswer, match="202: 1"):
        load.require(201)


def test_a_percentile_is_one_of_the_times() -> None:
    """The 99th of 1 to 100 seconds is 99, the 50th of three is the middle one, and every one of a single time is it."""
    assert percentile([Answer(201, float(second)) for second in range(100, 0, -1)], 99) == 99
    assert percentile([Answer(201, second) for second in (3.0, 1.0, 2.0)], 50) == 2
    assert percentile([Answer(201, 7.0)], 1) == 7


def test_people_are_put_into_the_table_in_as_few_writes_as_there_can_be() -> None:
    """60 people are in the table after 3 writes, each under the id that is answered."""
    with mock_aws():
        dynamodb = boto3.client("dynamodb")
        dynamodb.create_table(
            TableName="users",
            KeySchema=[{"AttributeName": "userId", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "userId", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        writes: list[object] = []
        dynamodb.meta.events.register("before-call.dynamodb.BatchWriteItem", lambda **call: writes.append(call))
        ids = add_users(dynamodb, "users", "ada", 60)
        found = {item["userId"]["S"] for item in dynamodb.scan(TableName="users")["Items"]}
    assert len(ids) == 60
    assert found == set(ids)
    assert len(writes) == 3
