"""A first deployment of production that fails can be repeated, whatever state it ended in.

The CDK's own command line against services that answer as AWS does (`stacks.py` says from which source each rule is).
What needs the command line takes seconds each, and runs with `make prove-first-deployment` only.
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
from tests.support.pages import shell_blocks

NAME = "turnstile-prod"
PAGE = ROOT / "docs" / "first-deployment.md"
REASON = "decreases account's UnreservedConcurrentExecution below its minimum value of [100]"
_UNDELETABLE = f"[{NAME}] cannot be deleted while TerminationProtection is enabled"
PROTECTED = {"AWS::DynamoDB::Table": 4, "AWS::Cognito::UserPool": 1}
"""What production has with deletion protection of its own."""
DOMAIN = {
    "domainName": "api.example.org",
    "certificateArn": "arn:aws:acm:eu-central-1:123456789012:certificate/0a1b-2c",
}
with_the_cdk = pytest.mark.skipif("TURNSTILE_CDK" not in os.environ, reason="make prove-first-deployment")
WORDS = {
    "AWS::DynamoDB::Table": "TABLE",
    "AWS::Cognito::UserPool": "USER_POOL_ID",
    "AWS::SQS::Queue": "QUEUE_URL",
    "AWS::Logs::LogGroup": "LOG_GROUP",
}
"""What stands for a resource in the page's commands."""

Template = dict[str, Any]


@pytest.fixture(scope="module")
def assembly(stacks: dict[str, TurnstileStack]) -> Path:
    """Production as it is synthesized."""
    return Path(stacks["prod"].node.root.synth().directory)


@pytest.fixture
def production(templates: dict[str, Template]) -> Template:
    """Production's template."""
    return copy.deepcopy(templates["prod"])


@pytest.fixture
def account(production: Template) -> Account:
    """A new account, which has too little concurrency for the registrar's reservation."""
    registrar = next(name for name in production["Resources"] if name.startswith("WorkersRegistrarFunction"))
    return Account(faults={registrar: REASON})


def kinds(account: Account) -> Counter[str]:
    """How many of each kind are left of a stack that has gone, or was rolled back."""
    return Counter(item.kind for item in account.orphans(NAME))


def failed(account: Account, template: Template) -> str:
    """Deploy for the first time, with rollback and termination protection; return the state in which that ends."""
    made = account.prepare(NAME, template)
    account.protect(made, on=True)
    account.execute(made, roll_back=True)
    return made.status


def preflight(url: str, assembly: Path) -> dict[str, PreflightFinding]:
    """What `turnstile preflight` finds of the stack."""
    plan = DeploymentPlan.read("prod", assembly)
    return {check.name: check.perform() for check in stack.checks(plan, Clients(boto3.Session(), url))}


def typed(url: str, named: str) -> None:
    """Type the commands of the block of the page that has this word."""
    (block,) = [block for block in shell_blocks(PAGE) if f" {named}" in block]
    for command in block.splitlines():
        if " wait " not in command:
            aws(command, url)


def clean_up(url: str, account: Account) -> None:
    """Type what the page says of each resource that is left behind."""
    (block,) = [block for block in shell_blocks(PAGE) if " delete-table" in block]
    for item in account.orphans(NAME):
        for command in block.splitlines():
            if WORDS.get(item.kind) in command.split():
                aws(command.replace(WORDS[item.kind], item.physical_id), url)


def test_a_rollback_leaves_what_is_protected(account: Account, production: Template) -> None:
    """Of a first deployment that was rolled back only tables and user pool are left, which are protected themselves."""
    assert failed(account, production) == "ROLLBACK_COMPLETE"
    assert kinds(account) == PROTECTED


def test_a_stack_that_goes_leaves_its_data(account: Account, production: Template) -> None:
    """Of a stack that worked, everything with data is left when somebody deletes it."""
    account.faults = {}
    made = account.prepare(NAME, production)
    account.execute(made, roll_back=True)
    account.delete(made)
    left = kinds(account)
    assert left.keys() == {*PROTECTED, "AWS::Cognito::UserPoolClient", "AWS::Cognito::UserPoolGroup"} | {
        "AWS::Logs::LogGroup",
        "AWS::SQS::Queue",
    }
    assert (left["AWS::SQS::Queue"], left["AWS::DynamoDB::Table"]) == (3, 4)


def test_protected_resources_cannot_be_rolled_back(account: Account, production: Template) -> None:
    """Were tables and user pool to go with a rollback as the rest does, it would fail: that is why they stay."""
    for item in production["Resources"].values():
        if item.get("DeletionPolicy") == "Retain":
            item["DeletionPolicy"] = "RetainExceptOnCreate"
    assert failed(account, production) == "ROLLBACK_FAILED"


@with_the_cdk
def test_without_rollback_it_goes_on(account: Account, assembly: Path) -> None:
    """Deployed with `--no-rollback`, a first deployment that fails is repeated with the same command, and goes on: it
    makes nothing twice and leaves nothing behind, and the stack is protected in the end."""
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
    """After a rollback, preflight fails with the command that makes the stack deletable, and names what is left; what
    the page has one type then leaves nothing, and preflight agrees."""
    failed(account, production)
    with serve(Service(account)) as url:
        before = preflight(url, assembly)
        typed(url, "update-termination-protection")
        clean_up(url, account)
        after = preflight(url, assembly)
    assert before["stack"].level == "FAILED"
    assert before["stack"].detail.endswith(f"--no-enable-termination-protection --stack-name {NAME}")
    assert (before["left behind"].level, before["left behind"].detail[:2]) == ("warning", "5 ")
    assert (after["stack"].level, after["left behind"].level) == ("warning", "ok")
    assert account.orphans(NAME) == []


