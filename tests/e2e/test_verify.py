"""The command that operators check a deployment with, against the stack."""

from __future__ import annotations

import json

import pytest

from infra.cli.deployment import Outputs
from tests.e2e.conftest import turnstile

pytestmark = pytest.mark.e2e


def test_verify(stack: Outputs) -> None:
    """`turnstile verify` finds a sound deployment sound: tables, functions, mappings, routes, a journey, no errors."""
    verified = turnstile("verify", "--json")
    assert verified.returncode == 0, verified.stdout
    assert all(check["ok"] for check in json.loads(verified.stdout)["checks"])


def test_status(stack: Outputs) -> None:
    """`turnstile status --json` prints one object, with an API address that needs no quoting in a shell."""
    status = json.loads(turnstile("status", "--json").stdout)
    assert status == stack.as_json()
    assert not set(status["apiUrl"]) & set("$*?[]{}()<>|&;!'\"\\` ")
