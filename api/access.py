"""Tells who sends a request, by the claims of their token.

API Gateway's JWT authorizer has verified a token's signature, issuer and times before a function is called. What it
does not look at is looked at here: that the token is an access token; and once more that it is for this API.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from api.caller import OPERATORS, ORGANIZERS, UNCHECKED, Caller
from api.dispatch import Identify
from api.messages import Request
from workers.aws.clients import setting


@dataclass(frozen=True, slots=True)
class Tokens:
    """`audience` is whom a token must be for, `groups` the claim that lists the groups of its bearer."""

    audience: str
    groups: str

    def bearer(self, request: Request) -> Caller | None:
        """Whose token it is; None without one, or if it is no access token for this API."""
        claims = request.claims
        subject = claims.get("sub")
        # Cognito says of each token what it is for; other issuers by the audience alone.
        if not subject or claims.get("token_use", "access") != "access":
            return None
        # Cognito's access tokens name the client that they were given to, those of other issuers whom they are for.
        if self.audience not in {claims.get("client_id"), *_words(claims.get("aud"))}:
            return None
        groups = _words(claims.get(self.groups))
        return Caller(str(subject), ORGANIZERS in groups, OPERATORS in groups)


def anybody(_request: Request) -> Caller:
    """Nobody is asked who they are: for a stack on one's own machine."""
    return UNCHECKED


def identify_by(env: Mapping[str, str]) -> Identify:
    """As a function's settings say. MissingSetting names one that is not there; ValueError if one says nothing."""
    match setting(env, "AUTH"):
        case "none":
            return anybody
        case "jwt":
            return Tokens(setting(env, "AUTH_AUDIENCE"), setting(env, "AUTH_GROUPS_CLAIM")).bearer
        case other:
            raise ValueError(f"AUTH must be none or jwt, not {other!r}")


@cache
def configured() -> Identify:
    """As this function is set up."""
    return identify_by(os.environ)


def _words(claim: Any) -> frozenset[str]:
    """What a claim lists. API Gateway passes a list on as a text, `[one two]`."""
    if isinstance(claim, list):
        return frozenset(map(str, claim))
    return frozenset(str(claim or "").strip("[]").replace(",", " ").split())
