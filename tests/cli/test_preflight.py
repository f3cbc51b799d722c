"""`turnstile preflight` in the situations that an account can be in: which lines, and which exit code."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, SSOTokenLoadError

from infra.cli.commands import preflight
from infra.cli.main import main
from infra.cli.preflight.plan import DeploymentPlan
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

HERE = replace(PROD, domain=DOMAIN)
"""The same with a domain of its own."""
ELSEWHERE = replace(PROD, mail={**SES, "SourceArn": SES["SourceArn"].replace("us-east-1", "eu-west-1")})
"""The same with mail through SES in another region."""


@pytest.fixture(scope="module")
def aws() -> Aws:
    """One for all tests, which say what it answers."""
    return Aws()


@pytest.fixture
def ask(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Run preflight in an account that answers so, on a plan; the exit code, and all that it says."""
    monkeypatch.setattr(preflight, "aws_session", lambda: aws.session)
    monkeypatch.setattr(preflight, "Clients", lambda *_: aws.clients)
    monkeypatch.setattr("infra.cli.preflight.account.compiler", lambda _: "/usr/bin/python3.13")

    def run(answers: Answers, plan: DeploymentPlan = PROD, *more: str) -> tuple[int, str]:
        aws.answers = {**HEALTHY, **answers}
        monkeypatch.setattr(DeploymentPlan, "of", lambda *_: plan)
        code = main(["preflight", "--stage", "prod", *more])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run


