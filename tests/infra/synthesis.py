"""Stacks and their templates, synthesized for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from aws_cdk.assertions import Template

from infra.build.bundles import ROOT
from infra.stack.stack import TurnstileStack
from infra.stack.stage import Stage

STAGES = ("local", "dev", "prod")
CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/0a1b-2c"
DOMAIN = {"domainName": "api.example.org", "certificateArn": CERTIFICATE}
OIDC = {"auth": "oidc", "issuer": "https://id.example.org/tenant/", "audience": "turnstile"}
CDK_JSON: Mapping[str, Any] = json.loads((ROOT / "infra/cdk.json").read_text(encoding="utf-8"))
"""The configuration of the CDK's command line; its context has the feature flags."""


def synthesize(name: str, **settings: str) -> dict[str, Any]:
    """Return the template of a stage with these settings."""
    template: dict[str, Any] = Template.from_stack(stack_of(name, **settings)).to_json()
    return template


def stack_of(name: str, **settings: str) -> TurnstileStack:
    """Return the stack of a stage with these settings, in an app of its own."""
    return TurnstileStack(small_app(), f"turnstile-{name}", stage=Stage.parse({"stage": name, **settings}.get))


def small_app(**options: Any) -> cdk.App:
    """Return an app that skips what would triple the time: copying the bundles, and the CDK's own validation."""
    return cdk.App(
        analytics_reporting=False,
        tree_metadata=False,
        builtin_cloud_formation_validation=False,
        **{"context": CDK_JSON["context"] | {"aws:cdk:disable-asset-staging": True}} | options,
    )
