"""The identities that `turnstile verify` uses: where test users are created, and which tokens are accepted."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from infra.cli.deployment import Deployment
from infra.cli.errors import UsageError
from infra.cli.verify import identities  # not TestUsers itself, which pytest would collect
from infra.cli.verify.identities import ROLES, GivenTokens, NoTokens, identities_for, read_tokens
from tests.cli.verify.world import as_json, given, token
from tests.support.deployment import GUARDED, OUTPUTS, deployment_of
from tests.support.http_events import END_OF_TOKENS

NOW = END_OF_TOKENS - 3600.0


def _at(stage: str, *, pool: bool) -> Deployment:
    deployment = deployment_of(cognito=object())
    deployment.stage, deployment.outputs = stage, GUARDED if pool else OUTPUTS
    return deployment


@pytest.mark.parametrize(
    ("stage", "pool", "kind"),
    [
        ("local", False, NoTokens),
        ("local", True, identities.TestUsers),
        ("dev", True, identities.TestUsers),
        ("dev", False, None),
        ("prod", True, None),
        ("prod", False, None),
    ],
)
def test_where_test_users_are_created(stage: str, pool: bool, kind: type | None) -> None:
    """Test users are created only in the stack's own pool, locally and on dev; tokens are accepted everywhere."""
    deployment = _at(stage, pool=pool)
    found = identities_for(deployment, None, "verify-1")
    assert (found is None) if kind is None else isinstance(found, kind)
    tokens = given()
    assert identities_for(deployment, tokens, "verify-1") is tokens


class FakePool:
    """A user pool that signs in whoever is in it, and may be interrupted in the middle of making somebody."""

    def __init__(self, *, interrupted: bool = False) -> None:
        self.users: dict[str, str] = {}
        self.passwords: list[str] = []
        self.refuses: set[str] = set()
        self._interrupted = interrupted
        names = ("UserNotFoundException", "UsernameExistsException")
        self.exceptions = SimpleNamespace(**{name: type(name, (Exception,), {}) for name in names})

    def admin_create_user(self, Username: str, **_: object) -> None:  # noqa: N803 - the SDK's name
        """Somebody new."""
        self.users[Username] = ""
        if self._interrupted:
            raise KeyboardInterrupt

    def admin_set_user_password(self, Username: str, Password: str, **_: object) -> None:  # noqa: N803
        """The password."""
        self.users[Username] = Password
        self.passwords.append(Password)

    def admin_list_groups_for_user(self, **_: object) -> dict[str, list[object]]:
        """None yet."""
        return {"Groups": []}

    def admin_add_user_to_group(self, **_: object) -> None:
        """Taken note of nowhere."""

    def admin_initiate_auth(self, AuthParameters: dict[str, str], **_: object) -> dict[str, object]:  # noqa: N803
        """Tokens, for the right password."""
        name = AuthParameters["USERNAME"]
        assert AuthParameters["PASSWORD"] == self.users[name]
        result = {"AccessToken": token(name), "IdToken": "", "RefreshToken": "", "ExpiresIn": 3600}
        return {"AuthenticationResult": result}

    def admin_delete_user(self, Username: str, **_: object) -> None:  # noqa: N803
        """Gone, or not."""
        if Username in self.refuses:
            raise ClientError({"Error": {"Code": "TooManyRequestsException", "Message": "slow"}}, "AdminDeleteUser")
        del self.users[Username]


def _made(pool: FakePool) -> identities.TestUsers:
    deployment = deployment_of(cognito=pool)
    deployment.stage, deployment.outputs = "dev", GUARDED
    return identities.TestUsers(deployment, "verify-1")


def test_whoever_is_made_is_removed_and_whoever_stays_is_named() -> None:
    """Three people are in the pool, each signed in once; at the end none is, but for those who cannot be removed."""
    pool = FakePool()
    made = _made(pool)
    assert {made.token(role) for role in (*ROLES, *ROLES)} == {token(f"verify-1-{role}") for role in ROLES}
    assert len(pool.passwords) == len(set(pool.passwords)) == 3
    pool.refuses.add("verify-1-first")
    [remains] = made.delete_accounts()
    assert remains.startswith("verify-1-first in the user pool (")
    assert list(pool.users) == ["verify-1-first"]


def test_passwords_follow_from_nothing_that_is_known() -> None:
    """The same name in the same pool gets another password each time: knowing both opens no account on AWS."""
    passwords = set()
    for _ in range(2):
        pool = FakePool()
        _made(pool).token("first")
        passwords |= set(pool.passwords)
    assert len(passwords) == 2


def test_an_interruption_leaves_nobody() -> None:
    """Whoever was being made when Ctrl-C came is removed as well."""
    pool = FakePool(interrupted=True)
    made = _made(pool)
    with pytest.raises(KeyboardInterrupt):
        made.token("first")
    assert pool.users
    assert (made.delete_accounts(), pool.users) == ([], {})


def test_tokens_come_from_a_file_or_from_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are read, and no token is in what the object shows of itself."""
    path = tmp_path / "tokens.json"
    path.write_text(as_json())
    monkeypatch.setattr("sys.stdin", io.StringIO(as_json()))
    for source in (str(path), "-"):
        found = read_tokens(source, NOW)
        assert {role: found.token(role) for role in ROLES} == json.loads(as_json())
        assert dataclasses.is_dataclass(found)
        assert repr(found) == "GivenTokens()"
        assert isinstance(found, GivenTokens)


@pytest.mark.parametrize("end", ["\n", "\r\n", " "])
def test_white_space_around_a_token_is_dropped(end: str, tmp_path: Path) -> None:
    """A token that a shell read with its line end works; the line end gets into no header."""
    path = tmp_path / "tokens.json"
    path.write_text(as_json(first=f"\t{token('first')}{end}"))
    assert read_tokens(str(path), NOW).token("first") == token("first")


@pytest.mark.parametrize("inside", ["\n", " ", "\u0663", "=", ".more"])
def test_other_characters_in_a_token_are_refused(inside: str, tmp_path: Path) -> None:
    """Only base64url fits between the two dots: anything else is refused, and not repeated."""
    path = tmp_path / "tokens.json"
    path.write_text(as_json(second=f"{token('second')}{inside}s3cret"))
    with pytest.raises(UsageError) as refused:
        read_tokens(str(path), NOW)
    assert "the token of second is not an access token" in str(refused.value)
    assert "s3cret" not in str(refused.value)
    assert refused.value.__cause__ is None


BAD = {
    "is not JSON": "{",
    "has other keys": as_json(third="x"),
    "is not a JSON object": "[]",
    "token of first is not an access token": as_json(first="let.me.in"),
    "token of second is not an access token": as_json(second=None),
    "token of organizer expired at 2100-01-01T00:00:00+00:00": as_json(),
    "have the same owner": as_json(second=token("first")),
}


@pytest.mark.parametrize("complaint", BAD)
def test_bad_tokens_are_wrong_usage(complaint: str, tmp_path: Path) -> None:
    """What cannot be three tokens is refused before anything is made, with what is wrong and without a token in it."""
    path = tmp_path / "tokens.json"
    path.write_text(BAD[complaint])
    with pytest.raises(UsageError) as refused:
        read_tokens(str(path), NOW + 7200 if "expired" in complaint else NOW)
    assert complaint in str(refused.value)
    assert "e30." not in str(refused.value)
    assert "let.me.in" not in str(refused.value)


def test_a_file_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    """The file is named, with why it cannot be read."""
    with pytest.raises(UsageError, match="No such file"):
        read_tokens(str(tmp_path / "none"), NOW)
