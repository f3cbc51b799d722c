"""The checks of the account: credentials, Python, region, the CDK's bootstrap and Lambda's concurrency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)

from infra.build.bundles import LAMBDA_PYTHON, compiler
from infra.cli.errors import CliError
from infra.cli.preflight.check import Level, PreflightCheck

if TYPE_CHECKING:
    import boto3

    from infra.cli.deployment import Clients
    from infra.cli.preflight.plan import DeploymentPlan

SERVICES = ("apigatewayv2", "cognito-idp", "dynamodb", "events", "kms", "lambda", "logs", "sns", "sqs")
UNRESERVED = 100
"""Lambda refuses a reservation that leaves fewer unreserved executions than this (PutFunctionConcurrency)."""
USUAL = 1000
"""The concurrent executions that the limits in infra/stack/http/limits.py are designed for; new accounts have fewer."""
_CONCURRENCY_QUOTA = "L-B99A9384"
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})


def account_of(clients: Clients) -> str:
    """Return the id of the account that the credentials belong to.

    Raises CliError if AWS refuses them. GetCallerIdentity needs no permission, so a refusal is about the credentials.
    """
    try:
        return clients.identity.get_caller_identity()["Account"]
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise CliError(
            "there are no AWS credentials; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from error
    except (SSOError, TokenRetrievalError) as error:
        raise CliError(f"the sign-in of this profile has expired ({error}); sign in again: aws sso login") from error
    except ClientError as error:
        if error.response["Error"]["Code"] in _EXPIRED:
            raise CliError("the AWS credentials have expired; get new ones and try again") from error
        raise CliError(f"AWS does not accept these credentials in this region: {error}") from error
    except BotoCoreError as error:
        raise CliError(f"cannot ask AWS which account these credentials belong to: {error}") from error


def checks(plan: DeploymentPlan, session: boto3.Session, clients: Clients, account: str) -> list[PreflightCheck]:
    """Return the checks, in the order in which they are printed."""
    where = f"aws://{account}/{session.region_name}"
    return [
        PreflightCheck("python", (), _python),
        PreflightCheck("region", (), lambda: _region(session)),
        PreflightCheck(
            "bootstrap",
            ("ssm:GetParameter", "cloudformation:DescribeStacks"),
            lambda: _bootstrap(plan, clients, where),
        ),
        PreflightCheck(
            "concurrency",
            ("lambda:GetAccountSettings", "lambda:GetFunctionConcurrency", "cloudformation:ListStackResources"),
            lambda: _concurrency(plan, clients),
        ),
    ]


def _python() -> tuple[Level, str]:
    if python := compiler("lambda-arm64"):
        return "ok", f"functions are compiled by {python}"
    return "warning", (
        f"there is no Python {LAMBDA_PYTHON} to compile the functions with, so cold starts will take more than twice "
        f"as long; put python{LAMBDA_PYTHON} on the PATH"
    )


def _region(session: boto3.Session) -> tuple[Level, str]:
    # The SDK's own list: no API tells in which regions Lambda has arm64, and with which runtimes.
    missing = [name for name in SERVICES if session.region_name not in session.get_available_regions(name)]
    if missing:
        return "warning", (
            f"the AWS SDK lists no {', '.join(missing)} in {session.region_name}; check AWS Capabilities by "
            "Region before you deploy, or choose another region with AWS_REGION"
        )
    return "ok", (
        f"{session.region_name} has every service; no API tells whether Lambda has arm64 and Python {LAMBDA_PYTHON} "
        "there"
    )


def _bootstrap(plan: DeploymentPlan, clients: Clients, where: str) -> tuple[Level, str]:
    command = f"npx cdk bootstrap {where}"
    try:
        parameter = clients.parameters.get_parameter(Name=plan.bootstrap_parameter)["Parameter"]
    except clients.parameters.exceptions.ParameterNotFound:
        state = stack_status(clients, "CDKToolkit")
        found = f"its stack CDKToolkit is {state}, " if state else ""
        return "FAILED", f"{found}the parameter {plan.bootstrap_parameter} is missing; in infra/ run: {command}"
    version = int(parameter["Value"])
    if version < plan.bootstrap_version:
        needed = plan.bootstrap_version
        return "FAILED", f"version {version} is too old, the stack needs {needed} or later; in infra/ run: {command}"
    return "ok", f"version {version}, and the stack needs {plan.bootstrap_version} or later"


def _concurrency(plan: DeploymentPlan, clients: Clients) -> tuple[Level, str]:
    limits = clients.functions.get_account_settings()["AccountLimit"]
    most, unreserved = limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]
    wanted = sum(plan.reserved.values())
    left = unreserved + _reserved_already(plan, clients) - wanted
    has = f"the account has {most} concurrent executions, {unreserved} of them unreserved"
    if wanted and left < UNRESERVED:
        enough = max(USUAL, most + UNRESERVED - left)
        return "FAILED", (
            f"{has}; the stage reserves {wanted}, and Lambda keeps {UNRESERVED} for functions without a reservation. "
            f"Ask for more: aws service-quotas request-service-quota-increase --service-code lambda --quota-code "
            f"{_CONCURRENCY_QUOTA} --desired-value {enough}; or deploy with -c reserve=no until you have it"
        )
    if most < USUAL:
        return "warning", (
            f"{has}; the stage's request limits are designed for {USUAL}. Ask for more: aws service-quotas "
            f"request-service-quota-increase --service-code lambda --quota-code {_CONCURRENCY_QUOTA} --desired-value "
            f"{USUAL}; or lower readsPerSecond, writesPerSecond and registrars (-c)"
        )
    return "ok", f"{has}; the stage reserves {wanted or 'none'}"


def _reserved_already(plan: DeploymentPlan, clients: Clients) -> int:
    """Return the executions that the deployed stack has reserved already, for functions that the plan reserves for."""
    if not plan.reserved or not stack_status(clients, plan.stack):
        return 0
    pages = clients.cloudformation.get_paginator("list_stack_resources").paginate(StackName=plan.stack)
    names = [
        item["PhysicalResourceId"]
        for page in pages
        for item in page["StackResourceSummaries"]
        if item["LogicalResourceId"] in plan.reserved
        and item["ResourceStatus"].endswith(("CREATE_COMPLETE", "UPDATE_COMPLETE"))
    ]
    answers = [clients.functions.get_function_concurrency(FunctionName=name) for name in names]
    return sum(answer.get("ReservedConcurrentExecutions", 0) for answer in answers)


def stack_status(clients: Clients, name: str) -> str:
    """Return the status of a stack, an empty string if it does not exist."""
    try:
        return clients.cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
    except ClientError as error:
        if "does not exist" in str(error):
            return ""
        raise
