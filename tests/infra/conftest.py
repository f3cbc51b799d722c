"""The synthesized templates, each created once per run."""

from __future__ import annotations

from typing import Any

import pytest
from aws_cdk.assertions import Template

from infra.stack.stack import TurnstileStack
from tests.infra.findings import Suppressions
from tests.infra.reading import Resources
from tests.infra.synthesis import DOMAIN, STAGES, stack_of


@pytest.fixture(scope="session", params=["local", "dev"])
def stage_name(request: pytest.FixtureRequest) -> str:
    """Return each stage whose template is tested."""
    name = request.param
    assert isinstance(name, str)
    return name


@pytest.fixture(scope="session")
def suppressions() -> Suppressions:
    """Return the suppressions of cdk-nag's findings, which are recorded while the stacks are created."""
    return Suppressions()


@pytest.fixture(scope="session")
def stacks(suppressions: Suppressions) -> dict[str, TurnstileStack]:
    """Return the stack of every stage."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("infra.stack.suppressions.Validations", suppressions)
        return {name: stack_of(name) for name in STAGES}


@pytest.fixture(scope="session")
def public_stack(suppressions: Suppressions) -> TurnstileStack:
    """Return the stack of production with its own domain, a CDN, and two origins for CORS."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("infra.stack.suppressions.Validations", suppressions)
        origins = "https://app.example.org,https://example.org:8443"
        return stack_of("prod", **DOMAIN, publicUrl="https://www.example.org/api", corsOrigins=origins)


@pytest.fixture(scope="session")
def public_template(public_stack: TurnstileStack) -> dict[str, Any]:
    """Return its template."""
    template: dict[str, Any] = Template.from_stack(public_stack).to_json()
    return template


@pytest.fixture(scope="session")
def templates(stacks: dict[str, TurnstileStack]) -> dict[str, dict[str, Any]]:
    """Return the template of every stage, as `cdk deploy` would send it."""
    return {name: Template.from_stack(stack).to_json() for name, stack in stacks.items()}


@pytest.fixture(scope="session")
def template(templates: dict[str, dict[str, Any]], stage_name: str) -> dict[str, Any]:
    """Return the template of the stage under test."""
    return templates[stage_name]


@pytest.fixture(scope="session")
def resources(template: dict[str, Any]) -> Resources:
    """Return the resources of the stage under test."""
    return Resources(template)


@pytest.fixture(scope="session")
def alarms(resources: Resources, stage_name: str) -> dict[str, dict[str, Any]]:
    """Return the alarms of the stage under test by their names without the stage's prefix."""
    found = resources.of_type("AWS::CloudWatch::Alarm").values()
    return {alarm["AlarmName"].removeprefix(f"turnstile-{stage_name}-"): alarm for alarm in found}
