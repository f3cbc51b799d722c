"""`turnstile preflight` in the situations that an account can be in: its lines and its exit codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, SSOTokenLoadError

from infra.cli.commands import preflight
from infra.cli.preflight.plan import DeploymentPlan
from tests.cli.command import CommandResult, Turnstile
from tests.cli.preflight_account import (
    ACCOUNT,
    CREATION,
    DENIED,
    DOMAIN,
    HEALTHY,
    OWN_LOG,
    PROD,
    SES,
    TABLE,
    Answers,
    Aws,
    certificate,
    concurrency,
    ses,
    stack,
)

Preflight = Callable[..., CommandResult]

POOR = replace(PROD, reserved={})
BUSY = replace(PROD, writes=80_000.0)
OWN_DOMAIN = replace(PROD, domain=DOMAIN)
MAIL = replace(PROD, mail=SES)
MAIL_ELSEWHERE = replace(PROD, mail={**SES, "SourceArn": SES["SourceArn"].replace("us-east-1", "eu-west-1")})
JOINED = {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":ses:", {"Ref": "AWS::Region"}, ":identity/a.org"]]}
MAIL_HERE = replace(PROD, mail={**SES, "SourceArn": JOINED})
"""CloudFormation may join the identity's ARN from account and region: then SES is this region's."""
NO_QUOTAS: Answers = {"ListServiceQuotas": {"Quotas": []}}


@pytest.fixture(scope="module")
def aws() -> Aws:
    """One account for all tests, which set its answers."""
    return Aws()


@pytest.fixture
def check(aws: Aws, monkeypatch: pytest.MonkeyPatch, turnstile: Turnstile) -> Preflight:
    """Run preflight for a plan in an account with these answers."""
    monkeypatch.setattr(preflight, "aws_session", lambda: aws.session)
    monkeypatch.setattr(preflight, "Clients", lambda *_: aws.clients)
    monkeypatch.setattr("infra.cli.preflight.account.compiler", lambda _: "/usr/bin/python3.13")

    def run(answers: Answers, plan: DeploymentPlan = PROD, *more: str) -> CommandResult:
        aws.answers = {**HEALTHY, **answers}
        monkeypatch.setattr(DeploymentPlan, "of", lambda *_: plan)
        return turnstile("preflight", "--stage", "prod", *more)

    return run


def parameter(version: int) -> Answers:
    """Return the version of the CDK's bootstrap."""
    return {"GetParameter": {"Parameter": {"Value": str(version)}}}


