"""Sign users in to a stack's own user pool, and create them if missing.

Each password derives from a secret and the user's name, so that no password is stored. `turnstile token` uses no
secret, and two calls at once sign in the same user. That is enough on the local stack, which listens on this machine
only and whose keys are public. On AWS there must be a secret.
"""

from __future__ import annotations

import base64
import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.cli.errors import CliError
from infra.cli.hints import suggest
from infra.identity import GROUPS

if TYPE_CHECKING:
    from collections.abc import Collection

    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient
    from mypy_boto3_cognito_idp.type_defs import AuthenticationResultTypeTypeDef, GroupTypeTypeDef

    from infra.cli.deployment import Clients, Outputs

_WITHOUT_POOL = """\
the local stack has no user pool and needs no tokens. To require them, start it with authorization:
    {down}
    {up}"""


@dataclass(frozen=True, slots=True)
class TokenSet:
    """The tokens of a sign-in: the access token for the API, and two others, which the API refuses.

    `subject` identifies the user permanently; `groups` are those in the tokens; `expires_in` is in seconds.
    """

    access: str
    identity: str
    refresh: str
    subject: str
    groups: list[str]
    expires_in: int


class UserPoolClient:
    """The user pool of a stack. All passwords derive from `secret`. Raises CliError if the stack has no pool."""

    def __init__(self, clients: Clients, outputs: Outputs, secret: str = "") -> None:
        if outputs.user_pool_id is None or outputs.user_pool_client_id is None:
            raise CliError(_WITHOUT_POOL.format(down=suggest("down"), up=suggest("up --auth jwt")))
        self._cognito: CognitoIdentityProviderClient = clients.cognito
        self._id = outputs.user_pool_id
        self._client_id = outputs.user_pool_client_id
        self._secret = secret

    def sign_in(self, name: str, groups: Collection[str] = ()) -> TokenSet:
        """Sign in the user `name`, created if missing, as a member of exactly `groups`, and return the tokens."""
        self._create(name)
        joined = {group["GroupName"] for group in self._groups(name)}
        for group in GROUPS.keys() - joined & set(groups):
            self._join(name, group)
        for group in GROUPS.keys() & joined - set(groups):
            self._leave(name, group)
        answer = self._cognito.admin_initiate_auth(
            UserPoolId=self._id,
            ClientId=self._client_id,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": name, "PASSWORD": self._password(name)},
        )
        if "AuthenticationResult" not in answer:
            raise CliError(f"cannot sign {name} in: the pool asks for {answer.get('ChallengeName')}")
        return _tokens(answer["AuthenticationResult"])

    def remove(self, name: str) -> None:
        """Delete a user from the pool, if they exist."""
        with suppress(self._cognito.exceptions.UserNotFoundException):
            self._cognito.admin_delete_user(UserPoolId=self._id, Username=name)

    def _create(self, name: str) -> None:
        attributes = {"email": f"{name}@example.com", "email_verified": "true"}
        with suppress(self._cognito.exceptions.UsernameExistsException):
            self._cognito.admin_create_user(
                UserPoolId=self._id,
                Username=name,
                UserAttributes=[{"Name": key, "Value": value} for key, value in attributes.items()],
                MessageAction="SUPPRESS",
            )
        self._cognito.admin_set_user_password(
            UserPoolId=self._id, Username=name, Password=self._password(name), Permanent=True
        )

    def _groups(self, name: str) -> list[GroupTypeTypeDef]:
        return self._cognito.admin_list_groups_for_user(UserPoolId=self._id, Username=name)["Groups"]

    def _join(self, name: str, group: str) -> None:
        self._cognito.admin_add_user_to_group(UserPoolId=self._id, Username=name, GroupName=group)

    def _leave(self, name: str, group: str) -> None:
        self._cognito.admin_remove_user_from_group(UserPoolId=self._id, Username=name, GroupName=group)

    def _password(self, name: str) -> str:
        digest = hashlib.sha256(f"{self._secret}\0{self._id}\0{name}".encode()).hexdigest()
        return f"Aa1!{digest}"  # the first four characters satisfy the pool's policy


def _tokens(result: AuthenticationResultTypeTypeDef) -> TokenSet:
    access = result["AccessToken"]
    claims = claims_of(access)
    return TokenSet(
        access=access,
        identity=result["IdToken"],
        refresh=result["RefreshToken"],
        subject=claims["sub"],
        groups=claims.get("cognito:groups", []),
        expires_in=result["ExpiresIn"],
    )


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims of a token without verifying it. Raises ValueError or LookupError if it is not a JWT."""
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims
