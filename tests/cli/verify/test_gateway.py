"""What `turnstile verify` says of an API Gateway that refuses rightly, and of one that may not ask our function."""

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
"""What a gateway says that may not call the function (aws/serverless-application-model#1860)."""


class Gateway:
    """API Gateway on AWS, with our function behind `$default`. `faults` are methods for which it may not call it;
    `others` has other answers by method."""

    def __init__(self, cors: Mapping[str, Any] | None = None) -> None:
        self.faults: set[str] = set()
        self.others: dict[str, http_client.HttpResponse] = {}
        self.cors = cors
        self.sound_cors = True
        self.asks_for_tokens = True

    def get_api(self, **_: object) -> dict[str, Any]:
        """The API, with its settings for browsers if it has any."""
        return {"ApiId": "turnstile"} | ({"CorsConfiguration": self.cors} if self.cors else {})

    def call(self, method: str, url: str, *, headers: Mapping[str, str] | None = None) -> http_client.HttpResponse:
        """One request, in the place of `rest.call`."""
        path = url.removeprefix(OUTPUTS.api_url)
        if method in self.faults:
            return FAULT
        if path == "/users/-":
            return http_client.HttpResponse(401, {}, {"message": "Unauthorized"}) if self.asks_for_tokens else FAULT
        if method == "OPTIONS" and self.cors:
            return self._preflight(headers or {})
        answer = dispatch({}, http_event(method, path, None, {}), ROUTES, anonymous, internal_error)
        body = json.loads(answer["body"]) if answer["body"] and method != "HEAD" else ""
        lower = {name.lower(): value for name, value in answer["headers"].items()}
        if method in self.others:
            return self.others[method]
        return http_client.HttpResponse(answer["statusCode"], lower, body)

    def _preflight(self, headers: Mapping[str, str]) -> http_client.HttpResponse:
        allowed = self.sound_cors and "access-control-request-method" in headers
        return http_client.HttpResponse(204, {"access-control-allow-origin": headers["origin"]} if allowed else {}, "")


def _see(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, stage: str = "dev") -> list[CheckResult]:
    monkeypatch.setattr(http_client, "call", gateway.call)
    outputs = OUTPUTS if stage == "local" else replace(GUARDED, endpoint_url=None)
    deployment = Deployment(stage, outputs, cast("Clients", SimpleNamespace(apis=gateway)))
    deployment.__dict__["resources"] = [{"ResourceType": "AWS::ApiGatewayV2::Api", "PhysicalResourceId": "turnstile"}]
    return [perform(check) for check in refusals(deployment)]


def test_what_no_route_takes_is_answered_by_our_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown paths and trailing slashes are 404s, wrong methods and HEAD 405s; OPTIONS is a 204 with `Allow`."""
    [unmatched, closed] = _see(Gateway(), monkeypatch)
    assert (unmatched.ok, closed.ok) == (True, True)
    refused = "GET /turnstile/verify 404, GET /events/ 404, PUT /events 405, HEAD /events 405"
    assert unmatched.detail == f"{refused}, OPTIONS /events 204"


@pytest.mark.parametrize(
    "answer",
    [
        http_client.HttpResponse(405, {"allow": "GET, POST"}, {"code": "method-not-allowed"}),
        http_client.HttpResponse(204, {}, ""),
        http_client.HttpResponse(200, {"allow": "GET, POST"}, ""),
    ],
)
def test_options_must_say_what_the_path_takes(
    answer: http_client.HttpResponse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OPTIONS that is refused, or says nothing in `Allow`, fails the check, which names what is expected."""
    gateway = Gateway()
    gateway.others = {"OPTIONS": answer}
    [unmatched, *_] = _see(gateway, monkeypatch)
    assert not unmatched.ok
    assert unmatched.detail.startswith(f"OPTIONS /events was answered with {answer.status}: ")
    assert unmatched.detail.endswith("; expected 204 with the header Allow")


@pytest.mark.parametrize("method", sorted({method for method, _ in UNMATCHED}))
def test_a_gateway_that_may_not_call_it_fails(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 500 of the gateway for any of them fails the check, which says what was asked and what to look at."""
    gateway = Gateway()
    gateway.faults = {method}
    [unmatched, *_] = _see(gateway, monkeypatch)
    assert not unmatched.ok
    assert unmatched.detail.startswith(f"{method} /")
    assert "was answered with 500" in unmatched.detail
    assert "; expected 20" in unmatched.detail or "; expected 40" in unmatched.detail
    assert "$default" in unmatched.todo


@pytest.mark.parametrize("origins", [["https://shop.example", "https://b.example"], ["*"]])
def test_with_cors_the_gateway_answers_preflights(origins: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With CORS a preflight of an origin that is allowed is a 204 that says so; one that does not say so fails."""
    gateway = Gateway({"AllowOrigins": origins})
    [unmatched, *_] = _see(gateway, monkeypatch)
    assert unmatched.ok
    assert unmatched.detail.endswith("preflight of /events 204")
    gateway.sound_cors = False
    [unmatched, *_] = _see(gateway, monkeypatch)
    assert not unmatched.ok
    origin = "https://verify.example" if origins == ["*"] else origins[0]
    assert unmatched.detail.endswith(f"allows no origin; expected 200 or 204 that allows {origin}")


def test_callers_without_a_token_must_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check fails where a call without a token is not a 401; where nobody is asked for one there is none."""
    gateway = Gateway()
    gateway.asks_for_tokens = False
    [_, closed] = _see(gateway, monkeypatch)
    assert not closed.ok
    assert [result.name for result in _see(gateway, monkeypatch, "local")] == ["requests that match no route"]
