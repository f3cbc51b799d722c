"""The table of routes, what the functions really take, and the answers to everything else."""

from __future__ import annotations

import re

import pytest

from api.http.app import App
from api.http.auth import allow_anyone
from api.http.routes import ROUTES
from tests.support.http_events import http_event
from tests.support.pipeline import BASE_URL, Pipeline


def test_table_is_what_is_served(pipeline: Pipeline) -> None:
    """Each function serves exactly the routes that the table gives to it."""
    served = {(key, function) for function, handlers in pipeline.apps.items() for key in handlers}
    assert served == {(route.key, route.function) for route in ROUTES}


ALLOWED = {
    route.path: sorted({"OPTIONS"} | {other.method for other in ROUTES if other.path == route.path}) for route in ROUTES
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE")
WRONG = [(method, path) for path, allowed in ALLOWED.items() for method in METHODS if method not in allowed]


@pytest.mark.parametrize(("method", "path"), WRONG)
def test_wrong_method(shared: Pipeline, method: str, path: str) -> None:
    """A known path with a method that it does not take is a 405 that says which it takes."""
    answer = shared.request(method, re.sub(r"{\w+}", "an id % ü", path))
    assert answer.status == 405
    assert answer.headers["Allow"] == ", ".join(ALLOWED[path])
    if method == "HEAD":
        assert answer.body is None
    else:
        assert answer.code == "method-not-allowed"


@pytest.mark.parametrize("path", ALLOWED)
def test_options(shared: Pipeline, path: str) -> None:
    """`OPTIONS` on a known path is a 204 that says which methods it takes: a browser that asks in advance needs 2xx."""
    answer = shared.request("OPTIONS", re.sub(r"{\w+}", "x", path))
    assert (answer.status, answer.body) == (204, None)
    assert answer.headers == {"Allow": ", ".join(ALLOWED[path]), "X-Request-Id": "request-1"}


UNKNOWN = [
    "/", "", "/nothing", "/docs", "/users/", "/events/", "/events/e/", "/users/a/b", "//events", "/Events", "/events.x",
    "/events//registrations", "/events/e/registrations/u/x", "/\ud800", "/events%2Fe/x/y", "/" + "x" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("path", UNKNOWN)
def test_unknown_path(shared: Pipeline, path: str) -> None:
    """A path that is no route is a 404, for every method."""
    for method in ("GET", "POST", "DELETE", "OPTIONS", "BREW"):
        answer = shared.request(method, path)
        assert (answer.status, answer.code) == (404, "route-not-found")
    assert shared.request("HEAD", path).status == 404


@pytest.mark.parametrize("odd", ["nobody", "a b", "100%25", "ы", "🎟", "a#b?c", "x" * 3000, "a\u0000b", "."])
def test_unknown_id(shared: Pipeline, odd: str) -> None:
    """An unknown id in the path is a 404, whatever its characters."""
    for method, kind, body in (("GET", "user", None), ("GET", "event", None), ("PATCH", "event", {"capacity": 3})):
        answer = shared.request(method, f"/{kind}s/{odd}", body)
        assert (answer.status, answer.code) == (404, f"{kind}-not-found")


def test_route_of_another_function(shared: Pipeline) -> None:
    """A request for another function's route, should it ever come to the wrong one, is a plain 404."""
    assert (
        App(shared.apps["users"], allow_anyone, BASE_URL).respond(http_event("GET", "/events", None, {}))["statusCode"]
        == 404
    )
