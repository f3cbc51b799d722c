"""The command that operators check a deployment with, against the stack."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.cli.deployment import Clients, Outputs
from tests.support.stacks import turnstile

pytestmark = pytest.mark.e2e


def test_verify(stack: Outputs) -> None:
    """`turnstile verify` finds a sound deployment sound: tables, functions, mappings, routes, a journey, no errors."""
    verified = turnstile("verify", "--json")
    assert verified.returncode == 0, verified.stdout
    assert all(check["ok"] for check in json.loads(verified.stdout)["checks"])


def test_verify_with_authorization(guarded_stack: Outputs, guarded_aws: Clients, guarded_home: Path) -> None:
    """`turnstile verify` finds a sound deployment sound where callers need a token, and leaves nobody in the pool."""
    verified = turnstile("verify", "--json", home=guarded_home)
    assert verified.returncode == 0, verified.stdout
    assert all(check["ok"] for check in json.loads(verified.stdout)["checks"])
    users = guarded_aws.cognito.list_users(UserPoolId=guarded_stack.user_pool_id or "")["Users"]
    assert not [user for user in users if user.get("Username", "").startswith("verify-")]


def test_status(stack: Outputs) -> None:
    """`turnstile status --json` prints one object, with an API address that needs no quoting in a shell."""
    status = json.loads(turnstile("status", "--json").stdout)
    assert status == stack.as_json()
    assert not set(status["apiUrl"]) & set("$*?[]{}()<>|&;!'\"\\` ")
