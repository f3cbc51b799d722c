"""The CDK app, run as the CDK's command line runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from infra.bundles import ROOT
from tests.infra.reading import Resources
from tests.infra.synthesis import DOMAIN


def _run(outdir: Path, context: dict[str, str], **more: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment = kept | {"CDK_OUTDIR": str(outdir), "CDK_CONTEXT_JSON": json.dumps(context), "CDK_VALIDATION": "false"}
    environment |= more
    app: str = json.loads((ROOT / "infra/cdk.json").read_text())["app"]
    command = [sys.executable, *app.split()[1:]]
    return subprocess.run(command, cwd=ROOT / "infra", env=environment, capture_output=True, text=True, check=False)


def test_default_stage_is_dev(tmp_path: Path) -> None:
    """Without a word about the stage, and without AWS credentials, the app synthesizes `turnstile-dev`, with what the
    context says of limits, domain, public URL and origins."""
    limits = {"readsPerSecond": "77", "writesPerSecond": "33", "registrars": "7", "reserve": "yes"}
    domain = {"domainName": "api.example.org", "certificateArn": DOMAIN.certificate_arn or ""}
    more = {"publicUrl": "https://example.org/api", "corsOrigins": "https://app.example.org"}
    done = _run(tmp_path, limits | domain | more, CDK_DEFAULT_REGION="eu-central-1")
    assert done.returncode == 0, done.stderr
    resources = Resources(json.loads((tmp_path / "turnstile-dev.template.json").read_text()))
    stage = resources.one("HttpApiDefaultStage")
    assert stage["DefaultRouteSettings"] == {"ThrottlingRateLimit": 77, "ThrottlingBurstLimit": 77}
    assert stage["RouteSettings"]["POST /users"] == {"ThrottlingRateLimit": 33, "ThrottlingBurstLimit": 33}
    assert resources.one("TriggersCommands")["ScalingConfig"] == {"MaximumConcurrency": 7}
    assert resources.one("WorkersRegistrarFunction")["ReservedConcurrentExecutions"] == 7
    assert resources.one("HttpDomain")["DomainName"] == "api.example.org"
    assert resources.one("ApiUsersFunction")["Environment"]["Variables"]["API_URL"] == "https://example.org/api"
    assert resources.one("HttpApi")["CorsConfiguration"]["AllowOrigins"] == ["https://app.example.org"]


def test_senseless_limit(tmp_path: Path) -> None:
    """A limit that makes no sense is refused with one sentence."""
    done = _run(tmp_path, {"registrars": "1"})
    assert done.returncode == 1
    assert done.stderr == "registrars=1: use -c registrars=N, a whole number from 2 to 1000\n"


def test_unknown_stage(tmp_path: Path) -> None:
    """An unknown stage is refused with one sentence that names the known ones."""
    done = _run(tmp_path, {"stage": "staging"})
    assert done.returncode == 1
    assert done.stderr == "Unknown stage 'staging': use -c stage=local|dev|prod\n"


def test_production_without_an_authorizer(tmp_path: Path) -> None:
    """`auth=none` for production is refused with one sentence, and nothing is synthesized."""
    done = _run(tmp_path, {"stage": "prod", "auth": "none"})
    assert done.returncode == 1
    assert done.stderr == "auth=none is for the stage local only: on prod anybody could do anything\n"
    assert not list(tmp_path.iterdir())


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
