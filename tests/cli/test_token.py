"""`turnstile token` without a pool and with one that refuses; signing in is tested on the stack (tests/e2e)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import NoReturn

import pytest
from botocore.exceptions import ClientError

from infra.cli.deployment import Deployment, Outputs
from tests.cli.command import Turnstile
from tests.support.deployment import GUARDED, OUTPUTS, deployment_of


class RefusingPool:
    """A pool that creates no users."""

    exceptions = SimpleNamespace(UsernameExistsException=KeyError)

    def admin_create_user(self, **_: object) -> NoReturn:
        """Refuse."""
        raise ClientError({"Error": {"Code": "InternalErrorException", "Message": "not today"}}, "AdminCreateUser")


@pytest.mark.parametrize(
    ("outputs", "begins", "ends"),
    [
        (OUTPUTS, "turnstile: the local stack has no user pool", "turnstile up --auth jwt\n"),
        (GUARDED, "turnstile: cannot sign ada in: ", "not today\n"),
    ],
)
def test_no_token_is_one_sentence(
    outputs: Outputs, begins: str, ends: str, turnstile: Turnstile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a pool the error says how to start the stack with one; a refusal is shown with its reason."""
    deployment = deployment_of(cognito=RefusingPool())
    deployment.outputs = outputs
    monkeypatch.setattr(Deployment, "resolve", lambda: deployment)
    code, out, err = turnstile("token", "ada")
    assert (code, out, err.startswith(begins), err.endswith(ends)) == (1, "", True, True)


@pytest.mark.parametrize("name", ["", "-ada", "ada@example.com", "ada lovelace", "ada\n", "ädä", "a" * 51])
def test_an_invalid_name_is_wrong_usage(name: str, turnstile: Turnstile) -> None:
    """A name that the pool would refuse, or a shell would change, is wrong usage."""
    code, _, err = turnstile("token", "--", name)
    assert (code, f"{name!r} is not a valid name" in err) == (2, True)
