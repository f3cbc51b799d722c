"""An in-memory DynamoDB for each test, and its clock."""

from __future__ import annotations

import pytest

from tests.proofs.simulation.dynamodb.builders import Time, fake_with_tables
from tests.proofs.simulation.dynamodb.fake import FakeDynamoDb


@pytest.fixture
def time() -> Time:
    """The clock of `db`."""
    return Time()


@pytest.fixture
def db(time: Time) -> FakeDynamoDb:
    """With the four tables, empty."""
    return fake_with_tables(lambda: time.now)
