"""An account of AWS in the situations that `turnstile preflight` meets: what AWS answers there to each operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.validate import ParamValidator

from infra.cli.deployment import Clients
from infra.cli.preflight.plan import CustomDomain, DeploymentPlan

ACCOUNT = "123456789012"
PROD = DeploymentPlan(
    stack="turnstile-prod",
    keeps_data=True,
    reserved={"WorkersRegistrarFunction": 50},
    bootstrap_version=6,
    bootstrap_parameter="/cdk-bootstrap/hnb659fds/version",
    writes=1250.0,
    mail={},
    domain=None,
)
DOMAIN = CustomDomain("api.example.org", f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/0a1b-2c")
SES = {"EmailSendingAccount": "DEVELOPER", "SourceArn": f"arn:aws:ses:us-east-1:{ACCOUNT}:identity/example.org"}

Answers = Mapping[str, Any]
"""AWS's answer to each operation: its result, or an error (code and message)."""


def concurrency(most: int, unreserved: int) -> Answers:
    """Lambda's limits for the account."""
    limit = {"ConcurrentExecutions": most, "UnreservedConcurrentExecutions": unreserved}
    return {"GetAccountSettings": {"AccountLimit": limit}}


def stack(status: str, *, protected: bool = False) -> Answers:
    """The stack, in a state, with the registrar that has reserved 50 executions."""
    found = {"StackName": "turnstile-prod", "StackStatus": status, "EnableTerminationProtection": protected}
    registrar = {
        "LogicalResourceId": "WorkersRegistrarFunction",
        "PhysicalResourceId": "turnstile-prod-registrar",
        "ResourceType": "AWS::Lambda::Function",
        "ResourceStatus": "UPDATE_COMPLETE",
    }
    return {
        "DescribeStacks": {"Stacks": [found]},
        "ListStackResources": {"StackResourceSummaries": [registrar]},
        "GetFunctionConcurrency": {"ReservedConcurrentExecutions": 50},
    }


def ses(*, verified: bool = True, production: bool = True) -> Answers:
    """SES, with the identity that the pool sends as."""
    quota = {"Max24HourSend": 50000.0, "MaxSendRate": 14.0}
    return {
        "GetEmailIdentity": {"VerifiedForSendingStatus": verified},
        "GetAccount": {"ProductionAccessEnabled": production, "SendQuota": quota},
    }


def certificate(*names: str, status: str = "ISSUED") -> Answers:
    """The certificate of the domain, for these names."""
    found = {"Status": status, "DomainName": names[0], "SubjectAlternativeNames": list(names)}
    return {"DescribeCertificate": {"Certificate": found}}


DENIED = ("AccessDeniedException", "User: somebody is not authorized to perform this")
"""AWS's answer to a caller who lacks a permission."""


NO_STACK = ("ValidationError", "Stack with id turnstile-prod does not exist")
TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/turnstile-prod-UsersTable-1"
OWN_LOG: Answers = {
    "GetResources": {
        "ResourceTagMappingList": [
            {"ResourceARN": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:turnstile-prod-registrar:*"}
        ]
    }
}
CREATION = {"QuotaName": "Rate of UserCreation requests", "Value": 50.0}
SIGNING_IN = {"QuotaName": "Rate of UserAuthentication requests", "Value": 120.0}
HEALTHY: Answers = {
    "GetCallerIdentity": {"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/deployer"},
    "GetParameter": {"Parameter": {"Value": "30"}},
    **concurrency(1000, 1000),
    "DescribeStacks": NO_STACK,
    "GetResources": {"ResourceTagMappingList": []},
    "ListServiceQuotas": {"Quotas": [CREATION, {**SIGNING_IN, "Value": 200.0}]},
    "ListAWSDefaultServiceQuotas": {"Quotas": [CREATION, SIGNING_IN]},
    **ses(),
    **certificate("example.org", "api.example.org"),
}


class Aws:
    """AWS as an account sees it: clients that get the `answers`, each of the form that the service's model has."""

    def __init__(self) -> None:
        self.answers: Answers = HEALTHY
        self.session = boto3.Session(region_name="us-east-1")
        self.session.events.register("before-call", self._answer)  # type: ignore[arg-type]  # botocore takes answers
        self.clients = Clients(self.session, None)  # made once: reading the services' models takes a second

    def _answer(self, model: Any, **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        answer = self.answers[model.name]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, tuple):
            return _response(400), {"Error": {"Code": answer[0], "Message": answer[1]}}
        report = ParamValidator().validate(answer, model.output_shape).generate_report()
        # An answer here has what is looked at, and need not have the rest.
        assert [line for line in report.splitlines() if "Missing required parameter" not in line] == []
        return _response(200), dict(answer)


def _response(status: int) -> AWSResponse:
    return AWSResponse("", status, HTTPHeaders(), None)
