"""The checks of `turnstile verify` for an API Gateway that works, and for one that may not call our function."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from api.http.dispatch import anonymous, dispatch, internal_error
from api.http.routes import ROUTES
from infra.cli import http_client
from infra.cli.deployment import Clients, Deployment
from infra.cli.verify.gateway import UNMATCHED, refusals
from infra.cli.verify.result import CheckResult, perform
from tests.support.deployment import GUARDED, OUTPUTS
from tests.support.http_events import http_event

FAULT = http_client.HttpResponse(500, {}, {"message": "Internal Server Error"})
"""The answer of a gateway that may not call the function (aws/serverless-application-model#1860)."""


class Gateway:
    """API Gateway on AWS, with our function behind `$default`. `others` has other answers, by method."""

    def __init__(self, cors: Mapping[str, Any] | None = None) -> None:
        self.others: dict[str, http_client.HttpResponse] = {}
        self.cors = cors
        self.sound_cors = True
        self.asks_for_tokens = True

    def get_api(self, **_: object) -> dict[str, Any]:
        """Return the API, with its CORS settings if it has any."""
        return {"ApiId": "turnstile"} | ({"CorsConfiguration": self.cors} if self.cors else {})

    def call(self, method: str, url: str, *, headers: Mapping[str, str] | None = None) -> http_client.HttpResponse:
        """Answer a request, in the place of `http_client.call`."""
        path = url.removeprefix(OUTPUTS.api_url)
        if method in self.others:
            return self.others[method]
        if path == "/users/-":
            return http_client.HttpResponse(401, {}, {"message": "Unauthorized"}) if self.asks_for_tokens else FAULT
        if method == "OPTIONS" and self.cors:
            return self._preflight(headers or {})
        answer = dispatch({}, http_event(method, path, None, {}), ROUTES, anonymous, internal_error, base_url="")
        body = json.loads(answer["body"]) if answer["body"] and method != "HEAD" else ""
        lower = {name.lower(): value for name, value in answer["headers"].items()}
        return http_client.HttpResponse(answer["statusCode"], lower, body)

    def _preflight(self, headers: Mapping[str, str]) -> http_client.HttpResponse:
        allowed = self.sound_cors and "access-control-request-method" in headers
        return http_client.HttpResponse(204, {"access-control-allow-origin": headers["origin"]} if allowed else {}, "")


def _check(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, stage: str = "dev") -> list[CheckResult]:
    monkeypatch.setattr(http_client, "call", gateway.call)
    outputs = OUTPUTS if stage == "local" else replace(GUARDED, endpoint_url=None)
    deployment = Deployment(stage, outputs, cast("Clients", SimpleNamespace(apis=gateway)))
    deployment.__dict__["resources"] = [{"ResourceType": "AWS::ApiGatewayV2::Api", "PhysicalResourceId": "turnstile"}]
    return [perform(check) for check in refusals(deployment)]


def test_a_sound_gateway_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown paths and trailing slashes are 404s, wrong methods and HEAD 405s; OPTIONS is a 204 with `Allow`."""
    [unmatched, closed] = _check(Gateway(), monkeypatch)
    assert (unmatched.ok, closed.ok) == (True, True)
    refused = "GET /turnstile/verify 404, GET /events/ 404, PUT /events 405, HEAD /events 405"
    assert unmatched.detail == f"{refused}, OPTIONS /events 204"


@pytest.mark.parametrize(
    ("method", "response", "expected"),
    [
        *(("OPTIONS", http_client.HttpResponse(status, headers, body), "; expected 204 with the header Allow")
          for status, headers, body in (
              (405, {"allow": "GET, POST"}, {"code": "method-not-allowed"}),
              (204, {}, ""),
              (200, {"allow": "GET, POST"}, ""),
          )),
        *((method, FAULT, "; expected ") for method in sorted({method for method, _ in UNMATCHED})),
    ],
)  # fmt: skip
def test_another_answer_fails(
    method: str, response: http_client.HttpResponse, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 500 of the gateway, or OPTIONS without a list of methods, fails the check, with what was expected and a hint
    at the permission."""
    gateway = Gateway()
    gateway.others = {method: response}
    [unmatched, *_] = _check(gateway, monkeypatch)
    assert not unmatched.ok
    assert unmatched.detail.startswith(f"{method} /")
    assert f"was answered with {response.status}: " in unmatched.detail
    assert expected in unmatched.detail
    assert "$default" in unmatched.todo


@pytest.mark.parametrize("origins", [["https://shop.example", "https://b.example"], ["*"]])
def test_with_cors_the_gateway_answers_preflights(origins: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With CORS, the preflight of an allowed origin must be a 204 that allows it."""
    gateway = Gateway({"AllowOrigins": origins})
    [unmatched, *_] = _check(gateway, monkeypatch)
    assert (unmatched.ok, unmatched.detail.endswith("preflight of /events 204")) == (True, True)
    gateway.sound_cors = False
    [unmatched, *_] = _check(gateway, monkeypatch)
    origin = "https://verify.example" if origins == ["*"] else origins[0]
    expected = f"allows no origin; expected 200 or 204 that allows {origin}"
    assert (unmatched.ok, unmatched.detail.endswith(expected)) == (False, True)


def test_callers_without_a_token_must_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call without a token must be a 401; without authorization there is no such check."""
    gateway = Gateway()
    gateway.asks_for_tokens = False
    [_, closed] = _check(gateway, monkeypatch)
    assert not closed.ok
    assert [result.name for result in _check(gateway, monkeypatch, "local")] == ["requests that match no route"]
