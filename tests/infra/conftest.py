"""The synthesized templates and the bundles, each made once per run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from infra.bundles import bundle
from infra.stack import TurnstileStack
from infra.stage import NOT_SAID, Stage
from tests.infra.findings import Accepted
from tests.infra.reading import Resources

STAGES = ("local", "dev", "prod")


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
        patch.setattr("infra.accepted.Validations", accepted)
        return {name: _stack(name) for name in STAGES}


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
def api_host() -> Path:
    """The API's bundle for this machine."""
    return bundle("api", "host")


@pytest.fixture(scope="session")
def docs_host() -> Path:
    """The reference page's bundle for this machine."""
    return bundle("docs", "host")


@pytest.fixture(scope="session")
def workers_host() -> Path:
    """The workers' bundle for this machine."""
    return bundle("workers", "host")


def synthesize(name: str, auth: Mapping[str, str | None] = NOT_SAID) -> dict[str, Any]:
    """The template of a stage; `auth` is what the CDK's context says of who vouches for callers."""
    template: dict[str, Any] = Template.from_stack(_stack(name, auth)).to_json()
    return template


def _stack(name: str, auth: Mapping[str, str | None] = NOT_SAID) -> TurnstileStack:
    # Copying the bundles and the CDK's own look at the template would triple the time.
    app = cdk.App(
        analytics_reporting=False,
        tree_metadata=False,
        builtin_cloud_formation_validation=False,
        context={"aws:cdk:disable-asset-staging": True},
    )
    return TurnstileStack(app, f"turnstile-{name}", stage=Stage.parse(name, None, auth))
