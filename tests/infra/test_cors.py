"""Which web pages may call the API, and what they may send and read: the CDK's context, and the template."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.contract.__main__ import KEPT
from api.http.routes import ROUTES
from infra.settings.origins import parse_origins
from infra.stack.http.cors import METHODS, request_headers, response_headers
from infra.stack.stage import Stage
from tests.infra.reading import Resources

DOCUMENT: Any = json.loads(KEPT.read_text(encoding="utf-8"))
OPERATIONS = [operation for path in DOCUMENT["paths"].values() for operation in path.values()]


@pytest.mark.parametrize(
    ("given", "origins"),
    [
        (None, ()),
        ("https://app.example.org", ("https://app.example.org",)),
        ("https://a.example, https://b.example:8443", ("https://a.example", "https://b.example:8443")),
        (["https://a.example", "https://b.example"], ("https://a.example", "https://b.example")),
        ("https://a.example,https://a.example", ("https://a.example",)),
        ("http://localhost:5173,http://127.0.0.1", ("http://localhost:5173", "http://127.0.0.1")),
    ],
)
def test_origins(given: object, origins: tuple[str, ...]) -> None:
    """Origins come in a list with commas, with a port where it is not the usual one; by default there are none."""
    assert parse_origins({"corsOrigins": given}.get) == origins


@pytest.mark.parametrize(
    "given",
    [
        *("", "*", "null", "app.example.org", "https://app.example.org/", "https://app.example.org/app"),
        *("https://*.example", "https://app.example.org:443", "http://localhost:80", "http://app.example.org", "https://App.example.org"),
        *("https://a.example,", "https://a.example;https://b.example", "https://localhost", "https://a.example:65536"),
    ],
)  # fmt: skip
def test_senseless_origins(given: str) -> None:
    """What no browser sends as an origin is refused with a sentence that names setting, value and origin."""
    with pytest.raises(ValueError, match="is not an origin as browsers send it: use -c corsOrigins=LIST") as refusal:
        parse_origins({"corsOrigins": given}.get)
    assert str(refusal.value).startswith(f"corsOrigins={given}: '")


def test_who_may_not_have_them() -> None:
    """Production takes https origins only, the emulator none."""
    origin = "http://localhost:5173"
    assert Stage("dev", cors_origins=(origin,)).cors_origins == (origin,)
    with pytest.raises(ValueError, match=f"^corsOrigins={origin}: the stage prod takes https origins only"):
        Stage("prod", cors_origins=("https://a.example", origin))
    with pytest.raises(ValueError, match=f"^corsOrigins={origin} is for a stage on AWS"):
        Stage("local", "http://localhost:4566", cors_origins=(origin,))


def test_what_api_gateway_is_told(public_template: dict[str, Any]) -> None:
    """The pages of the two sites may use every method of every route, with tokens but without cookies."""
    assert Resources(public_template).one("HttpApi")["CorsConfiguration"] == {
        "AllowOrigins": ["https://app.example.org", "https://example.org:8443"],
        "AllowMethods": list(METHODS),
        "AllowHeaders": request_headers(),
        "ExposeHeaders": response_headers(),
        "MaxAge": 3600,
    }


def test_the_methods_of_every_route() -> None:
    """Every method of the table is allowed, and nothing more."""
    assert set(METHODS) == {route.method for route in ROUTES}


def test_what_pages_may_send() -> None:
    """Every header in the document that a request may have can be sent; so can a token and a type of body or answer."""
    parameters = DOCUMENT["components"]["parameters"]
    used = [parameters[part["$ref"].rpartition("/")[2]] for each in OPERATIONS for part in each.get("parameters", ())]
    named = {parameter["name"] for parameter in used if parameter["in"] == "header"}
    assert set(request_headers()) == named | {"Accept", "Authorization", "Content-Type"}


def test_what_pages_may_read() -> None:
    """Every header in the document that an answer may have can be read; so can the `Allow` of a 405."""
    answers = [answer for operation in OPERATIONS for answer in operation["responses"].values()]
    assert set(response_headers()) == {name for answer in answers for name in answer.get("headers", {})} | {"Allow"}


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_asking_in_advance_needs_no_token(templates: dict[str, dict[str, Any]], name: str) -> None:
    """No route that takes OPTIONS has the authorizer: browsers send no token when they ask in advance, and `$default`
    gets what no other route takes, OPTIONS among it."""
    routes = Resources(templates[name]).of_type("AWS::ApiGatewayV2::Route").values()
    taken = {route["RouteKey"]: route["AuthorizationType"] for route in routes if _takes_options(route["RouteKey"])}
    assert set(taken.values()) == {"NONE"}
    assert "$default" in taken


def _takes_options(key: str) -> bool:
    return key == "$default" or key.startswith(("ANY ", "OPTIONS "))
