"""Check how API Gateway answers unmatched and unauthenticated requests.

A gateway without permission to call the function behind its `$default` route answers 500 with a body of its own
(aws/serverless-application-model#1860); an emulator that checks no permissions hides that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.cli import http_client
from infra.cli.deployment import LOCAL
from infra.cli.verify.result import require

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from infra.cli.deployment import Deployment
    from infra.cli.verify.result import Check

UNMATCHED: Mapping[tuple[str, str], tuple[int, str | None]] = {
    ("GET", "/turnstile/verify"): (404, "route-not-found"),
    ("GET", "/events/"): (404, "route-not-found"),
    ("PUT", "/events"): (405, "method-not-allowed"),
    ("HEAD", "/events"): (405, None),
    ("OPTIONS", "/events"): (204, None),
}
"""Requests that match no route, each with its status and the `code` of its problem document, None if it has no body: an
unknown path, a trailing slash, methods that the path does not support, and OPTIONS, which lists the others."""

_PERMISSION = "check that API Gateway may invoke the users function for the route $default"


def refusals(deployment: Deployment) -> Iterator[Check]:
    """Return the checks: our function answers what matches no route, the gateway refuses callers without a token."""
    yield "requests that match no route", lambda: _unmatched(deployment)
    if deployment.stage != LOCAL or deployment.outputs.user_pool_id:
        yield "callers without a token", lambda: _closed(deployment)


def _unmatched(deployment: Deployment) -> str:
    cors, seen = _cors(deployment), list[str]()
    for (method, path), (status, code) in UNMATCHED.items():
        if method == "OPTIONS" and cors:
            seen.append(_preflight(deployment, path, cors))
            continue
        if method == "OPTIONS" and deployment.outputs.endpoint_url:
            continue  # without CORS the emulator answers 403 itself, where AWS asks the route $default
        answer = http_client.call(method, deployment.outputs.api_url + path)
        ours = answer.status == status and (code is None or _code(answer) == code)
        expected = f"{status} {code or ''}".rstrip()
        if method == "OPTIONS":
            ours, expected = ours and "allow" in answer.headers, f"{expected} with the header Allow"
        found = f"{method} {path} was answered with {answer.status}: {str(answer.body)[:200]}"
        require(ours, f"{found}; expected {expected}", _PERMISSION)
        seen.append(f"{method} {path} {answer.status}")
    return ", ".join(seen)


def _code(answer: http_client.HttpResponse) -> object:
    """Return the code of a problem document, None for any other body."""
    return answer.body.get("code") if isinstance(answer.body, dict) else None


def _cors(deployment: Deployment) -> Mapping[str, Any] | None:
    """Return the API's CORS settings, None if it has none."""
    for api in deployment.physical_ids("AWS::ApiGatewayV2::Api"):
        found = deployment.clients.apis.get_api(ApiId=api).get("CorsConfiguration")
        if found and found.get("AllowOrigins"):
            return found
    return None


def _preflight(deployment: Deployment, path: str, cors: Mapping[str, Any]) -> str:
    """Check that API Gateway answers a preflight itself, as it does with CORS configured and both headers sent.

    "Configure CORS for HTTP APIs" in its developer guide has both.
    """
    [first, *_] = cors["AllowOrigins"]
    origin = "https://verify.example" if "*" in first else first
    headers = {"origin": origin, "access-control-request-method": "POST"}
    answer = http_client.call("OPTIONS", deployment.outputs.api_url + path, headers=headers)
    allowed = answer.headers.get("access-control-allow-origin")
    found = f"a preflight of {origin} for {path} was answered with {answer.status}, and allows {allowed or 'no origin'}"
    found += f"; expected 200 or 204 that allows {origin}"
    todo = "check corsOrigins of the deployment, and the API's CORS settings"
    require(answer.status in {200, 204} and allowed in {origin, "*"}, found, todo)
    return f"preflight of {path} {answer.status}"


def _closed(deployment: Deployment) -> str:
    answer = http_client.call("GET", f"{deployment.outputs.api_url}/users/-")
    require(answer.status == 401, f"GET /users/- without a token was answered with {answer.status}; expected 401")
    return "refused"
