"""The stages, and everything in which they differ."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from aws_cdk import RemovalPolicy
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs

from infra.build.bundles import Platform
from infra.identity import STAGES_WITH_TEST_USERS
from infra.settings.address import Address
from infra.settings.auth import Auth
from infra.settings.limits import Limits
from infra.settings.origins import parse_origins

StageName = Literal["local", "dev", "prod"]
LOCAL_API_ID = "turnstile"


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage. `endpoint` is the emulator's URL without trailing slash on `local`, and None on AWS.

    `cors_origins` are the origins of the web pages whose scripts may call the API. Raises ValueError for a stage on AWS
    without authentication, and for settings that the stage does not support.
    """

    name: StageName
    endpoint: str | None = None
    auth: Auth = field(default_factory=Auth)
    limits: Limits = field(default_factory=Limits)
    address: Address = field(default_factory=Address)
    cors_origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.auth.kind == "none" and self.name != "local":
            raise ValueError(f"auth=none is for the stage local only: on {self.name} anyone could do anything")
        if self.name == "local":
            if self.auth.mail is not None:
                raise ValueError("mailFrom and sesIdentity are for a stage on AWS: the stage local sends no mail")
            self._require_emulator_support()
        if self.name == "prod":
            for origin in self.cors_origins:
                if not origin.startswith("https://"):
                    raise ValueError(f"corsOrigins={origin}: the stage prod takes https origins only; use -c stage=dev")

    def _require_emulator_support(self) -> None:
        cors = f"corsOrigins={','.join(self.cors_origins)}" if self.cors_origins else None
        if given := self.address.given() or cors:
            raise ValueError(
                f"{given} is for a stage on AWS, and the emulator does not support it: leave it out on the stage local"
            )

    @classmethod
    def parse(cls, setting: Callable[[str], Any]) -> Stage:
        """Read a stage with all its settings from the CDK's context, which `setting` looks up.

        Raises ValueError with a sentence for the person deploying.
        """
        name: Any = setting("stage") or "dev"
        endpoint: str = setting("endpoint") or "http://localhost:4566"
        if name not in get_args(StageName):
            raise ValueError(f"stage={name}: use -c stage=" + "|".join(get_args(StageName)))
        return cls(
            name,
            endpoint.rstrip("/") if name == "local" else None,
            Auth.parse(setting, default="none" if name == "local" else "cognito"),
            Limits.parse(setting),
            Address.parse(setting),
            parse_origins(setting),
        )

    @property
    def service(self) -> str:
        """The stage's name in its stack, logs, metrics and alarms."""
        return f"turnstile-{self.name}"

    @property
    def on_aws(self) -> bool:
        """Return whether this is AWS, with TLS, KMS, throttling and access logs; the emulator has none of them."""
        return self.name != "local"

    @property
    def keeps_data(self) -> bool:
        """Return whether data is protected: it can be restored, cannot be deleted by accident, and outlives the stack.

        On other stages everything is deleted with the stack.
        """
        return self.name == "prod"

    @property
    def removal_policy(self) -> RemovalPolicy:
        """Return the policy for a resource with data: production keeps it when it is deleted or replaced.

        If its creation is rolled back it is still empty, and CloudFormation deletes it.
        """
        return RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if self.keeps_data else RemovalPolicy.DESTROY

    @property
    def protected_removal_policy(self) -> RemovalPolicy:
        """Return the policy for a resource with deletion protection: the tables and the user pool.

        CloudFormation cannot delete it: a rollback that tried would end in ROLLBACK_FAILED
        (docs/decisions/0030-the-first-deployment.md).
        """
        return RemovalPolicy.RETAIN if self.keeps_data else RemovalPolicy.DESTROY

    @property
    def reserved_registrars(self) -> int | None:
        """The executions that are reserved for registrars; None if they share the account's concurrency."""
        wanted = self.keeps_data if self.limits.reserve is None else self.limits.reserve
        return self.limits.registrars if wanted else None

    @property
    def has_reference(self) -> bool:
        """Return whether there is a page on which anyone can try the routes: not in production."""
        return self.name != "prod"

    @property
    def has_test_users(self) -> bool:
        """Return whether an operator may create users in the stage's own user pool and sign them in."""
        return self.name in STAGES_WITH_TEST_USERS

    @property
    def log_retention(self) -> logs.RetentionDays:
        """Return how long logs are kept."""
        return logs.RetentionDays.THREE_MONTHS if self.name == "prod" else logs.RetentionDays.TWO_WEEKS

    @property
    def platform(self) -> Platform:
        """The platform of the bundles: the emulator runs functions with this machine's Python."""
        return "lambda-arm64" if self.on_aws else "host"

    @property
    def architecture(self) -> lambda_.Architecture:
        """The processor of the functions: arm64 on AWS, which is a fifth cheaper; locally this machine's."""
        if not self.on_aws and platform.machine() not in {"arm64", "aarch64"}:
            return lambda_.Architecture.X86_64
        return lambda_.Architecture.ARM_64
