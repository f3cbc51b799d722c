"""The CDK app, run as the CDK's command line runs it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.app import add_stack
from infra.build.bundles import ROOT, compiler
from infra.cli.local import assembly
from infra.stack.stack import NOT_COMPILED
from tests.infra.reading import Resources
from tests.infra.synthesis import CDK_JSON, DOMAIN, small_app, stack_of

SETTINGS = {
    "readsPerSecond": "77",
    "writesPerSecond": "33",
    "registrars": "7",
    "reserve": "yes",
    **DOMAIN,
    "publicUrl": "https://example.org/api",
    "corsOrigins": "https://app.example.org",
}
DECLINED = {"@aws-cdk/core:enableAdditionalMetadataCollection": "Nothing of this stack is reported to anybody."}
"""The recommended feature flags that cdk.json declines, with the reason."""


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))}
    return kept | {"PATH": assembly._path(), "CDK_DISABLE_CLI_TELEMETRY": "true", "CDK_DISABLE_VERSION_CHECK": "1"}


@pytest.fixture(scope="module")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Return the output directory of `cdk synth` and what it printed, without a stage and AWS credentials."""
    out = tmp_path_factory.mktemp("cdk")
    words = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    command = [str(assembly._node()), str(assembly._CDK), "synth", "--quiet", "--output", str(out), *words]
    environment = _environment() | {"CDK_HOME": str(out / "home"), "AWS_REGION": "eu-central-1"}
    done = subprocess.run(
        command,
        cwd=ROOT / "infra",
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return out, done.stdout.splitlines()


def test_default_stage_is_dev(synthesized: tuple[Path, list[str]]) -> None:
    """Without a stage and without AWS credentials, the app synthesizes `turnstile-dev` with the settings."""
    resources = Resources(json.loads((synthesized[0] / "turnstile-dev.template.json").read_text()))
    stage = resources.one("HttpApiDefaultStage")
    assert stage["DefaultRouteSettings"] == {"ThrottlingRateLimit": 77, "ThrottlingBurstLimit": 77}
    assert stage["RouteSettings"]["POST /users"] == {"ThrottlingRateLimit": 33, "ThrottlingBurstLimit": 33}
    assert resources.one("TriggersCommands")["ScalingConfig"] == {"MaximumConcurrency": 7}
    assert resources.one("WorkersRegistrarFunction")["ReservedConcurrentExecutions"] == 7
    assert resources.one("HttpDomain")["DomainName"] == "api.example.org"
    assert resources.one("ApiUsersFunction")["Environment"]["Variables"]["API_URL"] == "https://example.org/api"
    assert resources.one("HttpApi")["CorsConfiguration"]["AllowOrigins"] == ["https://app.example.org"]


def test_the_cdk_prints_what_a_deployer_needs(synthesized: tuple[Path, list[str]]) -> None:
    """The CDK prints nothing but the stack's own warning, if there is reason for it."""
    warning = [
        f"WARNING {NOT_COMPILED} (Annotation)",
        "   turnstile-dev aws-cdk-lib.Stack",
        "   Acknowledge with 'Annotation::turnstile:not-compiled'",
    ]
    assert synthesized[1] == ([] if compiler("lambda-arm64") else warning)


def test_feature_flags(synthesized: tuple[Path, list[str]]) -> None:
    """Each feature flag that makes a difference is set as recommended, or declined with a reason."""
    manifest = json.loads((synthesized[0] / "manifest.json").read_text())
    flags = manifest["artifacts"]["aws-cdk-lib/feature-flag-report"]["properties"]["flags"]
    recommended = {name: flag["recommendedValue"] for name, flag in flags.items() if _makes_a_difference(flag)}
    ours = CDK_JSON["context"]
    assert {name for name, value in recommended.items() if ours.get(name) != value} == set(DECLINED)
    assert ours.keys() <= flags.keys()


def _makes_a_difference(flag: dict[str, Any]) -> bool:
    return bool(flag["recommendedValue"] != flag.get("unconfiguredBehavesLike", {}).get("v2", False))


@pytest.mark.parametrize(
    ("context", "error"),
    [
        ({"stage": "staging"}, "stage=staging: use -c stage="),
        ({"listPerSecond": "10"}, "unknown setting listPerSecond: did you mean listsPerSecond?"),
        ({"zzz": "10"}, "unknown setting zzz: the settings are audience, auth, "),
        ({"stage": "local"}, "stage=local is for the emulator, not for the AWS account 123456789012"),
    ],
)
def test_rejected_context(monkeypatch: pytest.MonkeyPatch, context: dict[str, str], error: str) -> None:
    """Unknown stages and settings are rejected, and so is the local stage, which is open to everyone, on AWS."""
    monkeypatch.setenv("CDK_DEFAULT_ACCOUNT", "123456789012")
    with pytest.raises(ValueError, match=f"^{re.escape(error)}"):
        add_stack(small_app(context=context))


def test_the_local_stage_is_pinned_to_the_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """The assembly of the local stage names the emulator's account, so that the CDK deploys it to no other."""
    monkeypatch.delenv("CDK_DEFAULT_ACCOUNT", raising=False)
    app = small_app(context=CDK_JSON["context"] | {"stage": "local"})
    add_stack(app)
    environment = app.synth().get_stack_by_name("turnstile-local").environment
    assert (environment.account, environment.region) == ("000000000000", "unknown-region")


def test_warning_about_uncompiled_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a Python of Lambda's version there is a warning that says what to do."""
    monkeypatch.setattr("infra.stack.stack.compiler", lambda _: None)
    warnings = [entry.data for entry in stack_of("dev").node.metadata if entry.type == "aws:cdk:warning"]
    assert [warning.startswith(NOT_COMPILED) for warning in warnings] == [True]
