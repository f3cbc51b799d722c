"""Check that API Gateway may invoke every route's function: match each invocation ARN against the permissions."""

from __future__ import annotations

import re
from typing import Any

import pytest

from api.http.routes import FALLBACK
from tests.infra.reading import Resources
from tests.infra.synthesis import STAGES

API = "arn:AWS::Partition:execute-api:AWS::Region:AWS::AccountId:HttpApi"
METHODS = ("ANY", "*", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""What may stand for the method when a route takes any: the documentation does not say."""


def arn_like(pattern: str, arn: str) -> bool:
    """Whether an ARN satisfies IAM's `ArnLike`, which is the condition that Lambda makes of a permission's `SourceArn`.

    Each of the six parts between colons is compared by itself; in each, `*` stands for any characters, slashes among
    them, and `?` for one (IAM User Guide, "Amazon Resource Name (ARN) condition operators").
    """
    parts = zip(_parts(pattern), _parts(arn), strict=True)
    return all(re.fullmatch(_regex(wanted), part, re.DOTALL) for wanted, part in parts)


def _parts(arn: str) -> list[str]:
    return arn.replace("AWS::", "AWS-").split(":", 5)  # pseudo parameters have colons that no real ARN has there


def _regex(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)


def invoked_as(route_key: str) -> list[str]:
    """The ARNs with which API Gateway may call the function of a route on the `$default` stage.

    A route is called as `{api}/{stage}/{method}/{path}`, with the path as the route has it; the route `$default` as
    `{api}/{stage}/$default` (aws/serverless-application-model#1860, where it was tried).
    """
    if route_key == "$default":
        return [f"{API}/$default/$default"]
    method, path = route_key.split(" ", 1)
    return [f"{API}/$default/{name}{path}" for name in (METHODS if method == "ANY" else (method,))]


@pytest.fixture(scope="session", params=STAGES)
def of_stage(templates: dict[str, dict[str, Any]], request: pytest.FixtureRequest) -> Resources:
    """The resources of every stage, in turn."""
    return Resources(templates[request.param])


def _callers(resources: Resources) -> dict[str, list[str]]:
    """Return the source ARNs from which API Gateway may invoke each function."""
    found: dict[str, list[str]] = {}
    for permission in resources.of_type("AWS::Lambda::Permission").values():
        if permission["Principal"] == "apigateway.amazonaws.com":
            assert permission["Action"] == "lambda:InvokeFunction"
            found.setdefault(permission["FunctionName"], []).append(permission["SourceArn"])
    return found


def _functions(resources: Resources) -> dict[str, str]:
    """Return the function of each route, by the route's key."""
    integrations = resources.of_type("AWS::ApiGatewayV2::Integration")
    return {
        route["RouteKey"]: integrations[route["Target"].removeprefix("integrations/")]["IntegrationUri"]
        for route in resources.of_type("AWS::ApiGatewayV2::Route").values()
    }


def test_every_route_may_invoke_its_function(of_stage: Resources) -> None:
    """However API Gateway calls a route, `$default` among them, a permission of the route's function matches."""
    callers = _callers(of_stage)
    refused = [
        (key, arn)
        for key, function in _functions(of_stage).items()
        for arn in invoked_as(key)
        if not any(arn_like(pattern, arn) for pattern in callers.get(function, []))
    ]
    assert refused == []


def test_every_permission_is_for_one_source(of_stage: Resources) -> None:
    """Only API Gateway and EventBridge may invoke functions, and each permission names the source that may."""
    permissions = of_stage.of_type("AWS::Lambda::Permission").values()
    assert {item["Principal"] for item in permissions} == {"apigateway.amazonaws.com", "events.amazonaws.com"}
    assert [item for item in permissions if not item.get("SourceArn")] == []


def test_nobody_else_may(of_stage: Resources) -> None:
    """Each function behind the API has one permission, no other function has any; another API, and what is no route of
    its own kind, is refused."""
    callers, functions = _callers(of_stage), _functions(of_stage)
    assert set(callers) == set(functions.values())
    for function, patterns in callers.items():
        (pattern,) = patterns
        assert not arn_like(pattern, f"{API}2/$default/GET/events")
        assert not arn_like(pattern, f"{API}/$default")
        assert arn_like(pattern, f"{API}/$default/$default") == (function == functions["$default"])
    assert functions["$default"] == f"Api{FALLBACK.capitalize()}Function.Arn"


@pytest.mark.parametrize(
    ("pattern", "resource", "matches"),
    [
        ("api/*/*/*", "api/$default/GET/users/{userId}", True),
        ("api/*/*/*", "api/$default/$default", False),
        ("api/*/*", "api/$default/$default", True),
        ("api/*/*", "api/$default/GET/users", True),
        ("api/*/$default", "api/$default/$default", True),
        ("api/*/$default", "api/$default/GET/users", False),
        ("ap?/*", "api/a:b", True),
        ("API/*", "api/a", False),
    ],
)
def test_what_matches(pattern: str, resource: str, matches: bool) -> None:
    """`*` stands for any characters of the resource, slashes among them; all else stands for itself."""
    prefix = "arn:aws:execute-api:eu-central-1:123456789012:"
    assert arn_like(prefix + pattern, prefix + resource) == matches
    assert not arn_like(prefix.replace("eu-central-1", "eu-*-2") + pattern, prefix + resource)
