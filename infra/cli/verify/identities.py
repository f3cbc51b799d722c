"""The identities that `turnstile verify` uses.

Tokens are read from a file or from standard input, never from the command line: arguments end up in the shell's
history, and every process on the machine can read them.
"""

from __future__ import annotations

import json
import re
import secrets
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from api.http.caller import ORGANIZERS
from infra.cli.deployment import LOCAL
from infra.cli.errors import UsageError
from infra.cli.user_pool import UserPoolClient, claims_of
from infra.identity import STAGES_WITH_TEST_USERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.cli.deployment import Deployment

Role = Literal["organizer", "first", "second"]
ROLES: tuple[Role, ...] = ("organizer", "first", "second")
"""The organizer of the event, the user who gets its seat, and the user on its waiting list."""

WANTED = '{"organizer": TOKEN, "first": TOKEN, "second": TOKEN}'
"""The content of the file that `--tokens` names."""

_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
"""The compact serialization of a signed JWT (RFC 7515, section 7.1): nothing else may get into a header."""


class Identities(Protocol):
    """The identities of one run, by role."""

    def token(self, role: Role) -> str | None:
        """Return the access token of a role, None for a deployment without authorization."""

    def delete_accounts(self) -> list[str]:
        """Delete the accounts that were created for this run. Return a line for each that remains."""


class NoTokens:
    """The callers of a deployment without authorization, who need no token."""

    def token(self, role: Role) -> None:
        """Return None: no token is needed."""

    def delete_accounts(self) -> list[str]:
        """Delete nothing: there are no accounts."""
        return []


@dataclass(frozen=True, slots=True)
class GivenTokens:
    """Callers whose tokens were passed with `--tokens`; their accounts are left alone."""

    tokens: Mapping[Role, str] = field(repr=False)

    def token(self, role: Role) -> str:
        """Return the token that was passed for this role."""
        return self.tokens[role]

    def delete_accounts(self) -> list[str]:
        """Delete nothing: no account was created."""
        return []


class TestUsers:
    """Test users in the stack's own user pool, created when they are first needed and deleted at the end.

    Their passwords derive from a random secret of this run, so nobody can sign in to an account that remains.
    """

    def __init__(self, deployment: Deployment, prefix: str) -> None:
        self._pool = UserPoolClient(deployment.clients, deployment.outputs, secrets.token_hex(32))
        self._prefix = prefix
        self._names: list[str] = []
        self._tokens: dict[Role, str] = {}

    def token(self, role: Role) -> str:
        """Return the token of this user, who is created and signed in on the first call."""
        if role not in self._tokens:
            name = f"{self._prefix}-{role}"
            self._names.append(name)  # first: if the next line is interrupted, the account may exist
            self._tokens[role] = self._pool.sign_in(name, (ORGANIZERS,) if role == "organizer" else ()).access
        return self._tokens[role]

    def delete_accounts(self) -> list[str]:
        """Delete all test users from the pool."""
        remains = []
        for name in self._names:
            try:
                self._pool.remove(name)
            except (ClientError, BotoCoreError) as error:
                remains.append(f"{name} in the user pool ({error})")
        return remains


def identities_for(deployment: Deployment, given: GivenTokens | None, prefix: str) -> Identities | None:
    """Return the callers for a deployment: those of the tokens, or test users where the stage allows them, or None."""
    if given is not None:
        return given
    if deployment.outputs.user_pool_id is None:
        return NoTokens() if deployment.stage == LOCAL else None
    return TestUsers(deployment, prefix) if deployment.stage in STAGES_WITH_TEST_USERS else None


def read_tokens(source: str, now: float) -> GivenTokens:
    """Read the tokens from the file `source`, or from standard input for `-`; `now` is in seconds since 1970.

    Raises UsageError, which says what is wrong without repeating a token.
    """
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text()
        said = json.loads(text)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not JSON"
        raise UsageError(f"--tokens {source} cannot be read: {why}; expected {WANTED}") from None
    if not isinstance(said, dict):
        raise UsageError(f"--tokens {source} is not a JSON object; expected {WANTED}")
    if said.keys() != set(ROLES):
        raise UsageError(f"--tokens {source} has other keys than organizer, first and second; expected {WANTED}")
    tokens = {role: _token(role, said[role]) for role in ROLES}
    claims = {role: _claims(role, token, now) for role, token in tokens.items()}
    if claims["first"]["sub"] == claims["second"]["sub"]:
        raise UsageError(
            f"the tokens of first and second in --tokens {source} have the same owner; pass those of two people"
        )
    return GivenTokens(tokens)


def subject_of(token: str) -> str:
    """Return the subject (the claim `sub`) of a token."""
    subject: str = claims_of(token)["sub"]
    return subject


def _token(role: Role, value: object) -> str:
    """Return a token without the white space around it, such as the line end of the command that printed it."""
    token = value.strip() if isinstance(value, str) else ""
    if not _JWT.fullmatch(token):
        raise UsageError(
            f"the token of {role} is not an access token: use a JWT, header.payload.signature in base64url"
        )
    return token


def _claims(role: Role, token: str, now: float) -> Mapping[str, Any]:
    """Return the claims of a token. Raises UsageError if the API would not accept it."""
    try:
        claims = claims_of(token)
        subject, ends = claims["sub"], float(claims["exp"])
    except (ValueError, LookupError, TypeError):
        raise UsageError(f"the token of {role} is not an access token: it needs the claims sub and exp") from None
    if not isinstance(subject, str):
        raise UsageError(f"the token of {role} is not an access token: its claim sub is not a string")
    if ends <= now:
        at = datetime.fromtimestamp(ends, UTC).isoformat(timespec="seconds")
        raise UsageError(f"the token of {role} expired at {at}; get a new one")
    return claims