@pytest.mark.parametrize(
    ("line", "words", "answers", "plan"),
    [
        ("ok      concurrency", "the stage reserves 50", {}, PROD),
        ("FAILED  concurrency", "--quota-code L-B99A9384 --desired-value 1000", concurrency(10, 10), PROD),
        ("FAILED  concurrency", "value 1001; or deploy with -c reserve=no", concurrency(1000, 149), PROD),
        ("ok      concurrency", "150 of them unreserved", concurrency(1000, 150), PROD),
        ("warning concurrency", "limits are designed for 1000", concurrency(10, 10), POOR),
        ("ok      concurrency", "reserves 50", {**concurrency(1000, 100), **stack("CREATE_COMPLETE")}, PROD),
        ("ok      bootstrap", "version 6", parameter(6), PROD),
        ("FAILED  bootstrap", "5 is too old, the stack", parameter(5), PROD),
        ("FAILED  bootstrap", f"in infra/ run: npx cdk bootstrap aws://{ACCOUNT}/us-east-1",
         {"GetParameter": ("ParameterNotFound", "")}, PROD),
        ("ok      certificate", "0a1b-2c is ISSUED and covers api.example.org", {}, OWN_DOMAIN),
        ("ok      certificate", "covers api.example.org", certificate("*.example.org"), OWN_DOMAIN),
        ("FAILED  certificate", "not cover api.example.org; request one for", certificate("example.org"), OWN_DOMAIN),
        ("FAILED  certificate", "is for *.org, which does not cover api", certificate("*.org"), OWN_DOMAIN),
        ("FAILED  certificate", "does not cover api.example.org", certificate("*.api.example.org"), OWN_DOMAIN),
        ("FAILED  certificate", "create the DNS records that ACM shows",
         certificate("api.example.org", status="PENDING_VALIDATION"), OWN_DOMAIN),
        ("FAILED  certificate", "is EXPIRED, not ISSUED", certificate("api.example.org", status="EXPIRED"), OWN_DOMAIN),
        ("FAILED  certificate", f"there is no certificate {DOMAIN.certificate_arn}; request one for api.example.org in",
         {"DescribeCertificate": ("ResourceNotFoundException", "")}, OWN_DOMAIN),
        ("ok      stack", "for the first time with --no-rollback", {}, PROD),
        ("ok      stack", "not confirmed", stack("REVIEW_IN_PROGRESS", protected=True), PROD),
        ("warning stack", "deploy again with --no-rollback", stack("CREATE_FAILED", protected=True), PROD),
        ("warning stack", "The CDK deletes such a stack", stack("ROLLBACK_COMPLETE"), PROD),
        ("FAILED  stack", "update-termination-protection --no-enable-termination-protection --stack-name turnstile-pr",
         stack("ROLLBACK_COMPLETE", protected=True), PROD),
        ("FAILED  stack", "termination protection forbids", stack("ROLLBACK_FAILED", protected=True), PROD),
        ("FAILED  stack", "find out what blocks the deletion", stack("DELETE_FAILED"), PROD),
        ("FAILED  stack", "npx cdk rollback turnstile-prod", stack("UPDATE_ROLLBACK_FAILED"), PROD),
        ("FAILED  stack", "is in progress (UPDATE_IN_PROGRESS)", stack("UPDATE_IN_PROGRESS"), PROD),
        ("ok      stack", "this is an upgrade", stack("UPDATE_ROLLBACK_COMPLETE"), PROD),
        ("ok      left behind", "no table", {}, PROD),
        ("warning left behind", f"check before you delete any (docs/first-deployment.md): {TABLE}",
         {"GetResources": {"ResourceTagMappingList": [{"ResourceARN": TABLE}]}}, PROD),
        ("ok      left behind", "no table", {**stack("UPDATE_COMPLETE"), **OWN_LOG}, PROD),
        ("warning left behind", "1 left by an earlier stack", {**stack("ROLLBACK_COMPLETE"), **OWN_LOG}, PROD),
        ("ok      queue quotas", "70,000 sends a second", {}, PROD),
        ("warning queue quotas", "80,000 writes", {}, BUSY),
        ("ok      sign-up quotas", "25 sign-ups and 200 sign-in requests a second", {}, PROD),
        ("ok      sign-up quotas", "25 sign-ups and 120 sign-in", NO_QUOTAS, PROD),
        ("ok      sign-up quotas", "40 sign-ups and 120 sign-in",
         {"ListServiceQuotas": {"Quotas": [{**CREATION, "Value": 80.0}]}}, PROD),
        ("warning sign-up quotas", "Service Quotas lists no UserCreation",
         {**NO_QUOTAS, "ListAWSDefaultServiceQuotas": {"Quotas": []}}, PROD),
        ("FAILED  sign-up quotas", "servicequotas:ListAWSDefaultServiceQuotas",
         {**NO_QUOTAS, "ListAWSDefaultServiceQuotas": DENIED}, PROD),
        ("warning mail", "50 mails a day", {}, PROD),
        ("ok      mail", "example.org in us-east-1, 50,000 mails a day, 14 a second", {}, MAIL),
        ("ok      mail", "SES sends as a.org in us-east-1", {}, MAIL_HERE),
        ("warning mail", "in eu-west-1, and the stack is in us-east-1: check that Cognito", {}, MAIL_ELSEWHERE),
        ("FAILED  mail", "SES in us-east-1 has no identity example.org: create and verify it there, or",
         {"GetEmailIdentity": ("NotFoundException", "no such identity")}, MAIL),
        ("FAILED  mail", "has not verified example.org in us-east-1", ses(verified=False), MAIL),
        ("FAILED  mail", "sandbox in eu-west-1", ses(production=False), MAIL_ELSEWHERE),
        ("warning mail", "sandbox", ses(production=False), replace(MAIL, keeps_data=False)),
        # A check without its permission fails and names the permission; the others run nevertheless.
        ("FAILED  bootstrap", "ssm:GetParameter", {"GetParameter": DENIED}, PROD),
        ("FAILED  concurrency", "lambda:GetAccountSettings", {"GetAccountSettings": DENIED}, PROD),
        ("FAILED  stack", "cloudformation:DescribeStacks", {"DescribeStacks": DENIED}, PROD),
        ("FAILED  certificate", "acm:DescribeCertificate", {"DescribeCertificate": DENIED}, OWN_DOMAIN),
        ("FAILED  left behind", "tag:GetResources", {"GetResources": DENIED}, PROD),
        ("FAILED  sign-up quotas", "servicequotas:ListServiceQuotas", {"ListServiceQuotas": DENIED}, PROD),
        ("FAILED  mail", "ses:GetAccount", {"GetAccount": DENIED}, MAIL),
    ],
)  # fmt: skip
def test_a_situation(check: Preflight, line: str, words: str, answers: Answers, plan: DeploymentPlan) -> None:
    """Each situation has a line with what is found and what to do; only FAILED is exit code 1."""
    code, out, _ = check(answers, plan)
    (found,) = [text for text in out.splitlines() if text.startswith(f"{line}:")]
    assert words in found
    assert {"region", "queue quotas"} <= {text[8:].partition(":")[0] for text in out.splitlines()}
    assert code == line.startswith("FAILED")
    assert out.splitlines()[-1] == ("Fix the failed checks before you deploy." if code else "A deployment may start.")


