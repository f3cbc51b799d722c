"""The same operations on the in-memory DynamoDB and on AWS's DynamoDB Local: is every answer the same?

Two kinds of operations, about half of each: what Turnstile itself asks for, by its real handlers with every client
of `tests.support.pipeline` calling both; and made-up requests (`tests.proofs.fakes.requests`).

What is compared, and what is not, `tests.proofs.fakes.compare` says.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError

from tests.proofs.fakes.compare import outcome, same, word
from tests.proofs.fakes.edges import edges
from tests.proofs.fakes.requests import MADE_UP_KEYS, Request, Requests
from tests.proofs.fakes.use import OWN_KEYS, Use
from tests.proofs.simulation.campaign import quiet
from tests.proofs.simulation.dynamodb.errors import Exceptions
from tests.proofs.simulation.dynamodb.fake import FakeDynamoDb, Paginator
from tests.support.builders import NOW
from tests.support.tables import create_tables, put_items
from workers.aws.items import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ROUND = 500
"""Operations before all begins anew with empty tables: what differs is found again from a short history."""
_OWN = "own-"
_ENGINES = count(1)
_PATIENCE = 20.0
"""Seconds to look for a shorter history."""
_READS = {"get_item", "batch_get_item", "query", "scan"}


@dataclass(frozen=True, slots=True)
class Difference:
    """A request that was answered differently: the so manieth of its round. `shortest` are requests that show it on
    empty tables, the last of them this one."""

    round: str
    number: int
    request: Request
    in_memory: Any
    dynamodb_local: Any
    shortest: Sequence[Request]


@dataclass(slots=True)
class Findings:
    """What came of it. `own` are the operations that Turnstile itself asked for. `outcomes` counts by method and by
    what came of it: `ok`, `cut` (a page that is not the last one), `empty` (no item), or the code of an error."""

    operations: int = 0
    own: int = 0
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)


class Differs(BaseException):
    """The two do not answer the same. Nothing may catch this but who compares."""

    def __init__(self, in_memory: Any, theirs: Any) -> None:
        super().__init__(f"in memory: {in_memory}; DynamoDB Local: {theirs}")
        self.answers = in_memory, theirs


def check(
    url: str, operations: int, seed: int, say: Callable[[str], None] = lambda _: None, *, with_edges: bool = True
) -> Findings:
    """Does so many operations by chance on both, and before them, if wanted, those at the edges, which are always the
    same. `say` gets a line of progress for each round. `url` is DynamoDB Local's."""
    began, findings, engine = time.monotonic(), Findings(), Engine(url)
    rounds: list[tuple[str, Callable[[Twins], None]]] = []
    if with_edges:
        rounds += [(f"edges {number}", partial(_follow, part)) for number, part in enumerate(edges(engine.made_up), 1)]
    for start in range(0, operations, ROUND):
        size, own_seed = min(ROUND, operations - start), seed + start // ROUND
        rounds.append((f"seed {own_seed}", partial(_by_chance, Random(own_seed), engine, size)))
    for number, (name, work) in enumerate(rounds, 1):
        twins = engine.twins()
        with quiet():
            try:
                work(twins)
            except Differs as differs:
                asked = list(twins.asked)
                found = Difference(name, len(asked), asked[-1], *differs.answers, _shortest(engine, asked))
                findings.differences.append(found)
        findings.operations += len(twins.asked)
        findings.own += sum(_OWN in str(request.params) for request in twins.asked)
        findings.outcomes += twins.outcomes
        findings.seconds = time.monotonic() - began
        counts = f"{findings.operations} operations, {len(findings.differences)} differences"
        say(f"round {number} of {len(rounds)} ({name}): {counts}")
    return findings


def _follow(requests: Iterable[Request], twins: Twins) -> None:
    """Asks all of them, and where an answer is cut, the rest of it."""
    for first in requests:
        request: Request | None = first
        while request is not None:
            answer: Item = {}
            with suppress(ClientError, ParamValidationError):
                answer = twins.ask(request)
            last = answer.get("LastEvaluatedKey")
            request = Request(request.method, request.params | {"ExclusiveStartKey": last}) if last else None


def _by_chance(chance: Random, engine: Engine, size: int, twins: Twins) -> None:
    """So many operations, or a few more: now a made-up one, now what somebody does with Turnstile."""
    twins.chance = chance
    use = Use(cast("DynamoDBClient", twins), chance, engine.own_prefix)
    made_up = Requests(chance, engine.made_up)
    while len(twins.asked) < size:
        if chance.random() < 0.3:
            use.step()
            continue
        request = made_up.next()
        with suppress(ClientError, ParamValidationError):
            answer = getattr(twins, request.method)(**request.params)
            if "LastEvaluatedKey" in answer:
                made_up.cursors.append((request, answer["LastEvaluatedKey"]))


