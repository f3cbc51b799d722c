"""Rules for every test: made-up AWS credentials, no connections beyond this machine, no leaked personal data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pytest_socket import disable_socket, enable_socket, socket_allow_hosts

# Set before anything is imported: the loggers read their settings once.
os.environ.update(
    AWS_DEFAULT_REGION="us-east-1",
    AWS_ACCESS_KEY_ID="test",
    AWS_SECRET_ACCESS_KEY="test",
    AWS_EC2_METADATA_DISABLED="true",
    POWERTOOLS_SERVICE_NAME="turnstile",
    POWERTOOLS_LOG_LEVEL="INFO",
)
for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
    os.environ.pop(name, None)

from tests.support.chance import Chance  # noqa: E402
from tests.support.pii_canaries import Canaries  # noqa: E402 - after the environment
from tests.support.xdist_scheduling import ByPackage, slowest_first, yield_to_stack  # noqa: E402

_TESTS = Path(__file__).parent
_CLOSED = (_TESTS / "unit", _TESTS / "api")
"""Packages that mock AWS: they may not open a socket."""


def pytest_configure(config: pytest.Config) -> None:
    """A test that leaks personal data fails, and a failure names its seed."""
    config.pluginmanager.register(Canaries(), "canaries")
    config.pluginmanager.register(Chance(), "chance")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """After pytest-randomly, which shuffles."""
    slowest_first(items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Allow no sockets in closed packages, and loopback only elsewhere."""
    yield_to_stack(item)
    if any(item.path.is_relative_to(package) for package in _CLOSED):
        disable_socket(allow_unix_socket=True)
    else:
        enable_socket()
        socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByPackage:
    """Spread the tests of `pytest -n`."""
    return ByPackage(config, log)
