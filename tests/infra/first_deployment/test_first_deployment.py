"""A failed first deployment of production can be repeated, whatever state it ended in.

The CDK's command line talks to services that respond as AWS does (`stacks.py` gives the source of each rule). The tests
that need the command line take seconds each and run only with `make prove-first-deployment`.
"""

from __future__ import annotations

import copy
import os
from collections import Counter
from pathlib import Path
from typing import Any

import boto3
import pytest

from api.http.routes import ROUTES
from infra.build.bundles import ROOT
from infra.cli.deployment import Clients
from infra.cli.errors import CliError
from infra.cli.preflight import stack
from infra.cli.preflight.check import PreflightFinding
from infra.cli.preflight.plan import CustomDomain, DeploymentPlan
from infra.stack.stack import TurnstileStack
from tests.infra.first_deployment.commands import aws, deploy
from tests.infra.first_deployment.service import Service, serve
from tests.infra.first_deployment.stacks import Account
from tests.infra.synthesis import CERTIFICATE, DOMAIN
from tests.support.pages import shell_blocks

NAME = "turnstile-prod"
PAGE = ROOT / "docs" / "first-deployment.md"
REASON = "decreases account's UnreservedConcurrentExecution below its minimum value of [100]"
_UNDELETABLE = f"[{NAME}] cannot be deleted while TerminationProtection is enabled"
PROTECTED = {"AWS::DynamoDB::Table": 4, "AWS::Cognito::UserPool": 1}
"""The resources of production with deletion protection."""
with_the_cdk = pytest.mark.skipif("TURNSTILE_CDK" not in os.environ, reason="make prove-first-deployment")
WORDS = {
    "AWS::DynamoDB::Table": "TABLE",
    "AWS::Cognito::UserPool": "USER_POOL_ID",
    "AWS::SQS::Queue": "QUEUE_URL",
    "AWS::Logs::LogGroup": "LOG_GROUP",
}
"""The placeholders for resources in the page's commands."""

Template = dict[str, Any]


@pytest.fixture(scope="module")
def assembly(stacks: dict[str, TurnstileStack]) -> Path:
    """Return the synthesized production stage."""
    return Path(stacks["prod"].node.root.synth().directory)


@pytest.fixture
def production(templates: dict[str, Template]) -> Template:
    """Production's template."""
    return copy.deepcopy(templates["prod"])


@pytest.fixture
def account(production: Template) -> Account:
    """Return a new account with too little concurrency for the registrar's reservation."""
    registrar = next(name for name in production["Resources"] if name.startswith("WorkersRegistrarFunction"))
    return Account(faults={registrar: REASON})


def kinds(account: Account) -> Counter[str]:
    """Count the resources by type that are left of a stack that was deleted or rolled back."""
    return Counter(item.kind for item in account.orphans(NAME))


def failed(account: Account, template: Template) -> str:
    """Deploy for the first time, with rollback and termination protection, and return the final state."""
    made = account.prepare(NAME, template)
    account.protect(made, on=True)
    account.execute(made, roll_back=True)
    return made.status


def preflight(url: str, assembly: Path) -> dict[str, PreflightFinding]:
    """Return what `turnstile preflight` finds about the stack."""
    plan = DeploymentPlan.read("prod", assembly)
    return {check.name: check.perform() for check in stack.checks(plan, Clients(boto3.Session(), url))}


def run_block(url: str, named: str) -> None:
    """Run the commands of the page's block that contains this word."""
    (block,) = [block for block in shell_blocks(PAGE) if f" {named}" in block]
    for command in block.splitlines():
        if " wait " not in command:
            aws(command, url)


def clean_up(url: str, account: Account) -> None:
    """Run the page's commands for each resource that is left behind."""
    (block,) = [block for block in shell_blocks(PAGE) if " delete-table" in block]
    for item in account.orphans(NAME):
        for command in block.splitlines():
            if WORDS.get(item.kind) in command.split():
                aws(command.replace(WORDS[item.kind], item.physical_id), url)


