"""The checks of the quotas that a rush exhausts first: those of the queue, the user pool and its mail."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from infra.cli.preflight.check import Level, PreflightCheck

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.cli.deployment import Clients
    from infra.cli.preflight.plan import DeploymentPlan

FIFO_REQUESTS: Mapping[str, int] = {
    **dict.fromkeys(("us-east-1", "us-west-2", "eu-west-1"), 70_000),
    **dict.fromkeys(("us-east-2", "eu-central-1"), 19_000),
    **dict.fromkeys(("ap-south-1", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1"), 9_000),
    **dict.fromkeys(("eu-west-2", "sa-east-1"), 4_500),
}
FIFO_REQUESTS_ELSEWHERE = 2_400
"""Requests a second, for each action, of high-throughput FIFO queues in a region ("Amazon SQS message quotas")."""

_READ_QUOTAS = ("servicequotas:ListServiceQuotas", "servicequotas:ListAWSDefaultServiceQuotas")
_CATEGORIES = ("UserCreation", "UserAuthentication")
_DEFAULT_MAIL = (
    "the user pool sends with Cognito's own address, 50 mails a day for the whole account: more people than that "
    "cannot sign up in a day. Deploy with an SES identity before you invite anybody"
)
"""The quota is of emails sent daily per AWS account: https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html"""
_ELSEWHERE = (
    'check that Cognito accepts it for a pool here ("Email settings for Amazon Cognito user pools" lists the regions), '
    "or verify the identity here"
)
_SANDBOX = "SES is in its sandbox in {region}: only verified addresses get mail. Request production access there"


def checks(plan: DeploymentPlan, clients: Clients, region: str) -> list[PreflightCheck]:
    """Return the checks; those of the user pool only for a stack that has its own."""
    queues = PreflightCheck("queue quotas", (), lambda: _queues(plan, region))
    if plan.mail is None:
        return [queues]
    return [
        queues,
        PreflightCheck("sign-up quotas", _READ_QUOTAS, lambda: _sign_ups(clients)),
        PreflightCheck(
            "mail", ("ses:GetAccount", "ses:GetEmailIdentity"), lambda: _mail(plan, plan.mail or {}, clients, region)
        ),
    ]


def _queues(plan: DeploymentPlan, region: str) -> tuple[Level, str]:
    # Service Quotas does not list this quota.
    most = FIFO_REQUESTS.get(region, FIFO_REQUESTS_ELSEWHERE)
    takes = f"FIFO queues in {region} accept {most:,} sends a second, 300 for one event"
    if plan.writes > most:
        return "warning", (
            f"{takes}, and the API lets {plan.writes:,.0f} writes through; lower -c writesPerSecond, or ask AWS "
            "Support for more"
        )
    return "ok", f"{takes}; the API lets {plan.writes:,.0f} writes through"


def _sign_ups(clients: Clients) -> tuple[Level, str]:
    # "If the applied quota value is not available for a quota, the quota is not retrieved":
    # https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html
    applied = clients.quotas.get_paginator("list_service_quotas").paginate(ServiceCode="cognito-idp")
    quotas = {item["QuotaName"]: item["Value"] for page in applied for item in page["Quotas"]}
    if None in (_quota(quotas, category) for category in _CATEGORIES):
        defaults = clients.quotas.get_paginator("list_aws_default_service_quotas").paginate(ServiceCode="cognito-idp")
        quotas = {item["QuotaName"]: item["Value"] for page in defaults for item in page["Quotas"]} | quotas
    creation, signing_in = (_quota(quotas, category) for category in _CATEGORIES)
    if creation is None or signing_in is None:
        return "warning", (
            "Service Quotas lists no UserCreation and UserAuthentication quota of Cognito in this region; see in its "
            "console how many people can sign up in a second"
        )
    # Signing up is two requests of the category UserCreation: SignUp and ConfirmSignUp ("Quotas in Amazon Cognito").
    return "ok", (
        f"Cognito accepts {creation / 2:g} sign-ups and {signing_in:g} sign-in requests a second, all pools of the "
        "account together; before a rush, ask for more (Service Quotas, Amazon Cognito User Pools)"
    )


def _quota(quotas: Mapping[str, float], category: str) -> float | None:
    return next((value for name, value in quotas.items() if f"{category} " in f"{name} "), None)


def _mail(plan: DeploymentPlan, mail: Mapping[str, Any], clients: Clients, here: str) -> tuple[Level, str]:
    if mail.get("EmailSendingAccount") != "DEVELOPER":
        return "warning", _DEFAULT_MAIL
    # An ARN, or what makes one of the account and the region (Fn::Join).
    source = json.dumps(mail["SourceArn"])
    identity = _found('identity/([^"]+)', source) or source
    region = _found(":ses:([a-z0-9-]+):", source) or here
    ses = clients.mail(region)
    try:
        verified = ses.get_email_identity(EmailIdentity=identity).get("VerifiedForSendingStatus")
    except ses.exceptions.NotFoundException:
        return "FAILED", (
            f"SES in {region} has no identity {identity}: create and verify it there, or deploy with the ARN of one in "
            "another region that Cognito accepts (-c sesIdentity)"
        )
    if not verified:
        return "FAILED", f"SES has not verified {identity} in {region}, and Cognito refuses to send with it; verify it"
    account = ses.get_account()
    if not account.get("ProductionAccessEnabled"):
        return ("FAILED" if plan.keeps_data else "warning"), _SANDBOX.format(region=region)
    # "The Region value of the SourceArn parameter must indicate a supported AWS Region of your user pool":
    # https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_EmailConfigurationType.html
    if region != here:
        return "warning", f"SES sends as {identity} in {region}, and the stack is in {here}: {_ELSEWHERE}"
    quota = account["SendQuota"]
    most, rate = quota["Max24HourSend"], quota["MaxSendRate"]
    return "ok", f"SES sends as {identity} in {region}, {most:,.0f} mails a day, {rate:g} a second"


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[1] if match else ""
