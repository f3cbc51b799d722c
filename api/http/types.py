"""HTTP requests and responses, from and to the events of API Gateway's HTTP API (format 2.0)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from api.http.caller import ANONYMOUS, Caller


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `path` is decoded, `ids` are the parts of it that its route names, header names are in lower case.

    Several headers or query parameters of one name are joined by commas, as API Gateway delivers them. `body` is base64
    if `encoded`. `source_ip` is the address that the connection came from. `claims` are those of the token that API
    Gateway has verified, empty without one; `caller` is the sender, once they are authenticated.
    """

    id: str | None
    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: str
    encoded: bool
    source_ip: str = ""
    ids: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, Any] = field(default_factory=dict)
    caller: Caller = ANONYMOUS

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> Request:
        """Read the request from an event of API Gateway."""
        context = event.get("requestContext", {})
        return cls(
            id=context.get("requestId"),
            method=context["http"]["method"],
            path=event["rawPath"].replace("%25", "%"),  # API Gateway decodes everything else
            headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
            query=event.get("queryStringParameters") or {},
            body=event.get("body") or "",
            encoded=bool(event.get("isBase64Encoded")),
            claims=((context.get("authorizer") or {}).get("jwt") or {}).get("claims") or {},
            source_ip=context["http"].get("sourceIp", ""),
        )


@dataclass(frozen=True, slots=True)
class Response:
    """A response; `body` is text, empty if there is none. `problem` has the members of a problem document instead."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None
    problem: Mapping[str, Any] | None = None

    def for_request(self, request_id: str | None, base_url: str) -> Response:
        """Return the response to one request: with the request's id, and the absolute `type` of a problem."""
        known = {} if request_id is None else {"X-Request-Id": request_id}
        response = replace(self, headers={**self.headers, **known})
        if self.problem is None:
            return response
        members = {"type": url(base_url, "problems", self.problem["code"]), **self.problem, "requestId": request_id}
        return replace(response, body=json.dumps(members), content_type="application/problem+json")

    def as_event(self) -> dict[str, Any]:
        """Return the response in API Gateway's format."""
        typed = {} if self.content_type is None else {"Content-Type": self.content_type}
        return {
            "statusCode": self.status,
            "headers": typed | dict(self.headers),
            "body": self.body,
            "isBase64Encoded": False,
        }


def json_response(status: int, body: object, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response. `body` has no text that is not Unicode: it is from the tables."""
    # Escaped, a page of a hundred events could be longer than Lambda's limit of 6 MB.
    return Response(status, json.dumps(body, ensure_ascii=False), headers or {}, "application/json")


def url(base: str, *parts: str) -> str:
    """Return an absolute URL under the API's base."""
    return "/".join([base, *(quote(part, safe="") for part in parts)])
