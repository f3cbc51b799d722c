"""A deployment to verify: moto's tables, with the real API and workers behind `http_client.call`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from infra.cli import http_client
from infra.cli.user_pool import claims_of
from infra.cli.verify.end_to_end import EndToEndRun, new_name
from infra.cli.verify.identities import GivenTokens
from tests.support import http_events
from tests.support.deployment import OUTPUTS, deployment_of, outputs_of
from tests.support.pipeline import Pipeline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

    from infra.cli.verify.identities import Identities
    from workers.aws.items import Item


def token(subject: str, *groups: str) -> str:
    """Return an access token of this subject that the authorizer would accept."""
    return http_events.bearer_of(http_events.claims_of(subject, *groups)).removeprefix("Bearer ")


def given(first: str = "sub-first", second: str = "sub-second", *groups: str) -> GivenTokens:
    """Return the tokens of an organizer and of two people with these subjects."""
    boss = token("sub-boss", *(groups or ("organizers",)))
    return GivenTokens({"organizer": boss, "first": token(first), "second": token(second)})


class VerifiedDeployment(Pipeline):
    """The pipeline, and the deployment that it belongs to."""

    def __init__(self, dynamodb: DynamoDBClient, sqs: SQSClient, prefix: str) -> None:
        super().__init__(dynamodb, sqs, prefix)
        self.deployment = deployment_of(sqs=sqs, dynamodb=dynamodb)
        self.deployment.outputs = outputs_of(self)
        self.asked: list[tuple[str, str]] = []

    def end_to_end(self, identities: Identities) -> EndToEndRun:
        """Return a run with these identities."""
        return EndToEndRun(self.deployment, identities, new_name())

    def call(
        self,
        method: str,
        url: str,
        body: object = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,  # noqa: ARG002 - as `http_client.call`
    ) -> http_client.HttpResponse:
        """Send one request, in the place of `http_client.call`."""
        path = url.removeprefix(OUTPUTS.api_url)
        self.asked.append((method, path))
        if token is None:
            return self._answer(method, path, body)
        claims = claims_of(token)
        with self.signed_in(claims["sub"], *claims.get("cognito:groups", [])):
            return self._answer(method, path, body)

    def _answer(self, method: str, path: str, body: object) -> http_client.HttpResponse:
        answer = self.request(method, unquote(path), body)
        return http_client.HttpResponse(answer.status, answer.headers, answer.body)

    def left(self) -> list[Item]:
        """Return every item of every table."""
        tables = (self.tables.users, self.tables.events, self.tables.registrations, self.tables.ledger)
        return [item for table in tables for item in self.dynamodb.scan(TableName=table)["Items"]]


def as_json(**tokens: Any) -> str:
    """Return the content of a `--tokens` file."""
    return json.dumps({"organizer": token("boss"), "first": token("first"), "second": token("second")} | tokens)
