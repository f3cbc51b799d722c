"""The API's `$default` stage on AWS: throttling, and an access log. The emulator has neither."""

from __future__ import annotations

import json
from collections.abc import Mapping

from aws_cdk import Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from api.http.routes import Route
from infra.settings.limits import Limits
from infra.stack.stage import Stage
from infra.stack.suppressions import suppress_nag

ACCESS_LOG = {
    "time": "$context.requestTimeEpoch",
    "requestId": "$context.requestId",
    "route": "$context.routeKey",
    "method": "$context.httpMethod",
    "status": "$context.status",
    "error": "$context.error.responseType",
    "latencyMs": "$context.responseLatency",
    "functionMs": "$context.integration.latency",
    "functionStatus": "$context.integration.status",
    "bytes": "$context.responseLength",
}
"""One line of the access log. Nothing in it identifies the caller: no path (paths contain user ids, routes do not), no
query, no IP address, no user agent, no claim of a token. `requestId` leads to the functions' log lines."""

WRITES = frozenset({"POST", "PATCH", "PUT", "DELETE"})


def limit_and_log(
    scope: Construct, api: apigateway.HttpApi, stage: Stage, routes: Mapping[Route, apigateway.HttpRoute]
) -> None:
    """Throttle and log the requests to `api`."""
    default = api.default_stage.node.default_child
    if not stage.on_aws:
        suppress_nag(default, "AwsSolutions-APIG1", "The emulator writes no access logs.")
        return
    throttle(default, stage.limits, routes)
    log_requests(scope, default, stage)


def throttle(default: apigateway.CfnStage, limits: Limits, routes: Mapping[Route, apigateway.HttpRoute]) -> None:
    """Limit the requests a second of every route, with lower limits for routes that write or return lists."""
    default.default_route_settings = apigateway.CfnStage.RouteSettingsProperty(
        throttling_rate_limit=limits.reads, throttling_burst_limit=limits.reads
    )
    own = {route: limits.writes for route in routes if route.method in WRITES}
    own |= {
        route: limits.personal_lists if route.path.startswith("/users/") else limits.lists
        for route in routes
        if route.is_list
    }
    default.route_settings = {
        route.key: {"ThrottlingRateLimit": limit, "ThrottlingBurstLimit": limit} for route, limit in own.items()
    }
    for route in own:  # API Gateway rejects settings of a route that does not exist yet
        default.add_resource_dependency(routes[route].node.default_child)


def log_requests(scope: Construct, default: apigateway.CfnStage, stage: Stage) -> None:
    """Create a log group that API Gateway may write to, with a line for each request."""
    group = logs.LogGroup(scope, "AccessLog", retention=stage.log_retention, removal_policy=stage.removal_policy)
    # Otherwise API Gateway would create such a policy itself, for the whole account, and never delete it.
    policy = logs.ResourcePolicy(scope, "MayLog", policy_statements=[_may_log(scope, group)])
    default.access_log_settings = apigateway.CfnStage.AccessLogSettingsProperty(
        destination_arn=group.log_group_arn, format=json.dumps(ACCESS_LOG, separators=(",", ":"))
    )
    default.node.add_dependency(policy)


def _may_log(scope: Construct, group: logs.LogGroup) -> iam.PolicyStatement:
    stack = Stack.of(scope)
    return iam.PolicyStatement(
        principals=[iam.ServicePrincipal("delivery.logs.amazonaws.com")],
        actions=["logs:CreateLogStream", "logs:PutLogEvents"],
        resources=[group.log_group_arn],
        conditions={
            "StringEquals": {"aws:SourceAccount": stack.account},
            "ArnLike": {"aws:SourceArn": stack.format_arn(service="logs", resource="*")},
        },
    )
