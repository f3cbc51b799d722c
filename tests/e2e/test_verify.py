"""`turnstile status` and `verify` against the running stack."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.cli.deployment import Clients, Deployment, Outputs
from infra.cli.main import main
from tests.support.stacks import local_deployment, printed, turnstile

pytestmark = pytest.mark.e2e

NO_DEAD_LETTERS = pytest.mark.own_stack("it must have no dead letters")

Verify = Callable[..., tuple[int, dict[str, Any]]]


def _verdicts(said: dict[str, Any], verdict: str) -> list[tuple[str, str]]:
    """Return name and detail of the checks with this verdict."""
    return [(check["name"], check["detail"]) for check in said["checks"] if check["verdict"] == verdict]


def test_verify(stack: Outputs) -> None:
    """`turnstile verify` passes on a sound stack, whatever other tests have left for its operator."""
    said = json.loads(turnstile("verify", "--json").stdout)
    assert (_verdicts(said, "failed"), _verdicts(said, "skipped"), said["remains"]) == ([], [], [])
    assert len(_verdicts(said, "ok")) > 15


@pytest.fixture
def verify(guarded_stack: Outputs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verify:
    """Run `turnstile verify` on the stack with authorization as if it were another stage; return code and output."""

    def run(stage: str, *arguments: str) -> tuple[int, dict[str, Any]]:
        deployment = local_deployment(guarded_stack)
        deployment.stage = stage
        monkeypatch.setattr(Deployment, "resolve", lambda _stage: deployment)
        code = main(["verify", "--stage", stage, "--json", *arguments])
        said: dict[str, Any] = json.loads(capsys.readouterr().out)
        return code, said

    return run


def _people(aws: Clients, outputs: Outputs) -> set[str]:
    """Return the users in the pool whose names verify made up."""
    users = aws.cognito.list_users(UserPoolId=outputs.user_pool_id or "")["Users"]
    return {user["Username"] for user in users if user["Username"].startswith("verify-")}


def _items(aws: Clients, outputs: Outputs) -> list[Any]:
    """Return what verify has left in the tables."""
    tables = (outputs.users_table, outputs.events_table, outputs.registrations_table, outputs.ledger_table)
    items = [item for table in tables for item in aws.dynamodb.scan(TableName=table)["Items"]]
    return [item for item in items if "verify-" in json.dumps(item, default=str)]


@NO_DEAD_LETTERS
def test_on_dev_users_are_created_and_removed(verify: Verify, guarded_stack: Outputs, guarded_aws: Clients) -> None:
    """On a stage that allows it, verify registers users of its own, and leaves nothing behind."""
    code, said = verify("dev")
    assert (_verdicts(said, "failed"), _verdicts(said, "skipped"), said["remains"]) == ([], [], [])
    assert (code, said["ok"]) == (0, True), _verdicts(said, "warning")
    assert (_people(guarded_aws, guarded_stack), _items(guarded_aws, guarded_stack)) == (set(), [])


@NO_DEAD_LETTERS
def test_in_production_no_users_are_created(verify: Verify, guarded_stack: Outputs, guarded_aws: Clients) -> None:
    """Without tokens the registration is skipped, and verify says how to supply them; the rest is checked."""
    code, said = verify("prod")
    [(name, detail)] = _verdicts(said, "skipped")
    assert (code, name) == (0, "one registration from end to end")
    assert "nobody was registered" in detail
    assert "--tokens FILE" in next(check["todo"] for check in said["checks"] if check["name"] == name)
    assert not [check for check in said["checks"] if "first" in check["name"]]
    assert _people(guarded_aws, guarded_stack) == set()


def test_status(stack: Outputs) -> None:
    """`turnstile status --json` prints one object, with an API address that needs no quoting in a shell."""
    status = printed("status")
    assert status == stack.as_json()
    assert not set(status["apiUrl"]) & set("$*?[]{}()<>|&;!'\"\\` ")
