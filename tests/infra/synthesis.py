"""Stacks and their templates, synthesized for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import aws_cdk as cdk
from aws_cdk.assertions import Template

from infra.build.bundles import ROOT
from infra.settings.address import Address
from infra.stack.stack import TurnstileStack
from infra.stack.stage import NO_SETTINGS, Stage

STAGES = ("local", "dev", "prod")
DOMAIN = Address("api.example.org", "arn:aws:acm:eu-central-1:123456789012:certificate/0a1b-2c")
CDK_JSON: Mapping[str, Any] = json.loads((ROOT / "infra/cdk.json").read_text(encoding="utf-8"))
"""How the CDK's command line is set up; its context has the feature flags."""


def synthesize(name: str, auth: Mapping[str, str | None] = NO_SETTINGS) -> dict[str, Any]:
    """The template of a stage; `auth` is what the CDK's context says of who vouches for callers."""
    template: dict[str, Any] = Template.from_stack(stack_of(name, auth)).to_json()
    return template


def stack_of(name: str, auth: Mapping[str, str | None] = NO_SETTINGS, **settings: Any) -> TurnstileStack:
    """The stack of a stage, in an app of its own; `settings` are fields of the stage."""
    # Copying the bundles and the CDK's own look at the template would triple the time.
    app = cdk.App(
        analytics_reporting=False,
        tree_metadata=False,
        builtin_cloud_formation_validation=False,
        context=CDK_JSON["context"] | {"aws:cdk:disable-asset-staging": True},
    )
    return TurnstileStack(app, f"turnstile-{name}", stage=replace(Stage.parse(name, None, auth), **settings))
