"""The planned deployment: what the synthesized stack needs of the account."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.cli.deployment import stack_name
from infra.cli.local.assembly import synthesize

FUNCTION, POOL, API_STAGE = "AWS::Lambda::Function", "AWS::Cognito::UserPool", "AWS::ApiGatewayV2::Stage"
DOMAIN = "AWS::ApiGatewayV2::DomainName"


@dataclass(frozen=True, slots=True)
class CustomDomain:
    """The API's own domain, and the ARN of its certificate."""

    name: str
    certificate_arn: str


@dataclass(frozen=True, slots=True)
class DeploymentPlan:
    """The stack's needs of the account: reserved executions by function (logical id), the CDK's bootstrap, mail.

    `writes` is how many requests a second its routes for writing accept in all. `mail` is the e-mail configuration of
    the stack's own user pool, empty for Cognito's default, None for a stack without a pool. `domain` is None for an
    API at API Gateway's own address.
    """

    stack: str
    keeps_data: bool
    reserved: Mapping[str, int]
    bootstrap_version: int
    bootstrap_parameter: str
    writes: float
    mail: Mapping[str, Any] | None
    domain: CustomDomain | None

    @classmethod
    def of(cls, stage: str, context: Mapping[str, str], account: str, region: str) -> DeploymentPlan:
        """Synthesize a stage for an account and region, and read it.

        Raises CliError with the app's own message if the context is invalid there.
        """
        with tempfile.TemporaryDirectory(prefix="turnstile-preflight-") as directory:
            synthesize({**context, "stage": stage}, Path(directory), account, region)
            return cls.read(stage, Path(directory))

    @classmethod
    def read(cls, stage: str, assembly: Path) -> DeploymentPlan:
        """Read a synthesized stage."""
        name = stack_name(stage)
        artifact = json.loads((assembly / "manifest.json").read_text())["artifacts"][name]["properties"]
        template = json.loads((assembly / artifact["templateFile"]).read_text())
        resources = template["Resources"]
        pools = [item for item in resources.values() if item["Type"] == POOL]
        domains = [item["Properties"] for item in resources.values() if item["Type"] == DOMAIN]
        return cls(
            stack=name,
            keeps_data=bool(artifact.get("terminationProtection")),
            reserved={
                logical_id: int(item["Properties"]["ReservedConcurrentExecutions"])
                for logical_id, item in resources.items()
                if item["Type"] == FUNCTION and "ReservedConcurrentExecutions" in item["Properties"]
            },
            bootstrap_version=int(artifact["requiresBootstrapStackVersion"]),
            bootstrap_parameter=str(artifact["bootstrapStackVersionSsmParameter"]),
            writes=sum(
                float(settings["ThrottlingRateLimit"])
                for item in resources.values()
                if item["Type"] == API_STAGE
                for route, settings in item["Properties"].get("RouteSettings", {}).items()
                if not route.startswith("GET ")
            ),
            mail=pools[0]["Properties"].get("EmailConfiguration", {}) if pools else None,
            domain=(
                CustomDomain(domains[0]["DomainName"], domains[0]["DomainNameConfigurations"][0]["CertificateArn"])
                if domains
                else None
            ),
        )
