"""Events of API Gateway: an HTTP request, with the claims of a token."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

AUDIENCE = "client-1"
END_OF_TOKENS = 4_102_444_800
"""In 2100, later than any test; in seconds since 1970."""


def claims_of(subject: str, *groups: str) -> dict[str, Any]:
    """The claims of an access token of Cognito."""
    claims = {"sub": subject, "token_use": "access", "client_id": AUDIENCE, "username": subject, "exp": END_OF_TOKENS}
    return claims | ({"cognito:groups": list(groups)} if groups else {})


def bearer_of(claims: dict[str, Any]) -> str:
    """The header with a token that says this; nobody has signed it."""
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"Bearer e30.{payload}.c2ln"


def passed_on(claims: dict[str, Any]) -> dict[str, str]:
    """The claims as API Gateway passes them on: everything as text, a list without commas."""
    return {
        name: f"[{' '.join(map(str, claim))}]" if isinstance(claim, list) else str(claim)
        for name, claim in claims.items()
    }


def http_event(
    method: str, path: str, body: str | None, headers: dict[str, str], query: dict[str, str] | None = None
) -> dict[str, Any]:
    """An API Gateway event, payload format 2.0."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "&".join(f"{key}={quote(value)}" for key, value in (query or {}).items()),
        "headers": headers,
        "requestContext": {"http": {"method": method, "path": path}, "requestId": "request-1", "stage": "$default"},
        "isBase64Encoded": False,
    }
    if body is not None:
        event["body"] = body
    if query:
        event["queryStringParameters"] = query
    return event