def test_the_page_says_how_to_give_up(account: Account, production: Template, assembly: Path) -> None:
    """From a deployment that is paused, what the page has one type leaves nothing at all, and preflight agrees."""
    made = account.prepare(NAME, production)
    account.protect(made, on=True)
    account.execute(made, roll_back=False)
    assert made.status == "CREATE_FAILED"
    with serve(Service(account)) as url:
        typed(url, "update-termination-protection")
        typed(url, "delete-stack")
        left = preflight(url, assembly)["left behind"]
        clean_up(url, account)
        after = preflight(url, assembly)
    assert left.level == "warning"
    assert (account.stacks, account.resources) == ({}, {})
    assert [finding.level for finding in after.values()] == ["ok", "ok"]


@with_the_cdk
def test_with_rollback_it_is_cleaned_up_and_repeated(account: Account, assembly: Path) -> None:
    """Deployed with rollback by mistake, it is repeated after the page's clean-up, and nothing is left of the first
    time."""
    with serve(Service(account)) as url:
        assert deploy(assembly, url).returncode == 1
        (made,) = account.stacks.values()
        assert (made.status, made.termination_protection) == ("ROLLBACK_COMPLETE", True)
        typed(url, "update-termination-protection")
        clean_up(url, account)
        account.faults = {}
        again = deploy(assembly, url, "--no-rollback")
    assert again.returncode == 0, again.stderr
    (anew,) = account.stacks.values()
    assert (anew.status, anew.termination_protection) == ("CREATE_COMPLETE", True)
    assert account.orphans(NAME) == []


@with_the_cdk
def test_without_the_clean_up_it_is_stuck(account: Account, assembly: Path) -> None:
    """Repeated without the clean-up, after a rollback, it is refused: the CDK's command line has switched
    termination protection on before it executed the change set, and now cannot delete the stack."""
    service = Service(account)
    with serve(service) as url:
        assert deploy(assembly, url).returncode == 1
        assert service.calls.index("UpdateTerminationProtection") < service.calls.index("ExecuteChangeSet")
        account.faults = {}
        again = deploy(assembly, url, "--no-rollback")
        assert (again.returncode, _UNDELETABLE in again.stderr) == (1, True), again.stderr
    assert [made.status for made in account.stacks.values()] == ["ROLLBACK_COMPLETE"]


@with_the_cdk
def test_what_was_kept_at_first_was_left_behind(account: Account, assembly: Path, tmp_path: Path) -> None:
    """With a plain Retain everywhere, as it was, queues, logs, groups and app client were left behind as well."""
    changed = tmp_path / "assembly"
    changed.mkdir()
    for file in assembly.iterdir():
        content = file.read_text() if file.is_file() else None
        if content is not None:
            (changed / file.name).write_text(content.replace('"RetainExceptOnCreate"', '"Retain"'))
    with serve(Service(account)) as url:
        deploy(changed, url)
    assert sum(kinds(account).values()) > sum(PROTECTED.values()) + 10


@with_the_cdk
def test_a_deployment_that_was_not_confirmed_is_repeated(account: Account, assembly: Path) -> None:
    """Whoever says no when the CDK asks is told that the stack cannot be deleted, because it is protected already.
    Nothing was made, and the next deployment takes the stack as it is."""
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
    """What is deployed here is what the CDK would deploy: protected, and behind a bootstrap of a certain version."""
    plan = DeploymentPlan.read("prod", assembly)
    assert (plan.stack, plan.keeps_data, plan.bootstrap_version) == (NAME, True, 6)
    assert plan.bootstrap_parameter == "/cdk-bootstrap/hnb659fds/version"
    assert list(plan.reserved.values()) == [50]
    writes = [route for route in ROUTES if route.method != "GET"]
    assert plan.writes == 250 * len(writes)


def test_preflight_looks_at_what_is_asked_for() -> None:
    """The settings of the deployment decide what preflight looks at."""
    issuer = {"auth": "oidc", "issuer": "https://id.example.org", "audience": "turnstile"}
    context = {**issuer, **DOMAIN, "reserve": "yes", "registrars": "7", "writesPerSecond": "3"}
    plan = DeploymentPlan.of("dev", context, "123456789012", "eu-central-1")
    assert (plan.stack, plan.keeps_data, plan.mail) == ("turnstile-dev", False, None)
    assert plan.domain == CustomDomain(DOMAIN["domainName"], DOMAIN["certificateArn"])
    assert list(plan.reserved.values()) == [7]
    assert plan.writes == 3 * len([route for route in ROUTES if route.method != "GET"])


def test_preflight_says_what_the_app_says() -> None:
    """Settings that do not fit the account and region are refused with the app's own sentence."""
    sentence = "is in the region eu-central-1, and the stack is deployed to us-east-1"
    with pytest.raises(CliError, match=f"the stack cannot be synthesized: certificateArn=.* {sentence}"):
        DeploymentPlan.of("dev", DOMAIN, "123456789012", "us-east-1")