def test_a_stage_without_a_pool(check: Preflight) -> None:
    """With another issuer, the quotas of a user pool and of its mail are not checked."""
    code, out, _ = check({"ListServiceQuotas": DENIED, "GetAccount": DENIED}, replace(PROD, mail=None))
    assert (code, "mail" in out, "sign-up" in out) == (0, False, False)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (NoCredentialsError(), "turnstile: there are no AWS credentials; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and"),
        (("ExpiredToken", "The security token is expired"), "turnstile: the AWS credentials have expired; get new"),
        (EndpointConnectionError(endpoint_url="x"), "turnstile: cannot ask AWS which account these credentials"),
        (SSOTokenLoadError(error_msg="gone"), "turnstile: the sign-in of this profile has expired"),
        (("InvalidClientTokenId", "The token is invalid"), "turnstile: AWS does not accept these credentials in this"),
    ],
)
def test_without_credentials(check: Preflight, answer: object, sentence: str) -> None:
    """Without valid credentials there is one sentence, and no check."""
    code, out, err = check({"GetCallerIdentity": answer})
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert err.startswith(sentence)


def test_an_unknown_profile(monkeypatch: pytest.MonkeyPatch, turnstile: Turnstile) -> None:
    """A profile that this machine does not have is named."""
    monkeypatch.setenv("AWS_PROFILE", "nobodys")
    why = "The config profile (nobodys) could not be found"
    sentence = f"turnstile: cannot use the AWS settings of this machine: {why}\n"
    assert turnstile("preflight", "--stage", "prod") == (1, "", sentence)


def test_the_settings_of_the_deployment(
    check: Preflight, monkeypatch: pytest.MonkeyPatch, turnstile: Turnstile
) -> None:
    """The stage and each `-c` are synthesized for the account and region; a value may contain an equals sign."""
    check({})
    given: list[tuple[str, Mapping[str, str], str, str]] = []

    def planned(stage: str, context: Mapping[str, str], account: str, region: str) -> DeploymentPlan:
        given.append((stage, context, account, region))
        return PROD

    monkeypatch.setattr(DeploymentPlan, "of", planned)
    turnstile("preflight", "--stage", "dev", "-c", "reserve=no", "--context", "issuer=https://a.org/x=y")
    assert given == [("dev", {"reserve": "no", "issuer": "https://a.org/x=y"}, ACCOUNT, "us-east-1")]


def test_as_json(check: Preflight) -> None:
    """One object has every check, the account and the region."""
    ended = check(concurrency(10, 10), PROD, "--json")
    summary = {name: value for name, value in ended.json.items() if name != "checks"}
    assert (ended.code, summary) == (1, {"stage": "prod", "account": ACCOUNT, "region": "us-east-1", "ok": False})
    levels = {found["name"]: found["level"] for found in ended.json["checks"]}
    assert list(levels) == [
        *("python", "region", "bootstrap", "concurrency", "stack", "left behind"),
        *("queue quotas", "sign-up quotas", "mail"),
    ]
    assert [name for name, level in levels.items() if level == "FAILED"] == ["concurrency"]


def test_without_the_compiler(check: Preflight, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the functions' Python, a warning says that cold starts will be slow."""
    monkeypatch.setattr("infra.cli.preflight.account.compiler", lambda _: None)
    code, out, _ = check({})
    assert (code, out.startswith("warning python: there is no Python 3.13")) == (0, True)
