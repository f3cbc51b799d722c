"""An engine for the tests of the benchmark: the benchmark's own DynamoDB Local, fresh tables per test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.tools.bench.engine import Engine
from tests.tools.bench.setting import Setting


@pytest.fixture(scope="session")
def setting() -> Iterator[Setting]:
    """What parts of the benchmark run in; nothing is started before it is asked for."""
    with Setting(lambda _: None) as found:
        yield found


@pytest.fixture
def engine(setting: Setting) -> Engine:
    """Fresh tables on DynamoDB Local."""
    return Engine(setting)
