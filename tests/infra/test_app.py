"""The CDK app, run as the CDK's command line runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.build.bundles import ROOT, compiler
from infra.cli.local import assembly
from infra.stack.stack import NOT_COMPILED
from tests.infra.reading import Resources
from tests.infra.synthesis import CDK_JSON, DOMAIN

SETTINGS = {
    "readsPerSecond": "77",
    "writesPerSecond": "33",
    "registrars": "7",
    "reserve": "yes",
    "domainName": str(DOMAIN.domain_name),
    "certificateArn": str(DOMAIN.certificate_arn),
    "publicUrl": "https://example.org/api",
    "corsOrigins": "https://app.example.org",
}
DECLINED = {"@aws-cdk/core:enableAdditionalMetadataCollection": "Nothing of this stack is reported to anybody."}
"""The recommended feature flags that cdk.json does not follow, each with the reason."""


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))}
    return kept | {"PATH": assembly._path(), "CDK_DISABLE_CLI_TELEMETRY": "true", "CDK_DISABLE_VERSION_CHECK": "1"}


def _run(outdir: Path, context: dict[str, str], **more: str) -> subprocess.CompletedProcess[str]:
    environment = _environment() | {"CDK_OUTDIR": str(outdir), "CDK_VALIDATION": "false"}
    environment |= {"CDK_CONTEXT_JSON": json.dumps(CDK_JSON["context"] | context)} | more
    command = [sys.executable, *CDK_JSON["app"].split()[1:]]
    return subprocess.run(command, cwd=ROOT / "infra", env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """What `cdk synth` makes and prints, without a word about the stage and without AWS credentials."""
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
    """Without a word about the stage, and without AWS credentials, the app synthesizes `turnstile-dev`, with what the
    context says of limits, domain, public URL and origins."""
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
    """The CDK prints nothing but the stack's own warning, if there is reason for it: no addresses in the CDK's code, no
    count of feature flags."""
    warning = [
        f"WARNING {NOT_COMPILED} (Annotation)",
        "   turnstile-dev aws-cdk-lib.Stack",
        "   Acknowledge with 'Annotation::turnstile:not-compiled'",
    ]
    assert synthesized[1] == ([] if compiler("lambda-arm64") else warning)


def test_feature_flags(synthesized: tuple[Path, list[str]]) -> None:
    """Each feature flag of the CDK's library that makes a difference is set as recommended, or declined with a reason;
    cdk.json has no other ones."""
    manifest = json.loads((synthesized[0] / "manifest.json").read_text())
    flags = manifest["artifacts"]["aws-cdk-lib/feature-flag-report"]["properties"]["flags"]
    recommended = {name: flag["recommendedValue"] for name, flag in flags.items() if _makes_a_difference(flag)}
    ours = CDK_JSON["context"]
    assert {name for name, value in recommended.items() if ours.get(name) != value} == set(DECLINED)
    assert ours.keys() <= flags.keys()


def _makes_a_difference(flag: dict[str, Any]) -> bool:
    return bool(flag["recommendedValue"] != flag.get("unconfiguredBehavesLike", {}).get("v2", False))


def test_unknown_stage(tmp_path: Path) -> None:
    """An unknown stage is refused with one sentence that names the known ones."""
    done = _run(tmp_path, {"stage": "staging"})
    assert done.returncode == 1
    assert done.stderr == "stage=staging: use -c stage=local|dev|prod\n"


@pytest.mark.parametrize(
    ("name", "hint"), [("listPerSecond", "did you mean listsPerSecond?"), ("zzz", "the settings are audience, auth, ")]
)
def test_unknown_setting(tmp_path: Path, name: str, hint: str) -> None:
    """A name that no setting has is refused, with the one that was probably meant: it would be ignored silently."""
    done = _run(tmp_path, {name: "10"})
    assert (done.returncode, done.stderr.startswith(f"unknown setting {name}: {hint}")) == (1, True), done.stderr


def test_the_local_stage_on_aws(tmp_path: Path) -> None:
    """The local stage, which is open to everybody, is not synthesized for an AWS account."""
    done = _run(tmp_path, {"stage": "local"}, CDK_DEFAULT_ACCOUNT="123456789012")
    assert done.returncode == 1
    assert "not for the AWS account 123456789012" in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_local_stage_is_pinned_to_the_emulator(tmp_path: Path) -> None:
    """What was synthesized of the local stage says that it is for the emulator's account: the CDK deploys it to no
    other one."""
    done = _run(tmp_path, {"stage": "local"})
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["artifacts"]["turnstile-local"]["environment"] == "aws://000000000000/unknown-region"
