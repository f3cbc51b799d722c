"""`turnstile preflight`: check an account before a deployment."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError

from infra.cli.deployment import LOCAL, Clients, aws_session
from infra.cli.errors import CliError, UsageError
from infra.cli.preflight import account, certificate, quotas, stack
from infra.cli.preflight.plan import DeploymentPlan

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    import boto3

    from infra.cli.preflight.check import PreflightFinding

EXTRA = "deploy"
HELP = "check, before a deployment to AWS, whether it will work"
DESCRIPTION = """\
Check, before a deployment to AWS, whether it will work: the account's concurrency against what the
stage reserves, the CDK's bootstrap, Python for compiling, the region, the domain's certificate, the
quotas of queue, sign-up and mail, and what earlier deployments left. It prints one line for each check: ok,
warning, or FAILED with what to do. It synthesizes the stack as the deployment would, so give it the
same -c; it changes nothing.

A check that lacks a permission is reported as FAILED, with the permission.

examples:
  turnstile preflight --stage prod
  turnstile preflight --stage prod -c reserve=no
  turnstile preflight --stage dev --json

Exit code 0 when a deployment may start, warnings included, 1 when a check failed."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--stage", default=LOCAL, help="dev or prod")
    parser.add_argument(
        "-c", "--context", action="append", default=[], metavar="NAME=VALUE", help="a setting, as for `cdk deploy`"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")


def run(args: argparse.Namespace) -> int:
    """Run the checks, print the findings and return the exit code."""
    if args.stage == LOCAL:
        raise UsageError("preflight is for stages on AWS: use --stage dev or --stage prod; turnstile up needs none")
    context = dict(_setting(text) for text in args.context)
    session = _session()
    clients = Clients(session, None)
    identity = account.account_of(clients)
    findings = []
    plan = DeploymentPlan.of(args.stage, context, identity, session.region_name)
    for finding in findings_of(plan, session, clients, identity):
        findings.append(finding)
        if not args.json:
            print(f"{finding.level:7} {finding.name}: {finding.detail}", flush=True)
    ok = all(finding.level != "FAILED" for finding in findings)
    if args.json:
        checks = [asdict(finding) for finding in findings]
        summary = {"stage": args.stage, "account": identity, "region": session.region_name, "ok": ok, "checks": checks}
        print(json.dumps(summary))
    else:
        print("A deployment may start." if ok else "Fix the failed checks before you deploy.")
    return 0 if ok else 1


def findings_of(
    plan: DeploymentPlan, session: boto3.Session, clients: Clients, identity: str
) -> Iterator[PreflightFinding]:
    """Run every check, in the order in which they are printed; `identity` is the id of the account."""
    for check in (
        *account.checks(plan, session, clients, identity),
        *certificate.checks(plan, clients),
        *stack.checks(plan, clients),
        *quotas.checks(plan, clients, session.region_name),
    ):
        yield check.perform()


def _session() -> boto3.Session:
    try:
        return aws_session()
    except BotoCoreError as error:  # such as AWS_PROFILE with the name of no profile
        raise CliError(f"cannot use the AWS settings of this machine: {error}") from error


def _setting(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not (name and separator):
        raise UsageError(f"-c {text}: use -c NAME=VALUE, as for cdk deploy")
    return name, value