class Engine:
    """DynamoDB Local with the tables of both kinds of operations; each `twins` finds them empty."""

    def __init__(self, url: str) -> None:
        self.client = boto3.client(
            "dynamodb",
            "us-east-1",
            endpoint_url=url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}),
        )
        number = next(_ENGINES)
        self._runs = (f"{number}.{run}-" for run in count(1))
        self._prefixes = (f"{_OWN}{number}-", f"made-up-{number}-")
        self._own, self.made_up = (create_tables(self.client, prefix) for prefix in self._prefixes)
        self._place = self._learn(self._own.users)

    @property
    def own_prefix(self) -> str:
        """What the names of the tables begin with that Turnstile itself uses."""
        return self._prefixes[0]

    def _learn(self, table: str) -> dict[str, int]:
        """Where DynamoDB Local puts each primary key that may occur. It goes by the key alone."""
        keys = [*MADE_UP_KEYS, *OWN_KEYS]
        put_items(self.client, table, [{"userId": {"S": key}} for key in keys])
        pages = self.client.get_paginator("scan").paginate(TableName=table)
        found = [item["userId"]["S"] for page in pages for item in page["Items"]]
        return {key: place for place, key in enumerate(found)}

    def twins(self) -> Twins:
        """Both, empty."""
        fake = FakeDynamoDb(lambda: NOW, self._place.__getitem__)
        for prefix in self._prefixes:
            create_tables(cast("DynamoDBClient", fake), prefix)
        for names in (self._own, self.made_up):
            for table, key in ((names.users, "userId"), (names.events, "eventId"), (names.ledger, "eventId")):
                self._empty(table, key)
            self._empty(names.registrations, "registrationId")
        return Twins(fake, self.client, next(self._runs))

    def _empty(self, table: str, key: str) -> None:
        for page in self.client.get_paginator("scan").paginate(TableName=table, ProjectionExpression=key):
            for start in range(0, len(page["Items"]), 25):
                some: Any = [{"DeleteRequest": {"Key": item}} for item in page["Items"][start : start + 25]]
                self.client.batch_write_item(RequestItems={table: some})


class Twins:
    """A client that asks both, and answers what the in-memory one answers. Differs if the other one does not.

    With a `chance`, a transaction now and then meets a rival, who has done the very same just before.
    """

    exceptions = Exceptions

    def __init__(self, fake: FakeDynamoDb, real: DynamoDBClient, run: str) -> None:
        self._fake, self._real, self._run = fake, real, run
        self.chance: Random | None = None
        self.asked: list[Request] = []
        self.outcomes: Counter[str] = Counter()

    def __getattr__(self, method: str) -> Callable[..., Item]:
        return partial(self._called, method)

    def create_table(self, **_: Any) -> Item:
        """They are there already."""
        return {}

    def get_paginator(self, method: str) -> Paginator:
        """A walk over pages, each asked of both."""
        return Paginator(getattr(self, method))

    def _called(self, method: str, **params: Any) -> Item:
        if method == "transact_write_items" and self.chance is not None and self.chance.random() < 0.1:
            with suppress(ClientError, ParamValidationError):
                self.ask(Request(method, {"TransactItems": params["TransactItems"]}))
        return self.ask(Request(method, params))

    def ask(self, request: Request) -> Item:
        """Asks both."""
        self.asked.append(request)
        token = request.params.get("ClientRequestToken")
        own = {"ClientRequestToken": self._run + token} if token else {}
        answer, compared = outcome(self._fake, request)
        _, theirs = outcome(self._real, Request(request.method, request.params | own))
        if not same(request, compared, theirs):
            raise Differs(compared, theirs)
        self.outcomes[f"{request.method} {word(compared)}"] += 1
        if isinstance(answer, Exception):
            raise answer
        return answer


def _shortest(engine: Engine, asked: list[Request]) -> Sequence[Request]:
    """Fewer requests that end in the same way, found by leaving some out; all of them if that does not show it."""
    writes = [request for request in asked[:-1] if request.method not in _READS]
    found = next((tried for tried in ([], writes, asked[:-1]) if _differ(engine, [*tried, asked[-1]])), None)
    if found is None:
        return asked
    end, size = time.monotonic() + _PATIENCE, max(1, len(found) // 2)
    while size:
        start = 0
        while start < len(found) and time.monotonic() < end:
            fewer = found[:start] + found[start + size :]
            if _differ(engine, [*fewer, asked[-1]]):
                found = fewer
            else:
                start += size
        size //= 2
    return [*found, asked[-1]]


def _differ(engine: Engine, requests: Sequence[Request]) -> bool:
    twins = engine.twins()
    for request in requests:
        try:
            twins.ask(request)
        except Differs:
            return request is requests[-1]
        except (ClientError, ParamValidationError):
            continue
    return False
