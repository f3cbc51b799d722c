"""The stages, and everything in which they differ."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, get_args

from aws_cdk import RemovalPolicy
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs

from infra.build.bundles import Platform
from infra.identity import STAGES_WITH_TEST_USERS
from infra.settings.address import Address
from infra.settings.auth import Auth
from infra.settings.limits import Limits

StageName = Literal["local", "dev", "prod"]
LOCAL_API_ID = "turnstile"
NOT_SAID: Mapping[str, str | None] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage. `endpoint` is the emulator's address, without trailing slash: for `local` only, None elsewhere.

    `cors_origins` are those of the web pages whose scripts may call the API. ValueError for a stage on AWS at which
    nobody would vouch for the callers, and for settings that a stage has no use for.
    """

    name: StageName
    endpoint: str | None = None
    auth: Auth = field(default_factory=Auth)
    limits: Limits = field(default_factory=Limits)
    address: Address = field(default_factory=Address)
    cors_origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.auth.kind == "none" and self.name != "local":
            raise ValueError(f"auth=none is for the stage local only: on {self.name} anybody could do anything")
        if self.name == "local":
            if self.auth.mail is not None:
                raise ValueError("mailFrom and sesIdentity are for a stage on AWS: the stage local sends no mail")
            self._refuse_what_the_emulator_lacks()
        if self.name == "prod":
            for origin in self.cors_origins:
                if not origin.startswith("https://"):
                    raise ValueError(f"corsOrigins={origin}: the stage prod takes https origins only; use -c stage=dev")

    def _refuse_what_the_emulator_lacks(self) -> None:
        cors = f"corsOrigins={','.join(self.cors_origins)}" if self.cors_origins else None
        if given := self.address.given() or cors:
            raise ValueError(
                f"{given} is for a stage on AWS, and the emulator has no use for it: leave it out of the stage local"
            )

    @classmethod
    def parse(cls, name: str, endpoint: str | None, auth: Mapping[str, str | None] = NOT_SAID) -> Stage:
        """Make a stage of the CDK's context values, `auth` those by the names in `infra.settings.auth.CONTEXT`.

        Raises ValueError with a sentence for the person deploying.
        """
        for known in get_args(StageName):
            if name == known:
                local = (endpoint or "http://localhost:4566").rstrip("/") if name == "local" else None
                return cls(known, local, Auth.parse(auth, default="none" if name == "local" else "cognito"))
        raise ValueError(f"stage={name}: use -c stage=" + "|".join(get_args(StageName)))

    @property
    def service(self) -> str:
        """What this stage is called in its stack, logs, metrics and alarms."""
        return f"turnstile-{self.name}"

    @property
    def on_aws(self) -> bool:
        """Whether this is AWS, where there are TLS, keys, limits and access logs, and not the emulator, without."""
        return self.name != "local"

    @property
    def keeps_data(self) -> bool:
        """Whether data outlives mistakes: it can be put back, cannot be deleted by accident, and stays when the stack
        goes. Elsewhere everything goes with the stack."""
        return self.name == "prod"

    @property
    def removal_policy(self) -> RemovalPolicy:
        """Say what becomes of a resource with data: production keeps it when the stack goes, or when it is replaced.

        If its own creation is rolled back it is new and empty, and CloudFormation deletes it.
        """
        return RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if self.keeps_data else RemovalPolicy.DESTROY

    @property
    def protected_removal_policy(self) -> RemovalPolicy:
        """Say the same of a resource with deletion protection of its own, as tables and the user pool have.

        CloudFormation could not delete it: a rollback that had to would end in ROLLBACK_FAILED
        (docs/decisions/0030-the-first-deployment.md).
        """
        return RemovalPolicy.RETAIN if self.keeps_data else RemovalPolicy.DESTROY

    @property
    def reserved_registrars(self) -> int | None:
        """How many executions are set aside for registrars; None: they share the account's with everybody."""
        wanted = self.keeps_data if self.limits.reserve is None else self.limits.reserve
        return self.limits.registrars if wanted else None

    @property
    def has_reference(self) -> bool:
        """Whether there is a page on which anybody can try the routes: not in production."""
        return self.name != "prod"

    @property
    def has_test_users(self) -> bool:
        """Whether an operator may make people in the stage's own user pool, and sign them in."""
        return self.name in STAGES_WITH_TEST_USERS

    @property
    def log_retention(self) -> logs.RetentionDays:
        """How long logs are kept."""
        return logs.RetentionDays.THREE_MONTHS if self.name == "prod" else logs.RetentionDays.TWO_WEEKS

    @property
    def platform(self) -> Platform:
        """What the bundles are made for: the emulator runs functions with this machine's Python."""
        return "lambda-arm64" if self.on_aws else "host"

    @property
    def architecture(self) -> lambda_.Architecture:
        """The processor of the functions: arm64 on AWS (a fifth cheaper), locally this machine's."""
        if not self.on_aws and platform.machine() not in {"arm64", "aarch64"}:
            return lambda_.Architecture.X86_64
        return lambda_.Architecture.ARM_64
