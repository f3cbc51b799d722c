"""The callers of `turnstile verify`: as whom it creates an event, and registers for it.

Tokens are read from a file or from standard input, never from the command line: arguments are in the shell's history,
and every process of the machine can read them.
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

from api.caller import ORGANIZERS
from infra.auth import STAGES_WITH_TEST_USERS
from infra.cli.deployment import LOCAL
from infra.cli.errors import UsageError
from infra.cli.local.tokens import Pool, claims_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.cli.deployment import Deployment

Role = Literal["organizer", "first", "second"]
ROLES: tuple[Role, ...] = ("organizer", "first", "second")
"""Who creates the event, who gets its seat, and who waits for it."""

WANTED = '{"organizer": TOKEN, "first": TOKEN, "second": TOKEN}'
"""What is read from the file that `--tokens` names."""

_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
"""The compact serialization of a signed JWT (RFC 7515, section 7.1): nothing else may get into a header."""


class Callers(Protocol):
    """The people of one journey."""

    def token(self, role: Role) -> str | None:
        """The access token of this caller; None where callers need none."""

    def leave(self) -> list[str]:
        """Remove the accounts that were made for the journey. Returns, in words, which stay."""


class Anybody:
    """Where nobody is asked who they are, nobody needs a token."""

    def token(self, role: Role) -> None:
        """None."""

    def leave(self) -> list[str]:
        """Nobody has an account."""
        return []


@dataclass(frozen=True, slots=True)
class Given:
    """People whose tokens were handed over. Their accounts are none of ours."""

    tokens: Mapping[Role, str] = field(repr=False)

    def token(self, role: Role) -> str:
        """The token that was given."""
        return self.tokens[role]

    def leave(self) -> list[str]:
        """Nothing was made."""
        return []


class Made:
    """People with accounts in the stack's own user pool, made when they are first needed and removed at the end.

    The secret of their passwords is this object's: an account that stays behind opens to nobody.
    """

    def __init__(self, deployment: Deployment, prefix: str) -> None:
        self._pool = Pool(deployment.clients, deployment.outputs, secrets.token_hex(32))
        self._prefix = prefix
        self._names: list[str] = []
        self._tokens: dict[Role, str] = {}

    def token(self, role: Role) -> str:
        """The token of this person, who is signed in when first asked for."""
        if role not in self._tokens:
            name = f"{self._prefix}-{role}"
            self._names.append(name)  # before: whatever interrupts the next line, the account may be there
            self._tokens[role] = self._pool.sign_in(name, (ORGANIZERS,) if role == "organizer" else ()).access
        return self._tokens[role]

    def leave(self) -> list[str]:
        """Remove everybody from the pool."""
        remains = []
        for name in self._names:
            try:
                self._pool.remove(name)
            except (ClientError, BotoCoreError) as error:
                remains.append(f"{name} in the user pool ({error})")
        return remains


def callers_of(deployment: Deployment, given: Given | None, prefix: str) -> Callers | None:
    """Whoever can be a caller on this deployment: people whose tokens are given, or people made for it where that is
    allowed. None if there is nobody."""
    if given is not None:
        return given
    if deployment.outputs.user_pool_id is None:
        return Anybody() if deployment.stage == LOCAL else None
    return Made(deployment, prefix) if deployment.stage in STAGES_WITH_TEST_USERS else None


def read_tokens(source: str, now: float) -> Given:
    """Read WANTED from the file `source`, or from standard input for `-`; `now` is in seconds since 1970.

    Raises UsageError, which names what is wrong and repeats no token.
    """
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text()
        said = json.loads(text)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not JSON"
        raise UsageError(f"--tokens {source} cannot be read: {why}; it has to be {WANTED}") from None
    if not isinstance(said, dict) or said.keys() != set(ROLES):
        raise UsageError(f"--tokens {source} is not what it has to be: {WANTED}")
    tokens = {role: _token(role, said[role]) for role in ROLES}
    claims = {role: _claims(role, token, now) for role, token in tokens.items()}
    if claims["first"]["sub"] == claims["second"]["sub"]:
        raise UsageError(f"the tokens of first and second in --tokens {source} are of one person; there have to be two")
    return Given(tokens)


def subject_of(token: str) -> str:
    """Whose token it is."""
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
        raise UsageError(f"the token of {role} expired at {at}; get another one")
    return claims