@pytest.mark.parametrize(
    ("answers", "plan", "code", "line", "words"),
    [
        ({}, PROD, 0, "ok      concurrency", "the stage reserves 50"),
        (concurrency(10, 10), PROD, 1, "FAILED  concurrency", "--quota-code L-B99A9384 --desired-value 1000"),
        (concurrency(1000, 149), PROD, 1, "FAILED  concurrency", "--desired-value 1001; or deploy with -c reserve=no"),
        (concurrency(1000, 150), PROD, 0, "ok      concurrency", "150 of them unreserved"),
        (concurrency(10, 10), replace(PROD, reserved={}), 0, "warning concurrency", "limits are designed for 1000"),
        (
            {**concurrency(1000, 100), **stack("CREATE_COMPLETE")},
            PROD,
            0,
            "ok      concurrency",
            "the stage reserves 50",
        ),
        ({"GetParameter": {"Parameter": {"Value": "6"}}}, PROD, 0, "ok      bootstrap", "version 6"),
        ({"GetParameter": {"Parameter": {"Value": "5"}}}, PROD, 1, "FAILED  bootstrap", "5 is too old, the stack"),
        (
            {"GetParameter": ("ParameterNotFound", "")},
            PROD,
            1,
            "FAILED  bootstrap",
            f"in infra/ run: npx cdk bootstrap aws://{ACCOUNT}/us-east-1",
        ),
        ({}, HERE, 0, "ok      certificate", "0a1b-2c is ISSUED and covers api.example.org"),
        (certificate("*.example.org"), HERE, 0, "ok      certificate", "covers api.example.org"),
        (certificate("example.org"), HERE, 1, "FAILED  certificate", "does not cover api.example.org; request one for"),
        (certificate("*.org"), HERE, 1, "FAILED  certificate", "is for *.org, which does not cover api.example.org"),
        (certificate("*.api.example.org"), HERE, 1, "FAILED  certificate", "does not cover api.example.org"),
        (
            certificate("api.example.org", status="PENDING_VALIDATION"),
            HERE,
            1,
            "FAILED  certificate",
            "create the DNS records that ACM shows",
        ),
        (certificate("api.example.org", status="EXPIRED"), HERE, 1, "FAILED  certificate", "is EXPIRED, not ISSUED"),
        (
            {"DescribeCertificate": ("ResourceNotFoundException", "")},
            HERE,
            1,
            "FAILED  certificate",
            f"there is no certificate {DOMAIN.certificate_arn}; request one for api.example.org in this account",
        ),
        ({}, PROD, 0, "ok      stack", "for the first time with --no-rollback"),
        (stack("REVIEW_IN_PROGRESS", protected=True), PROD, 0, "ok      stack", "not confirmed"),
        (stack("CREATE_FAILED", protected=True), PROD, 0, "warning stack", "deploy again with --no-rollback"),
        (stack("ROLLBACK_COMPLETE"), PROD, 0, "warning stack", "The CDK deletes such a stack"),
        (
            stack("ROLLBACK_COMPLETE", protected=True),
            PROD,
            1,
            "FAILED  stack",
            "update-termination-protection --no-enable-termination-protection --stack-name turnstile-prod\n",
        ),
        (stack("ROLLBACK_FAILED", protected=True), PROD, 1, "FAILED  stack", "termination protection forbids"),
        (stack("DELETE_FAILED"), PROD, 1, "FAILED  stack", "find out what blocks the deletion"),
        (stack("UPDATE_ROLLBACK_FAILED"), PROD, 1, "FAILED  stack", "npx cdk rollback turnstile-prod"),
        (stack("UPDATE_IN_PROGRESS"), PROD, 1, "FAILED  stack", "An operation is in progress (UPDATE_IN_PROGRESS)"),
        (stack("UPDATE_ROLLBACK_COMPLETE"), PROD, 0, "ok      stack", "this is an upgrade"),
        ({}, PROD, 0, "ok      left behind", "no table"),
        (
            {"GetResources": {"ResourceTagMappingList": [{"ResourceARN": TABLE}]}},
            PROD,
            0,
            "warning left behind",
            f"They may hold data: check before you delete any (docs/first-deployment.md): {TABLE}",
        ),
        ({**stack("UPDATE_COMPLETE"), **OWN_LOG}, PROD, 0, "ok      left behind", "no table"),
        ({**stack("ROLLBACK_COMPLETE"), **OWN_LOG}, PROD, 0, "warning left behind", "1 left by an earlier stack"),
        ({}, PROD, 0, "ok      queue quotas", "70,000 sends a second"),
        ({}, replace(PROD, writes=80_000.0), 0, "warning queue quotas", "80,000 writes"),
        ({}, PROD, 0, "ok      sign-up quotas", "25 sign-ups and 200 sign-in requests a second"),
        ({"ListServiceQuotas": {"Quotas": []}}, PROD, 0, "ok      sign-up quotas", "25 sign-ups and 120 sign-in"),
        (
            {"ListServiceQuotas": {"Quotas": [{**CREATION, "Value": 80.0}]}},
            PROD,
            0,
            "ok      sign-up quotas",
            "40 sign-ups and 120 sign-in",
        ),
        (
            {"ListServiceQuotas": {"Quotas": []}, "ListAWSDefaultServiceQuotas": {"Quotas": []}},
            PROD,
            0,
            "warning sign-up quotas",
            "Service Quotas lists no UserCreation",
        ),
        ({}, PROD, 0, "warning mail", "50 mails a day"),
        ({}, replace(PROD, mail=SES), 0, "ok      mail", "example.org in us-east-1, 50,000 mails a day, 14 a second"),
        ({}, ELSEWHERE, 0, "warning mail", "in eu-west-1, and the stack is in us-east-1: check that Cognito"),
        (
            {"GetEmailIdentity": ("NotFoundException", "no such identity")},
            replace(PROD, mail=SES),
            1,
            "FAILED  mail",
            "SES in us-east-1 has no identity example.org: create and verify it there, or",
        ),
        (ses(verified=False), replace(PROD, mail=SES), 1, "FAILED  mail", "has not verified example.org in us-east-1"),
        (ses(production=False), ELSEWHERE, 1, "FAILED  mail", "sandbox in eu-west-1"),
        (ses(production=False), replace(PROD, mail=SES, keeps_data=False), 0, "warning mail", "sandbox"),
    ],
)  # fmt: skip
def test_a_situation(
    ask: Callable[..., tuple[int, str]], answers: Answers, plan: DeploymentPlan, code: int, line: str, words: str
) -> None:
    """Each situation is a line of its own: how it is, and what to do; only what fails is exit code 1."""
    ended, said = ask(answers, plan)
    (found,) = [text for text in said.splitlines(keepends=True) if text.startswith(f"{line}:")]
    assert words in found
    assert ended == code
    assert said.splitlines()[-1] == ("Fix the failed checks before you deploy." if code else "A deployment may start.")


def test_the_sender_may_be_put_together(ask: Callable[..., tuple[int, str]]) -> None:
    """The ARN of the identity may be one that CloudFormation makes of account and region: then SES is this region's."""
    joined = {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":ses:", {"Ref": "AWS::Region"}, ":identity/a.org"]]}
    _, said = ask({}, replace(PROD, mail={"EmailSendingAccount": "DEVELOPER", "SourceArn": joined}))
    assert "SES sends as a.org in us-east-1" in said


def test_a_stage_without_a_pool(ask: Callable[..., tuple[int, str]]) -> None:
    """Where somebody else vouches for callers, the quotas of a user pool and of its mail do not matter."""
    code, said = ask({"ListServiceQuotas": DENIED, "GetAccount": DENIED}, replace(PROD, mail=None))
    assert code == 0
    assert "mail" not in said
    assert "sign-up" not in said


