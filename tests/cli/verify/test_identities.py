"""The identities that `turnstile verify` uses: where test users are created, and which tokens are accepted."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from infra.cli.errors import UsageError
from infra.cli.verify import identities  # not TestUsers itself, which pytest would collect
from infra.cli.verify.identities import ROLES, GivenTokens, NoTokens, identities_for, read_tokens
from tests.cli.verify.verified_deployment import as_json, given, token
from tests.support.deployment import GUARDED, OUTPUTS, deployment_of
from tests.support.http_events import END_OF_TOKENS

NOW = END_OF_TOKENS - 3600.0


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
    deployment = deployment_of(cognito=object())
    deployment.stage, deployment.outputs = stage, GUARDED if pool else OUTPUTS
    found = identities_for(deployment, None, "verify-1")
    assert (found is None) if kind is None else isinstance(found, kind)
    tokens = given()
    assert identities_for(deployment, tokens, "verify-1") is tokens


class FakePool:
    """A user pool that signs its users in, and may be interrupted while it creates one."""

    def __init__(self, *, interrupted: bool = False) -> None:
        self.users: dict[str, str] = {}
        self.passwords: list[str] = []
        self.refuses: set[str] = set()
        self._interrupted = interrupted
        names = ("UserNotFoundException", "UsernameExistsException")
        self.exceptions = SimpleNamespace(**{name: type(name, (Exception,), {}) for name in names})

    def admin_create_user(self, Username: str, **_: object) -> None:  # noqa: N803 - the SDK's name
        """Create a user."""
        self.users[Username] = ""
        if self._interrupted:
            raise KeyboardInterrupt

    def admin_set_user_password(self, Username: str, Password: str, **_: object) -> None:  # noqa: N803
        """Set the password."""
        self.users[Username] = Password
        self.passwords.append(Password)

    def admin_list_groups_for_user(self, **_: object) -> dict[str, list[object]]:
        """Return no groups."""
        return {"Groups": []}

    def admin_add_user_to_group(self, **_: object) -> None:
        """Accept any group."""

    def admin_initiate_auth(self, AuthParameters: dict[str, str], **_: object) -> dict[str, object]:  # noqa: N803
        """Return tokens for the right password."""
        name = AuthParameters["USERNAME"]
        assert AuthParameters["PASSWORD"] == self.users[name]
        result = {"AccessToken": token(name), "IdToken": "", "RefreshToken": "", "ExpiresIn": 3600}
        return {"AuthenticationResult": result}

    def admin_delete_user(self, Username: str, **_: object) -> None:  # noqa: N803
        """Delete a user, unless this is refused."""
        if Username in self.refuses:
            raise ClientError({"Error": {"Code": "TooManyRequestsException", "Message": "slow"}}, "AdminDeleteUser")
        del self.users[Username]

    def test_users(self) -> identities.TestUsers:
        """Return test users in this pool."""
        deployment = deployment_of(cognito=self)
        deployment.stage, deployment.outputs = "dev", GUARDED
        return identities.TestUsers(deployment, "verify-1")


def test_test_users_are_created_once_and_deleted() -> None:
    """Each test user is created and signed in once, and deleted at the end; a user that stays is named."""
    pool = FakePool()
    made = pool.test_users()
    assert {made.token(role) for role in (*ROLES, *ROLES)} == {token(f"verify-1-{role}") for role in ROLES}
    assert len(pool.passwords) == len(set(pool.passwords)) == 3
    pool.refuses.add("verify-1-first")
    [remains] = made.delete_accounts()
    assert remains.startswith("verify-1-first in the user pool (")
    assert list(pool.users) == ["verify-1-first"]


def test_passwords_are_secret() -> None:
    """The same name in the same pool gets another password in each run, so that none can be derived."""
    pools = [FakePool(), FakePool()]
    for pool in pools:
        pool.test_users().token("first")
    assert len({password for pool in pools for password in pool.passwords}) == 2


def test_an_interruption_leaves_nobody() -> None:
    """A user who was being created at Ctrl-C is deleted as well."""
    pool = FakePool(interrupted=True)
    made = pool.test_users()
    with pytest.raises(KeyboardInterrupt):
        made.token("first")
    assert pool.users
    assert (made.delete_accounts(), pool.users) == ([], {})


def test_tokens_come_from_a_file_or_from_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are read, and the object's representation contains no token."""
    path = tmp_path / "tokens.json"
    path.write_text(as_json())
    monkeypatch.setattr("sys.stdin", io.StringIO(as_json()))
    for source in (str(path), "-"):
        found = read_tokens(source, NOW)
        assert {role: found.token(role) for role in ROLES} == json.loads(as_json())
        assert isinstance(found, GivenTokens)
        assert repr(found) == "GivenTokens()"


@pytest.mark.parametrize("end", ["\n", "\r\n", " "])
def test_white_space_around_a_token_is_dropped(end: str, tmp_path: Path) -> None:
    """A token that a shell read with its line end works; the line end gets into no header."""
    path = tmp_path / "tokens.json"
    path.write_text(as_json(first=f"\t{token('first')}{end}"))
    assert read_tokens(str(path), NOW).token("first") == token("first")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        *(
            (as_json(second=f"{token('second')}{inside}s3cret"), "the token of second is not an access token")
            for inside in ("\n", " ", "\u0663", "=", ".more")  # only base64url fits between the two dots
        ),
        ("{", "is not JSON"),
        (as_json(third="x"), "has other keys"),
        ("[]", "is not a JSON object"),
        (as_json(first="let.me.in"), "token of first is not an access token"),
        (as_json(second=None), "token of second is not an access token"),
        (as_json(), "token of organizer expired at 2100-01-01T00:00:00+00:00"),
        (as_json(second=token("first")), "have the same owner"),
        (None, "No such file"),
    ],
)
def test_bad_tokens_are_wrong_usage(text: str | None, complaint: str, tmp_path: Path) -> None:
    """Unusable tokens are refused before anything is created, with the reason, and without repeating a token."""
    path = tmp_path / "tokens.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError) as refused:
        read_tokens(str(path), NOW + 7200 if "expired" in complaint else NOW)
    assert complaint in str(refused.value)
    assert refused.value.__cause__ is None
    for secret in ("s3cret", "e30.", "let.me.in"):
        assert secret not in str(refused.value)