def test_a_rollback_leaves_what_is_protected(account: Account, production: Template) -> None:
    """After a rollback of the first deployment only tables and user pool are left, because they are protected."""
    assert failed(account, production) == "ROLLBACK_COMPLETE"
    assert kinds(account) == PROTECTED


def test_a_deleted_stack_leaves_its_data(account: Account, production: Template) -> None:
    """When a deployed stack is deleted, all resources with data are left."""
    account.faults = {}
    made = account.prepare(NAME, production)
    account.execute(made, roll_back=True)
    account.delete(made)
    left = kinds(account)
    assert left.keys() == {*PROTECTED, "AWS::Cognito::UserPoolClient", "AWS::Cognito::UserPoolGroup"} | {
        "AWS::Logs::LogGroup",
        "AWS::SQS::Queue",
    }
    assert (left["AWS::SQS::Queue"], left["AWS::DynamoDB::Table"]) == (4, 4)


def test_protected_resources_cannot_be_rolled_back(account: Account, production: Template) -> None:
    """If tables and user pool were deleted by a rollback like the rest, it would fail: therefore they stay."""
    for item in production["Resources"].values():
        if item.get("DeletionPolicy") == "Retain":
            item["DeletionPolicy"] = "RetainExceptOnCreate"
    assert failed(account, production) == "ROLLBACK_FAILED"


@with_the_cdk
def test_without_rollback_it_goes_on(account: Account, assembly: Path) -> None:
    """With `--no-rollback`, a failed first deployment continues when the same command is repeated: it creates nothing
    twice, leaves nothing behind, and protects the stack."""
    with serve(Service(account)) as url:
        first = deploy(assembly, url, "--no-rollback")
        assert (first.returncode, REASON in " ".join(first.stderr.split())) == (1, True), first.stderr
        (made,) = account.stacks.values()
        assert (made.status, made.termination_protection) == ("CREATE_FAILED", True)
        there = dict(made.resources)
        assert preflight(url, assembly)["stack"].level == "warning"
        account.faults = {}
        again = deploy(assembly, url, "--no-rollback")
    assert again.returncode == 0, again.stderr
    assert (made.status, made.termination_protection) == ("UPDATE_COMPLETE", True)
    assert len(made.resources) == len(made.template["Resources"]) > len(there)
    assert made.resources.items() >= there.items()
    assert account.orphans(NAME) == []


def test_the_page_says_how_to_clean_up(account: Account, production: Template, assembly: Path) -> None:
    """After a rollback, preflight fails with the command that makes the stack deletable, and lists what is left. The
    page's commands then delete everything, and preflight passes."""
    failed(account, production)
    with serve(Service(account)) as url:
        before = preflight(url, assembly)
        run_block(url, "update-termination-protection")
        clean_up(url, account)
        after = preflight(url, assembly)
    assert before["stack"].level == "FAILED"
    assert before["stack"].detail.endswith(f"--no-enable-termination-protection --stack-name {NAME}")
    assert (before["left behind"].level, before["left behind"].detail[:2]) == ("warning", "5 ")
    assert (after["stack"].level, after["left behind"].level) == ("warning", "ok")
    assert account.orphans(NAME) == []


def test_the_page_says_how_to_give_up(account: Account, production: Template, assembly: Path) -> None:
    """The page's commands delete everything of a paused deployment, and preflight passes."""
    made = account.prepare(NAME, production)
    account.protect(made, on=True)
    account.execute(made, roll_back=False)
    assert made.status == "CREATE_FAILED"
    with serve(Service(account)) as url:
        run_block(url, "update-termination-protection")
        run_block(url, "delete-stack")
        left = preflight(url, assembly)["left behind"]
        clean_up(url, account)
        after = preflight(url, assembly)
    assert left.level == "warning"
    assert (account.stacks, account.resources) == ({}, {})
    assert [finding.level for finding in after.values()] == ["ok", "ok"]