@pytest.mark.parametrize(
    ("operation", "check", "permission"),
    [
        ("GetParameter", "bootstrap", "ssm:GetParameter"),
        ("GetAccountSettings", "concurrency", "lambda:GetAccountSettings"),
        ("DescribeStacks", "stack", "cloudformation:DescribeStacks"),
        ("DescribeCertificate", "certificate", "acm:DescribeCertificate"),
        ("GetResources", "left behind", "tag:GetResources"),
        ("ListServiceQuotas", "sign-up quotas", "servicequotas:ListServiceQuotas"),
        ("GetAccount", "mail", "ses:GetAccount"),
    ],
)
def test_what_may_not_be_looked_at(
    ask: Callable[..., tuple[int, str]], operation: str, check: str, permission: str
) -> None:
    """A check that may not look says which permission is missing and fails; the others are made all the same."""
    code, said = ask({operation: DENIED}, replace(HERE, mail=SES))
    (line,) = [text for text in said.splitlines() if text.startswith(f"FAILED  {check}:")]
    assert permission in line
    assert code == 1
    assert any(text.startswith("ok      queue quotas:") for text in said.splitlines())


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
def test_without_credentials(ask: Callable[..., tuple[int, str]], answer: object, sentence: str) -> None:
    """Without credentials, or with some that AWS does not take, there is one sentence, before anything is looked at."""
    code, said = ask({"GetCallerIdentity": answer})
    assert (code, len(said.splitlines())) == (1, 1)
    assert said.startswith(sentence)


def test_a_profile_that_is_not_there(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A profile that this machine does not know is named."""
    monkeypatch.setenv("AWS_PROFILE", "nobodys")
    assert main(["preflight", "--stage", "prod"]) == 1
    said = capsys.readouterr().err
    assert (
        said
        == "turnstile: cannot use the AWS settings of this machine: The config profile (nobodys) could not be found\n"
    )


def test_the_settings_of_the_deployment(
    ask: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The stage and each `-c` are synthesized for the account and region; a value may have an equals sign."""
    ask({})
    given: list[tuple[str, Mapping[str, str], str, str]] = []

    def planned(stage: str, context: Mapping[str, str], account: str, region: str) -> DeploymentPlan:
        given.append((stage, context, account, region))
        return PROD

    monkeypatch.setattr(DeploymentPlan, "of", planned)
    main(["preflight", "--stage", "dev", "-c", "reserve=no", "--context", "issuer=https://a.org/x=y"])
    assert given == [("dev", {"reserve": "no", "issuer": "https://a.org/x=y"}, ACCOUNT, "us-east-1")]
    capsys.readouterr()


def test_as_json(ask: Callable[..., tuple[int, str]]) -> None:
    """One object has every check, the account and the region."""
    code, said = ask(concurrency(10, 10), PROD, "--json")
    summary = json.loads(said)
    assert (code, summary["ok"], summary["account"], summary["region"]) == (1, False, ACCOUNT, "us-east-1")
    names = [check["name"] for check in summary["checks"]]
    assert names == [
        *("python", "region", "bootstrap", "concurrency", "stack", "left behind"),
        *("queue quotas", "sign-up quotas", "mail"),
    ]
    assert {check["name"] for check in summary["checks"] if check["level"] == "FAILED"} == {"concurrency"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["preflight"], "turnstile: preflight is for stages on AWS: use --stage dev or --stage prod"),
        (["preflight", "--stage", "prod", "-c", "reserve"], "turnstile: -c reserve: use -c NAME=VALUE"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str) -> None:
    """The local stage has nothing to look at, and a setting has a value."""
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith(sentence)


def test_the_default_quotas_need_a_permission(ask: Callable[..., tuple[int, str]]) -> None:
    """Where a quota was never changed, the defaults are asked for: that permission is named as well."""
    answers = {"ListServiceQuotas": {"Quotas": []}, "ListAWSDefaultServiceQuotas": DENIED}
    code, said = ask(answers)
    assert code == 1
    assert "servicequotas:ListAWSDefaultServiceQuotas" in said


def test_without_the_compiler(ask: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the functions' Python it says that cold starts will be slow, as a warning."""
    monkeypatch.setattr("infra.cli.preflight.account.compiler", lambda _: None)
    code, said = ask({})
    assert code == 0
    assert said.startswith("warning python: there is no Python 3.13")
