"""DynamoDB Local, once per run; a test bench with fresh tables and queues per test."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import boto3
import pytest
from moto import mock_aws

from infra.cli.reconcile.recount import Recounter
from infra.cli.reconcile.repairer import LedgerRepairer
from tests.integration.bench import Bench
from tests.support.dynamodb_local import dynamodb_local

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def dynamodb_url() -> Iterator[str]:
    """The address of DynamoDB Local."""
    with dynamodb_local() as url:
        yield url


@pytest.fixture(scope="module")
def session() -> Iterator[boto3.Session]:
    """Makes clients that share what is slow to read. Queues are in memory; moto lets the rest through."""
    with mock_aws():
        yield boto3.Session()


@pytest.fixture
def bench(session: boto3.Session, dynamodb_url: str) -> Bench:
    """Fresh tables on DynamoDB Local, fresh queues in memory, and the real handlers on them."""
    return Bench(session, dynamodb_url, f"t{next(_NUMBERS)}-")


@pytest.fixture
def recounter(bench: Bench) -> Recounter:
    """On the tables of the bench, by its clock."""
    return Recounter(bench.pipeline.dynamodb, bench.pipeline.clock, bench.tables.worker)


@pytest.fixture
def repairer(bench: Bench, recounter: Recounter) -> LedgerRepairer:
    """While it waits, the registrar works, and the promoter."""
    bench.pipeline.time.on_sleep.append(bench.pipeline.run)
    return LedgerRepairer(recounter, bench.pipeline.sqs, bench.pipeline.queue, bench.pipeline.clock)
