"""The settings of how the API authenticates its callers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from infra.settings import mail

AuthKind = Literal["cognito", "oidc", "none"]


@dataclass(frozen=True, slots=True)
class Auth:
    """The issuer of the callers' tokens: the stack's own user pool (`cognito`), an existing one (`oidc`) or `none`.

    `issuer` (its https URL, exactly as in the claim `iss` of its tokens), `audience` and `groups_claim` (the claim that
    lists a caller's groups) belong to `oidc`. `mail` is the sender of the own pool's mail; with None Cognito sends it,
    at most 50 messages a day for the whole account. Raises ValueError, with a sentence for the person deploying, if the
    values contradict each other.
    """

    kind: AuthKind = "cognito"
    issuer: str | None = None
    audience: str | None = None
    groups_claim: str = "cognito:groups"
    mail: mail.Mail | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(AuthKind):
            raise ValueError(f"auth={self.kind}: use -c auth=" + "|".join(get_args(AuthKind)))
        if self.mail is not None and self.kind != "cognito":
            raise ValueError(f"mailFrom and sesIdentity belong to the stack's own user pool: auth={self.kind} has none")
        if self.kind != "oidc":
            if self.issuer or self.audience or self.groups_claim != "cognito:groups":
                raise ValueError("issuer, audience and groupsClaim belong to an existing issuer: use -c auth=oidc")
            return
        if not self.issuer or not self.audience:
            missing = "audience" if self.issuer else "issuer"
            raise ValueError(f"auth=oidc needs {missing}: use -c issuer=https://... -c audience=...")
        if not _is_issuer(self.issuer):
            raise ValueError(f"issuer={self.issuer}: use an https URL without query and fragment")
        if not self.groups_claim:
            raise ValueError("groupsClaim= is empty: name the claim that lists a caller's groups")

    @classmethod
    def parse(cls, setting: Callable[[str], Any], *, default: AuthKind) -> Auth:
        """Read the settings from the CDK's context, which `setting` looks up; `default` is the kind if none is given.

        Raises ValueError as the class does.
        """
        kind, claim = setting("auth"), setting("groupsClaim")
        return cls(
            kind=default if kind is None else kind,
            issuer=setting("issuer"),
            audience=setting("audience"),
            groups_claim="cognito:groups" if claim is None else claim,
            mail=mail.Mail.parse(setting),
        )


def _is_issuer(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname) and not (parts.query or parts.fragment)
