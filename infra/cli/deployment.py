"""Find a deployment by its stage: its outputs, its resources, and AWS clients to reach them.

Locally the clients use the emulator's root keys and ignore the user's AWS settings; on AWS they use the standard chain
of credentials and regions.
"""

from __future__ import annotations

import os
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.cli.errors import CliError, NoStackError
from infra.cli.hints import suggest_with
from infra.cli.state_dir import StateDir
from workers.aws.load import DecisionTables

if TYPE_CHECKING:
    from mypy_boto3_acm import ACMClient
    from mypy_boto3_apigatewayv2 import ApiGatewayV2Client
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackResourceSummaryTypeDef
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_resourcegroupstaggingapi import ResourceGroupsTaggingAPIClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_service_quotas import ServiceQuotasClient
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_sts import STSClient

LOCAL = "local"

REGION = "us-east-1"
ACCOUNT = "000000000000"
ROOT_KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
"""The emulator's region, account and root keys."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """The addresses of a deployment's parts.

    `endpoint_url` is the emulator's address, None on AWS. `docs_url` is None in production. The user pool is None
    unless the stack has its own. `api_url` is the API's public address: API Gateway's, its own domain, or a CDN with
    the origin `origin_url`. The domain's DNS record points to `domain_target`.
    """

    api_url: str
    endpoint_url: str | None
    region: str
    queue_url: str
    dead_letter_queue_url: str
    failed_promotions_queue_url: str
    alarm_topic_arn: str
    users_table: str
    events_table: str
    registrations_table: str
    ledger_table: str
    docs_url: str | None = None
    user_pool_id: str | None = None
    user_pool_client_id: str | None = None
    origin_url: str | None = None
    domain_target: str | None = None
    domain_hosted_zone_id: str | None = None

    @property
    def tables(self) -> DecisionTables:
        """The names of the tables that a decision reads and writes."""
        return DecisionTables(self.events_table, self.registrations_table, self.ledger_table)

    @classmethod
    def from_stack(cls, outputs: dict[str, str], endpoint_url: str | None, region: str) -> Outputs:
        """Read the stack's outputs (`ApiUrl`, `QueueUrl` and so on). Raises CliError if one is missing."""
        found = {field.name: outputs.get(_pascal(field.name), field.default) for field in fields(cls)}
        found |= {"endpoint_url": endpoint_url, "region": region}
        if missing := [_pascal(name) for name, value in found.items() if value is MISSING]:
            raise CliError(f"the stack has no output {', '.join(missing)}; deploy it again")
        return cls(**found)  # type: ignore[arg-type]  # fields without a default are strings

    @classmethod
    def from_json(cls, status: dict[str, str | None]) -> Outputs:
        """Read the object that `turnstile status --json` prints."""
        return cls(**{field.name: status[_camel(field.name)] for field in fields(cls)})  # type: ignore[arg-type]

    def as_json(self) -> dict[str, str | None]:
        """Return the object that `turnstile status --json` prints: `apiUrl`, `endpointUrl` and so on."""
        return {_camel(field.name): getattr(self, field.name) for field in fields(self)}


