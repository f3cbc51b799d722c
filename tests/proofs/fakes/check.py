"""Sends the same operations to the in-memory DynamoDB and to AWS's DynamoDB Local, and compares the answers.

The operations are the `edges`, and Turnstile's own (`traffic`). `comparison` says what is compared.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError

from tests.proofs.fakes.comparison import outcome, same, word
from tests.proofs.fakes.edges import EDGE_KEYS, DynamoDbRequest, edges
from tests.proofs.fakes.traffic import OWN_KEYS, TurnstileTraffic
from tests.proofs.simulation.campaign import quiet
from tests.proofs.simulation.dynamodb.errors import Exceptions
from tests.proofs.simulation.dynamodb.fake import FakeDynamoDb, Paginator
from tests.support.builders import NOW
from tests.support.tables import create_tables, put_items
from workers.aws.items import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ROUND = 500
"""Operations until the tables are emptied: a difference is found again from a short history."""
_NUMBERS = count(1)


@dataclass(frozen=True, slots=True)
class Difference:
    """A request that was answered differently, with its number in its round. The round is always the same."""

    round: str
    number: int
    request: DynamoDbRequest
    in_memory: Any
    dynamodb_local: Any


@dataclass(slots=True)
class ComparisonFindings:
    """The result. `own` counts the operations that are no edges. `outcomes` counts by method and outcome: `ok`, `cut`
    (a page that is not the last one), `empty` (no item), or the code of an error."""

    operations: int = 0
    own: int = 0
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)


class Differs(BaseException):
    """The two do not answer the same. A BaseException, so that no handler of the product catches it."""

    def __init__(self, in_memory: Any, theirs: Any) -> None:
        super().__init__(f"in memory: {in_memory}; DynamoDB Local: {theirs}")
        self.answers = in_memory, theirs


def compare(
    url: str, operations: int, seed: int, say: Callable[[str], None] = lambda _: None, *, with_edges: bool = True
) -> ComparisonFindings:
    """Send so many of Turnstile's own operations to both, maybe after the edges. `say` gets a line for each round."""
    began, findings, engine = time.monotonic(), ComparisonFindings(), LocalEngine(url)
    rounds: list[tuple[str, Callable[[ComparingClient], None]]] = []
    if with_edges:
        rounds += [(f"edges {number}", partial(_follow, part)) for number, part in enumerate(edges(engine.tables), 1)]
    for start in range(0, operations, ROUND):
        size, own_seed = min(ROUND, operations - start), seed + start // ROUND
        rounds.append((f"seed {own_seed}", partial(_by_chance, Random(own_seed), engine, size)))
    for number, (name, work) in enumerate(rounds, 1):
        both = engine.both()
        with quiet():
            try:
                work(both)
            except Differs as differs:
                findings.differences.append(Difference(name, len(both.asked), both.asked[-1], *differs.answers))
        findings.operations += len(both.asked)
        findings.own += len(both.asked) if both.chance else 0
        findings.outcomes += both.outcomes
        findings.seconds = time.monotonic() - began
        counts = f"{findings.operations} operations, {len(findings.differences)} differences"
        say(f"round {number} of {len(rounds)} ({name}): {counts}")
    return findings


def _follow(requests: Iterable[DynamoDbRequest], both: ComparingClient) -> None:
    """Send all requests, and further ones where an answer is cut."""
    for first in requests:
        request: DynamoDbRequest | None = first
        while request is not None:
            answer: Item = {}
            with suppress(ClientError, ParamValidationError):
                answer = both.ask(request)
            last = answer.get("LastEvaluatedKey")
            request = DynamoDbRequest(request.method, request.params | {"ExclusiveStartKey": last}) if last else None


def _by_chance(chance: Random, engine: LocalEngine, size: int, both: ComparingClient) -> None:
    """Send so many of Turnstile's own operations, or a few more."""
    both.chance = chance
    traffic = TurnstileTraffic(cast("DynamoDBClient", both), chance, engine.prefix)
    while len(both.asked) < size:
        traffic.step()


class LocalEngine:
    """DynamoDB Local with tables of its own, whose names begin with `prefix`."""

    def __init__(self, url: str) -> None:
        self.client = boto3.client(
            "dynamodb",
            "us-east-1",
            endpoint_url=url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}),
        )
        number = next(_NUMBERS)
        self._runs = (f"{number}.{run}-" for run in count(1))
        self.prefix = f"compared-{number}-"
        self.tables = create_tables(self.client, self.prefix)
        self._place = self._learn(self.tables.users)

    def _learn(self, table: str) -> dict[str, int]:
        """Return the order in which DynamoDB Local scans primary keys, which depends on the key alone."""
        keys = [*EDGE_KEYS, *OWN_KEYS]
        put_items(self.client, table, [{"userId": {"S": key}} for key in keys])
        pages = self.client.get_paginator("scan").paginate(TableName=table)
        found = [item["userId"]["S"] for page in pages for item in page["Items"]]
        return {key: place for place, key in enumerate(found)}

    def both(self) -> ComparingClient:
        """Empty the tables, and return a client of both."""
        fake = FakeDynamoDb(lambda: NOW, self._place.__getitem__)
        names = create_tables(cast("DynamoDBClient", fake), self.prefix)
        for table, key in ((names.users, "userId"), (names.events, "eventId"), (names.ledger, "eventId")):
            self._empty(table, key)
        self._empty(names.registrations, "registrationId")
        return ComparingClient(fake, self.client, next(self._runs))

    def _empty(self, table: str, key: str) -> None:
        for page in self.client.get_paginator("scan").paginate(TableName=table, ProjectionExpression=key):
            for start in range(0, len(page["Items"]), 25):
                some: Any = [{"DeleteRequest": {"Key": item}} for item in page["Items"][start : start + 25]]
                self.client.batch_write_item(RequestItems={table: some})


class ComparingClient:
    """A client that asks both, and returns the answer of the in-memory one. Raises Differs if the other one differs.

    With a `chance`, a transaction is sometimes made twice, as by a rival.
    """

    exceptions = Exceptions

    def __init__(self, fake: FakeDynamoDb, real: DynamoDBClient, run: str) -> None:
        self._fake, self._real, self._run = fake, real, run
        self.chance: Random | None = None
        self.asked: list[DynamoDbRequest] = []
        self.outcomes: Counter[str] = Counter()

    def __getattr__(self, method: str) -> Callable[..., Item]:
        return partial(self._called, method)

    def create_table(self, **_: Any) -> Item:
        """Do nothing: the tables exist."""
        return {}

    def get_paginator(self, method: str) -> Paginator:
        """Return a paginator whose pages are asked of both."""
        return Paginator(getattr(self, method))

    def _called(self, method: str, **params: Any) -> Item:
        if method == "transact_write_items" and self.chance is not None and self.chance.random() < 0.1:
            with suppress(ClientError, ParamValidationError):
                self.ask(DynamoDbRequest(method, {"TransactItems": params["TransactItems"]}))
        return self.ask(DynamoDbRequest(method, params))

    def ask(self, request: DynamoDbRequest) -> Item:
        """Ask both, and compare."""
        self.asked.append(request)
        token = request.params.get("ClientRequestToken")
        own = {"ClientRequestToken": self._run + token} if token else {}
        answer, compared = outcome(self._fake, request)
        _, theirs = outcome(self._real, DynamoDbRequest(request.method, request.params | own))
        if not same(request, compared, theirs):
            raise Differs(compared, theirs)
        self.outcomes[f"{request.method} {word(compared)}"] += 1
        if isinstance(answer, Exception):
            raise answer
        return answer
