"""Cross-origin requests (CORS) in the template: the methods and headers of the API's routes and document."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.contract.__main__ import KEPT
from api.http.routes import ROUTES
from infra.stack.http.cors import METHODS, request_headers, response_headers
from tests.infra.reading import Resources

DOCUMENT: Any = json.loads(KEPT.read_text(encoding="utf-8"))
OPERATIONS = [operation for path in DOCUMENT["paths"].values() for operation in path.values()]


def test_cors_configuration(public_template: dict[str, Any]) -> None:
    """The pages of both sites may use every method, with tokens but without cookies."""
    assert Resources(public_template).one("HttpApi")["CorsConfiguration"] == {
        "AllowOrigins": ["https://app.example.org", "https://example.org:8443"],
        "AllowMethods": list(METHODS),
        "AllowHeaders": request_headers(),
        "ExposeHeaders": response_headers(),
        "MaxAge": 3600,
    }


def test_allowed_methods() -> None:
    """Exactly the methods of the routes are allowed."""
    assert set(METHODS) == {route.method for route in ROUTES}


def test_allowed_request_headers() -> None:
    """Every request header in the document is allowed, and so are the token and the media types."""
    parameters = DOCUMENT["components"]["parameters"]
    used = [parameters[part["$ref"].rpartition("/")[2]] for each in OPERATIONS for part in each.get("parameters", ())]
    named = {parameter["name"] for parameter in used if parameter["in"] == "header"}
    assert set(request_headers()) == named | {"Accept", "Authorization", "Content-Type"}


def test_exposed_headers() -> None:
    """Every response header in the document is exposed, and so is the `Allow` of a 405."""
    answers = [answer for operation in OPERATIONS for answer in operation["responses"].values()]
    assert set(response_headers()) == {name for answer in answers for name in answer.get("headers", {})} | {"Allow"}


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_preflight_needs_no_token(templates: dict[str, dict[str, Any]], name: str) -> None:
    """No route for OPTIONS has the authorizer, because preflight requests carry no token; `$default` takes them."""
    routes = Resources(templates[name]).of_type("AWS::ApiGatewayV2::Route").values()
    taken = {route["RouteKey"]: route["AuthorizationType"] for route in routes if _takes_options(route["RouteKey"])}
    assert set(taken.values()) == {"NONE"}
    assert "$default" in taken


def _takes_options(key: str) -> bool:
    return key == "$default" or key.startswith(("ANY ", "OPTIONS "))
