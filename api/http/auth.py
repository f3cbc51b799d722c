"""Authentication: who sends a request, by the claims of their token.

API Gateway's JWT authorizer has verified a token's signature, issuer and times before a function is called. This module
checks what the authorizer does not: that it is an access token and that it expires. It checks the audience once more.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.http.caller import OPERATORS, ORGANIZERS, UNCHECKED, Caller
from api.http.dispatch import Authenticate
from api.http.types import Request
from api.settings import AccessSettings
from workers.aws.clock import Clock

_TOKEN = re.compile(r"(?:Bearer )?[\w-]+\.([\w-]+)\.[\w-]+", re.ASCII | re.IGNORECASE)
"""An `Authorization` header with one token. API Gateway joins two headers with a comma, which does not match."""


@dataclass(frozen=True, slots=True)
class AccessTokens:
    """Authentication by access tokens of one audience; the claim `groups` lists the groups of their bearer."""

    audience: str
    groups: str
    clock: Clock

    def authenticate(self, request: Request) -> Caller | None:
        """Return the bearer of a request's token; None without a valid access token for this API."""
        claims = request.claims
        subject = claims.get("sub")
        # Cognito states the use of each token; other issuers only state its audience.
        if not subject or claims.get("token_use", "access") != "access":
            return None
        # From the token itself: how API Gateway passes on a number is not documented.
        if not self._is_ahead(_payload(request).get("exp")):
            return None
        # Access tokens of Cognito name the client that they were issued to, those of other issuers their audience.
        if self.audience not in _words(claims.get("aud") or claims.get("client_id")):
            return None
        groups = _names(request, self.groups)
        return Caller(str(subject), ORGANIZERS in groups, OPERATORS in groups)

    def _is_ahead(self, seconds: Any) -> bool:
        """Return whether a time, in seconds since 1970, lies ahead."""
        try:
            return isinstance(seconds, int | float) and self.clock.now() < float(seconds) * 1_000_000 < math.inf
        except OverflowError:
            return False


def allow_anyone(_request: Request) -> Caller:
    """Let everyone do everything: for a stack on your own machine."""
    return UNCHECKED


def authenticator(settings: AccessSettings, clock: Clock) -> Authenticate:
    """Return the authentication that the settings ask for."""
    if settings.auth == "none":
        return allow_anyone
    return AccessTokens(settings.auth_audience, settings.auth_groups_claim, clock).authenticate


def _names(request: Request, claim: str) -> frozenset[str]:
    """Return the names in a claim, which is a list or one name.

    API Gateway passes `["door operators"]` and `["door", "operators"]` on as the same text, but only the second is an
    operator's. So the names come from the token, and count only if they are in the verified text as well.
    """
    passed = request.claims.get(claim)
    if not passed:
        return frozenset()
    said = _payload(request).get(claim)
    named = said if isinstance(said, list) else [said]
    return frozenset(name for name in named if isinstance(name, str) and name in str(passed))


def _payload(request: Request) -> Mapping[str, Any]:
    """Return the payload of the request's token; empty if it cannot be decoded."""
    token = _TOKEN.fullmatch(request.headers.get("authorization", ""))
    try:
        payload = json.loads(base64.urlsafe_b64decode(token[1] + "==")) if token else None
    except (ValueError, RecursionError):
        payload = None
    return payload if isinstance(payload, dict) else {}


def _words(claim: Any) -> frozenset[str]:
    """Return the words in a claim. API Gateway passes a list on as the text `[one two]`."""
    if isinstance(claim, list):
        return frozenset(map(str, claim))
    return frozenset(str(claim or "").strip("[]").replace(",", " ").split())
