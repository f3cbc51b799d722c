"""An in-memory DynamoDB for each test, and its clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.simulation.dynamodb.fake import FakeDynamoDb
from tests.simulation.dynamodb.words import Time, made

if TYPE_CHECKING:
    pass


@pytest.fixture
def time() -> Time:
    """The clock of `db`."""
    return Time()


@pytest.fixture
def db(time: Time) -> FakeDynamoDb:
    """With the four tables, empty."""
    return made(lambda: time.now)
