"""`turnstile token` where there is nothing to sign in to; how it signs people in is seen on the stack (tests/e2e)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, NoReturn

import pytest
from botocore.exceptions import ClientError

from infra.cli.deployment import Deployment, Outputs
from infra.cli.main import main
from tests.support.deployment import GUARDED, OUTPUTS, deployment_of

if TYPE_CHECKING:
    from collections.abc import Callable


class RefusingPool:
    """A pool that takes nobody."""

    exceptions = SimpleNamespace(UsernameExistsException=KeyError)

    def admin_create_user(self, **_: object) -> NoReturn:
        """Refuses."""
        raise ClientError({"Error": {"Code": "InternalErrorException", "Message": "not today"}}, "AdminCreateUser")


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch) -> Callable[[Outputs], None]:
    """Makes a deployment with these outputs the local one."""

    def resolve(outputs: Outputs) -> None:
        deployment = deployment_of(cognito=RefusingPool())
        deployment.outputs = outputs
        monkeypatch.setattr(Deployment, "resolve", lambda: deployment)

    return resolve


def test_without_authorization_it_says_how_to_switch_it_on(
    resolved: Callable[[Outputs], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """A stack without authorization has no tokens: exit code 1, nothing on stdout, and how to bring one up with it."""
    resolved(OUTPUTS)
    assert main(["token", "ada"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("turnstile: the local stack has no user pool")
    assert "turnstile up --auth jwt\n" in said.err


def test_a_pool_that_refuses_is_one_sentence(
    resolved: Callable[[Outputs], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """What the pool refuses is one sentence with its reason, and nothing on stdout."""
    resolved(GUARDED)
    assert main(["token", "ada"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("turnstile: cannot sign ada in: ")
    assert said.err.endswith("not today\n")


@pytest.mark.parametrize("name", ["", "-ada", "ada@example.com", "ada lovelace", "ada\n", "ädä", "a" * 51])
def test_what_is_no_name_is_wrong_usage(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that the pool could not take, or a shell would not pass on, is wrong usage."""
    with pytest.raises(SystemExit) as ended:
        main(["token", "--", name])
    assert ended.value.code == 2
    assert f"{name!r} is not a valid name" in capsys.readouterr().err
