"""The permissions to invoke functions, matched against the ARNs with which API Gateway invokes them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from api.http.routes import FALLBACK
from infra.functions import FUNCTIONS
from tests.infra.reading import Resources
from tests.infra.synthesis import STAGES

API = "arn:AWS::Partition:execute-api:AWS::Region:AWS::AccountId:HttpApi"
METHODS = ("ANY", "*", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""The possible methods in the ARN of a route for any method, which is not documented."""


def arn_like(pattern: str, arn: str) -> bool:
    """Tell whether an ARN satisfies IAM's `ArnLike`, the condition that Lambda derives from a permission's `SourceArn`.

    Each of the six parts between colons is compared separately; `*` matches any characters, including slashes, and `?`
    one character (IAM User Guide, "Amazon Resource Name (ARN) condition operators").
    """
    parts = zip(_parts(pattern), _parts(arn), strict=True)
    return all(re.fullmatch(_regex(wanted), part, re.DOTALL) for wanted, part in parts)


def _parts(arn: str) -> list[str]:
    return arn.replace("AWS::", "AWS-").split(":", 5)  # pseudo parameters contain colons that real ARNs do not


def _regex(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)


def invoked_as(route_key: str) -> list[str]:
    """Return the ARNs with which API Gateway may invoke the function of a route on the `$default` stage.

    A route is invoked as `{api}/{stage}/{method}/{path}`, the route `$default` as `{api}/{stage}/$default`
    (aws/serverless-application-model#1860).
    """
    if route_key == "$default":
        return [f"{API}/$default/$default"]
    method, path = route_key.split(" ", 1)
    return [f"{API}/$default/{name}{path}" for name in (METHODS if method == "ANY" else (method,))]


@pytest.fixture(scope="session", params=STAGES)
def of_stage(templates: dict[str, dict[str, Any]], request: pytest.FixtureRequest) -> Resources:
    """Return the resources of each stage."""
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
    """Every ARN with which API Gateway may invoke a route, including `$default`, matches a permission."""
    callers = _callers(of_stage)
    refused = [
        (key, arn)
        for key, function in _functions(of_stage).items()
        for arn in invoked_as(key)
        if not any(arn_like(pattern, arn) for pattern in callers.get(function, []))
    ]
    assert refused == []


def test_only_this_stack_invokes_the_functions(of_stage: Resources) -> None:
    """Routes of this API invoke the API's functions, and a rule the auditor. Lambda itself polls queue and stream."""
    permissions = of_stage.of_type("AWS::Lambda::Permission").values()
    principals = {"routes": "apigateway.amazonaws.com", "schedule": "events.amazonaws.com"}
    deployed = of_stage.of_type("AWS::Lambda::Function")
    assert sorted((item["FunctionName"], item["Principal"]) for item in permissions) == sorted(
        (f"{spec.construct}Function.Arn", principals[spec.invoked_by])
        for spec in FUNCTIONS.values()
        if spec.invoked_by in principals and f"{spec.construct}Function" in deployed
    )
    rules = {f"{name}.Arn" for name in of_stage.of_type("AWS::Events::Rule")}
    assert {item["SourceArn"] for item in permissions if item["Principal"] == principals["schedule"]} == rules
    assert {item["Action"] for item in permissions} == {"lambda:InvokeFunction"}


def test_no_other_source_is_permitted(of_stage: Resources) -> None:
    """Another API may not invoke the functions, and only the fallback's permission matches `$default`."""
    functions = _functions(of_stage)
    for function, (pattern,) in _callers(of_stage).items():
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
        ("api/*/$default", "api/$default/GET/users", False),
        ("ap?/*", "api/a:b", True),
        ("API/*", "api/a", False),
    ],
)
def test_arn_like(pattern: str, resource: str, matches: bool) -> None:
    """`*` matches any characters of the resource, including slashes; everything else matches itself."""
    prefix = "arn:aws:execute-api:eu-central-1:123456789012:"
    assert arn_like(prefix + pattern, prefix + resource) == matches
    assert not arn_like(prefix.replace("eu-central-1", "eu-*-2") + pattern, prefix + resource)
