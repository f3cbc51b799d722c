"""Fixtures for the tests of the benchmark: its own DynamoDB Local, and fresh tables for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.tools.bench.context import BenchContext
from tests.tools.bench.engine import Engine


@pytest.fixture(scope="session")
def context() -> Iterator[BenchContext]:
    """The infrastructure of the benchmark's parts; nothing is started before it is used."""
    with BenchContext(lambda _: None) as made:
        yield made


@pytest.fixture
def engine(context: BenchContext) -> Engine:
    """Fresh tables on DynamoDB Local."""
    return Engine(context)