def _pascal(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _camel(name: str) -> str:
    return name[0] + _pascal(name)[1:]


class Clients:
    """AWS clients, each created on first use."""

    def __init__(self, session: boto3.Session, endpoint_url: str | None) -> None:
        self._session = session
        self._endpoint = endpoint_url
        # A proxy from the environment cannot reach the emulator, and retries do not bring a stopped one back.
        local = Config(proxies={}, retries={"mode": "standard", "total_max_attempts": 2})
        self._config = local if endpoint_url else Config(retries={"mode": "standard"})

    @cached_property
    def cloudformation(self) -> CloudFormationClient:
        """The CloudFormation client."""
        return self._session.client("cloudformation", endpoint_url=self._endpoint, config=self._config)

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        """The DynamoDB client."""
        return self._session.client("dynamodb", endpoint_url=self._endpoint, config=self._config)

    @cached_property
    def sqs(self) -> SQSClient:
        """The SQS client."""
        return self._session.client("sqs", endpoint_url=self._endpoint, config=self._config)

    @cached_property
    def functions(self) -> LambdaClient:
        """The Lambda client."""
        return self._session.client("lambda", endpoint_url=self._endpoint, config=self._config)

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        """The CloudWatch Logs client."""
        return self._session.client("logs", endpoint_url=self._endpoint, config=self._config)

    @cached_property
    def cloudwatch(self) -> CloudWatchClient:
        """The CloudWatch client."""
        return self._session.client("cloudwatch", endpoint_url=self._endpoint, config=self._config)

    @cached_property
    def sns(self) -> SNSClient:
        """The SNS client."""
        return self._session.client("sns", endpoint_url=self._endpoint, config=self._config)

    @cached_property
    def apis(self) -> ApiGatewayV2Client:
        """The API Gateway (HTTP APIs) client."""
        return self._session.client("apigatewayv2", endpoint_url=self._endpoint, config=self._config)

    @cached_property
    def certificates(self) -> ACMClient:
        """The AWS Certificate Manager client."""
        return self._session.client("acm", endpoint_url=self._endpoint, config=self._config)

    @cached_property
    def cognito(self) -> CognitoIdentityProviderClient:
        """The client for Cognito's user pools."""
        return self._session.client("cognito-idp", endpoint_url=self._endpoint, config=self._config)

    @cached_property
    def iam(self) -> IAMClient:
        """The IAM client."""
        return self._session.client("iam", endpoint_url=self._endpoint, config=self._config)

    @cached_property
    def s3(self) -> S3Client:
        """The S3 client."""
        return self._session.client("s3", endpoint_url=self._endpoint, config=self._config)

    @cached_property
    def identity(self) -> STSClient:
        """The STS client."""
        return self._session.client("sts", endpoint_url=self._endpoint, config=self._config)

    @cached_property
    def parameters(self) -> SSMClient:
        """The Systems Manager client, for its Parameter Store."""
        return self._session.client("ssm", endpoint_url=self._endpoint, config=self._config)

    @cached_property
    def quotas(self) -> ServiceQuotasClient:
        """The Service Quotas client."""
        return self._session.client("service-quotas", endpoint_url=self._endpoint, config=self._config)

    @cached_property
    def tags(self) -> ResourceGroupsTaggingAPIClient:
        """The client of the Resource Groups Tagging API."""
        return self._session.client("resourcegroupstaggingapi", endpoint_url=self._endpoint, config=self._config)

    def mail(self, region: str) -> SESV2Client:
        """Return the SES client of a region: a user pool may send from a region other than its own."""
        return self._session.client("sesv2", region_name=region, endpoint_url=self._endpoint, config=self._config)


def emulator_clients(endpoint_url: str) -> Clients:
    """Return clients for an emulator, with its root keys and without the user's AWS profiles and files."""
    nothing = (None, None, os.devnull, None)
    core = botocore.session.Session(
        session_vars={"profile": (None, None, None, None), "config_file": nothing, "credentials_file": nothing}
    )
    session = boto3.Session(
        aws_access_key_id=ROOT_KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ROOT_KEYS["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
        botocore_session=core,
    )
    return Clients(session, endpoint_url)


def aws_session() -> boto3.Session:
    """Return a session with the standard chain of credentials and regions. Raises CliError if no region is set."""
    # boto3 itself reads AWS_DEFAULT_REGION only; the other SDKs and Lambda call it AWS_REGION.
    session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
    if session.region_name is None:
        raise CliError("no AWS region is set; set AWS_REGION, or AWS_PROFILE for a profile that has one")
    return session


class Deployment:
    """The stack of one stage: its outputs, its resources, and clients to work on them."""

    def __init__(self, stage: str, outputs: Outputs, clients: Clients) -> None:
        self.stage = stage
        self.stack_name = stack_name(stage)
        self.outputs = outputs
        self.clients = clients

    @classmethod
    def resolve(cls, stage: str = LOCAL) -> Deployment:
        """Find the deployment of `stage`. Raises NoStackError if there is none, CliError if a request to AWS fails."""
        suggest_with("" if stage == LOCAL else f"--stage {stage}")
        if stage == LOCAL:
            stack = StateDir().ready()
            return cls.of(stage, emulator_clients(stack.endpoint), stack.endpoint, REGION)
        try:
            session = aws_session()
            return cls.of(stage, Clients(session, None), None, session.region_name)
        except BotoCoreError as error:
            raise CliError(f"cannot read the stack {stack_name(stage)}: {error}") from error

    @classmethod
    def of(cls, stage: str, clients: Clients, endpoint_url: str | None, region: str) -> Deployment:
        """Find the deployment of `stage` with these clients. Raises as `resolve` does."""
        try:
            stack = clients.cloudformation.describe_stacks(StackName=stack_name(stage))["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                raise NoStackError(f"there is no stack {stack_name(stage)} in {region}") from error
            raise CliError(f"cannot read the stack {stack_name(stage)}: {error}") from error
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
        return cls(stage, Outputs.from_stack(outputs, endpoint_url, region), clients)

    @cached_property
    def resources(self) -> list[StackResourceSummaryTypeDef]:
        """Every resource of the stack."""
        pages = self.clients.cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.stack_name)
        return [resource for page in pages for resource in page["StackResourceSummaries"]]

    def physical_ids(self, kind: str) -> list[str]:
        """Return the names or ids of the stack's resources of a type such as `AWS::Lambda::Function`."""
        return [r["PhysicalResourceId"] for r in self.resources if r["ResourceType"] == kind]


def stack_name(stage: str) -> str:
    """Return the name of the CloudFormation stack of a stage."""
    return f"turnstile-{stage}"
