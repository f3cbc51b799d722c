"""The synthesized templates, each made once per run."""

from __future__ import annotations

from typing import Any

import pytest
from aws_cdk.assertions import Template

from infra.stack.stack import TurnstileStack
from tests.infra.findings import Accepted
from tests.infra.reading import Resources
from tests.infra.synthesis import DOMAIN, STAGES, stack_of


@pytest.fixture(scope="session", params=["local", "dev"])
def stage_name(request: pytest.FixtureRequest) -> str:
    """Each stage whose template is tested."""
    name = request.param
    assert isinstance(name, str)
    return name


@pytest.fixture(scope="session")
def accepted() -> Accepted:
    """What the code accepts of cdk-nag's findings, instead of telling cdk-nag: filled while the stacks are made."""
    return Accepted()


@pytest.fixture(scope="session")
def stacks(accepted: Accepted) -> dict[str, TurnstileStack]:
    """The stack of every stage."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("infra.stack.suppressions.Validations", accepted)
        return {name: stack_of(name) for name in STAGES}


@pytest.fixture(scope="session")
def public_stack(accepted: Accepted) -> TurnstileStack:
    """The stack of production under a domain of its own, behind a CDN, for the pages of two sites."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("infra.stack.suppressions.Validations", accepted)
        origins = "https://app.example.org,https://example.org:8443"
        return stack_of("prod", **DOMAIN, publicUrl="https://www.example.org/api", corsOrigins=origins)


@pytest.fixture(scope="session")
def public_template(public_stack: TurnstileStack) -> dict[str, Any]:
    """Its template."""
    template: dict[str, Any] = Template.from_stack(public_stack).to_json()
    return template


@pytest.fixture(scope="session")
def templates(stacks: dict[str, TurnstileStack]) -> dict[str, dict[str, Any]]:
    """The template of every stage, as `cdk deploy` would send it."""
    return {name: Template.from_stack(stack).to_json() for name, stack in stacks.items()}


@pytest.fixture(scope="session")
def template(templates: dict[str, dict[str, Any]], stage_name: str) -> dict[str, Any]:
    """The template of the stage under test."""
    return templates[stage_name]


@pytest.fixture(scope="session")
def resources(template: dict[str, Any]) -> Resources:
    """The resources of the stage under test, by what they are for."""
    return Resources(template)


@pytest.fixture(scope="session")
def alarms(resources: Resources, stage_name: str) -> dict[str, dict[str, Any]]:
    """The alarms of the stage under test by their names, without the stage's own."""
    found = resources.of_type("AWS::CloudWatch::Alarm").values()
    return {alarm["AlarmName"].removeprefix(f"turnstile-{stage_name}-"): alarm for alarm in found}
