"""Who vouches for the callers of a stage's API, as the CDK's context says it. Free of the CDK, which loads slowly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import urlsplit

from infra.settings import mail

AuthKind = Literal["cognito", "oidc", "none"]

CONTEXT = ("auth", "issuer", "audience", "groupsClaim", *mail.CONTEXT)
"""The names under which the CDK's context has these settings."""


@dataclass(frozen=True, slots=True)
class Auth:
    """Who vouches for callers: the stack's own user pool (`cognito`), an existing issuer (`oidc`), or nobody (`none`).

    `issuer` (its https URL, exactly as its tokens have it in `iss`) and `audience` belong to `oidc`, and so does
    `groups_claim`, the name of the claim that lists a caller's groups, where it is not Cognito's. `mail` is who the own
    pool sends mail as; None: Cognito sends it, 50 a day for the whole account. ValueError, with a sentence for the
    person deploying, for what does not fit together.
    """

    kind: AuthKind = "cognito"
    issuer: str | None = None
    audience: str | None = None
    groups_claim: str = "cognito:groups"
    mail: mail.Mail | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(AuthKind):
            raise ValueError(f"Unknown auth {self.kind!r}: use -c auth=" + "|".join(get_args(AuthKind)))
        if self.mail is not None and self.kind != "cognito":
            raise ValueError(f"mailFrom and sesIdentity are for the stack's own user pool: auth={self.kind} has none")
        if self.kind != "oidc":
            if self.issuer or self.audience or self.groups_claim != "cognito:groups":
                raise ValueError("issuer, audience and groupsClaim are those of an existing issuer: use -c auth=oidc")
            return
        if not self.issuer or not self.audience:
            missing = "audience" if self.issuer else "issuer"
            raise ValueError(f"auth=oidc needs {missing}: use -c issuer=https://... -c audience=...")
        if not _is_issuer(self.issuer):
            raise ValueError(f"The issuer {self.issuer!r} is no https URL without query and fragment")
        if not self.groups_claim:
            raise ValueError("groupsClaim is empty: name the claim that lists a caller's groups")

    @classmethod
    def parse(cls, context: Mapping[str, str | None], *, default: AuthKind) -> Auth:
        """Make it of the CDK's context values, by the names in `CONTEXT`; `default` is the kind where none is said.

        Raises ValueError as the class does.
        """
        given = {name: value for name, value in context.items() if value is not None}
        return cls(
            kind=given.get("auth", default),  # type: ignore[arg-type]  # checked where it is made
            issuer=given.get("issuer"),
            audience=given.get("audience"),
            groups_claim=given.get("groupsClaim", "cognito:groups"),
            mail=mail.Mail.parse(given),
        )


def _is_issuer(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname) and not (parts.query or parts.fragment)
