"""What says where a deployment is and whether it is sound, against the stack: `turnstile status` and `verify`."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.cli.deployment import Clients, Outputs
from tests.support.stacks import printed

pytestmark = pytest.mark.e2e


def test_verify(stack: Outputs) -> None:
    """`turnstile verify` finds a sound deployment sound: tables, functions, mappings, routes, a journey, no errors."""
    assert all(check["ok"] for check in printed("verify")["checks"])


def test_verify_with_authorization(guarded_stack: Outputs, guarded_aws: Clients, guarded_home: Path) -> None:
    """`turnstile verify` finds a sound deployment sound where callers need a token, and leaves nobody in the pool."""
    assert all(check["ok"] for check in printed("verify", home=guarded_home)["checks"])
    users = guarded_aws.cognito.list_users(UserPoolId=guarded_stack.user_pool_id or "")["Users"]
    assert not [user for user in users if user.get("Username", "").startswith("verify-")]


def test_status(stack: Outputs) -> None:
    """`turnstile status --json` prints one object, with an API address that needs no quoting in a shell."""
    status = printed("status")
    assert status == stack.as_json()
    assert not set(status["apiUrl"]) & set("$*?[]{}()<>|&;!'\"\\` ")
