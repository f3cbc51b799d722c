"""A typed client that openapi-python-client generates from the document."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from api.contract.__main__ import KEPT
from infra.cli.deployment import Outputs
from tests.support.client import eventually, unique

pytestmark = pytest.mark.e2e

_BIN = Path(sys.executable).parent
_PACKAGE = "generated_turnstile_client"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The importable package, generated without a warning."""
    directory = tmp_path_factory.mktemp("client")
    command: list[str | Path] = [_BIN / "openapi-python-client", "generate", "--path", KEPT, "--meta", "none"]
    made = subprocess.run(
        [*command, "--fail-on-warning", "--output-path", directory / _PACKAGE],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}"},  # it formats with ruff
    )
    assert made.returncode == 0, made.stdout + made.stderr
    sys.path.insert(0, str(directory))
    yield directory / _PACKAGE
    sys.path.remove(str(directory))


@pytest.fixture
def client(generated: Path, stack: Outputs) -> Any:
    """The generated client for the stack under test."""
    return _module("client").Client(base_url=stack.api_url, timeout=15)


def _module(name: str) -> Any:
    return importlib.import_module(f"{_PACKAGE}.{name}")


def _call(client: Any, tag: str, operation: str, *ids: str, **given: Any) -> Any:
    """Call an operation and return the response with its status."""
    return _module(f"api.{tag}.{operation}").sync_detailed(*ids, client=client, **given)


def test_the_main_scenario(client: Any) -> None:
    """Create, register until somebody waits, poll, cancel, and see the promotion, with types."""
    models = _module("models")
    ann, bob = unique("user"), unique("user")
    for user_id in (ann, bob):
        made = _call(client, "users", "create_user", body=models.NewUser(user_id=user_id, name="N"))
        assert isinstance(made.parsed, models.User)
    new = models.NewEvent(title="T", date="2030-05-17", location="L", organizer="O", capacity=1, has_waitlist=True)
    event = _call(client, "events", "create_event", body=new).parsed
    assert isinstance(event, models.Event)
    assert event.seats_left == 1

    def stands(user_id: str, status: Any) -> Any:
        now = _call(client, "registrations", "get_registration", event.event_id, user_id).parsed
        return now if isinstance(now, models.Registration) and now.status is status else None

    for user_id, status in ((ann, models.Status.CONFIRMED), (bob, models.Status.WAITLISTED)):
        body = models.NewRegistration(user_id=user_id)
        asked = _call(client, "registrations", "register", event.event_id, body=body, prefer="respond-async")
        assert asked.status_code in {HTTPStatus.ACCEPTED, HTTPStatus.CREATED}, "decided at once is no pending"
        eventually(partial(stands, user_id, status))
    assert stands(bob, models.Status.WAITLISTED).waitlist_position == 1

    again = _call(client, "registrations", "register", event.event_id, body=models.NewRegistration(user_id=ann))
    assert again.status_code is HTTPStatus.CONFLICT
    assert isinstance(again.parsed, models.Problem)
    assert again.parsed.code == "already-registered"

    gone = _call(client, "registrations", "cancel_registration", event.event_id, ann, prefer="wait=10")
    assert gone.status_code is HTTPStatus.NO_CONTENT
    promoted = eventually(lambda: stands(bob, models.Status.CONFIRMED))
    assert not promoted.waitlist_position
    [entry] = _call(client, "registrations", "list_event_registrations", event.event_id).parsed.registrations
    assert (entry.user_id, entry.user.name) == (bob, "N")