@with_the_cdk
def test_with_rollback_it_is_cleaned_up_and_repeated(account: Account, assembly: Path) -> None:
    """A deployment with rollback can be repeated after the page's clean-up, and nothing is left of the first one."""
    with serve(Service(account)) as url:
        assert deploy(assembly, url).returncode == 1
        (made,) = account.stacks.values()
        assert (made.status, made.termination_protection) == ("ROLLBACK_COMPLETE", True)
        run_block(url, "update-termination-protection")
        clean_up(url, account)
        account.faults = {}
        again = deploy(assembly, url, "--no-rollback")
    assert again.returncode == 0, again.stderr
    (anew,) = account.stacks.values()
    assert (anew.status, anew.termination_protection) == ("CREATE_COMPLETE", True)
    assert account.orphans(NAME) == []


@with_the_cdk
def test_without_the_clean_up_it_is_stuck(account: Account, assembly: Path) -> None:
    """Repeated without the clean-up, after a rollback, it fails: the CDK has switched termination protection on before
    it executed the change set, and now cannot delete the stack."""
    service = Service(account)
    with serve(service) as url:
        assert deploy(assembly, url).returncode == 1
        assert service.calls.index("UpdateTerminationProtection") < service.calls.index("ExecuteChangeSet")
        account.faults = {}
        again = deploy(assembly, url, "--no-rollback")
        assert (again.returncode, _UNDELETABLE in again.stderr) == (1, True), again.stderr
    assert [made.status for made in account.stacks.values()] == ["ROLLBACK_COMPLETE"]


@with_the_cdk
def test_a_deployment_that_was_not_confirmed_is_repeated(account: Account, assembly: Path) -> None:
    """A deployment that is not confirmed fails, because the stack is already protected and cannot be deleted. Nothing
    was created, and the next deployment uses the stack."""
    account.faults = {}
    with serve(Service(account)) as url:
        refused = deploy(assembly, url, "--no-rollback", approval="any-change")
        assert (refused.returncode, _UNDELETABLE in refused.stderr) == (1, True), refused.stderr
        (made,) = account.stacks.values()
        assert (made.status, made.termination_protection, made.resources) == ("REVIEW_IN_PROGRESS", True, {})
        assert preflight(url, assembly)["stack"].level == "ok"
        again = deploy(assembly, url, "--no-rollback")
    assert again.returncode == 0, again.stderr
    assert made.status == "CREATE_COMPLETE"


def test_the_assembly_is_production(assembly: Path) -> None:
    """The assembly is that of production: protected, with reserved executions and the version of the bootstrap."""
    plan = DeploymentPlan.read("prod", assembly)
    assert (plan.stack, plan.keeps_data, plan.bootstrap_version) == (NAME, True, 6)
    assert plan.bootstrap_parameter == "/cdk-bootstrap/hnb659fds/version"
    assert list(plan.reserved.values()) == [50]
    writes = [route for route in ROUTES if route.method != "GET"]
    assert plan.writes == 250 * len(writes)


def test_the_settings_are_in_the_plan(public_stack: TurnstileStack) -> None:
    """The plan has the domain that the settings name."""
    plan = DeploymentPlan.read("prod", Path(public_stack.node.root.synth().directory))
    assert plan.domain == CustomDomain(DOMAIN["domainName"], CERTIFICATE)


def test_the_plan_reports_errors_of_the_app() -> None:
    """Settings that do not fit the account and region fail with the app's own message."""
    sentence = "is in the region eu-central-1, and the stack is deployed to us-east-1"
    with pytest.raises(CliError, match=f"the stack cannot be synthesized: certificateArn=.* {sentence}"):
        DeploymentPlan.of("dev", DOMAIN, "123456789012", "us-east-1")
