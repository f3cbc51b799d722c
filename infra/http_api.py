"""The HTTP API: the routes of `api/routes.py`, each to its function, and everything else to the one that says no."""

from __future__ import annotations

from aws_cdk import Stack, Tags
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from api.routes import DOCS_ROUTES, FALLBACK, ROUTES, Function
from infra.accepted import accept
from infra.api_stage import protect
from infra.functions import ApiFunctions
from infra.identity import Identity
from infra.stage import LOCAL_API_ID, Stage

_PUBLIC = ("AwsSolutions-APIG4", "Anybody may see which events there are, the reference page, and that a route is not.")
_NOBODY_ASKED = ("AwsSolutions-APIG4", "On one's own machine nobody is asked who they are, unless one asks for it.")


class HttpApi(Construct):
    """The API and its `$default` stage. `url` is the base for clients, without trailing slash."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self._stage = stage
        self.api = apigateway.HttpApi(self, "Api", description="Turnstile: registrations for events")
        if stage.endpoint is None:
            self.url = self.api.api_endpoint
            return
        # The emulator takes the API's id from this tag, so that the address stays the same from one start to the next.
        # In it `$default` is written so that no shell expands it.
        Tags.of(self.api).add("ms-custom-id", LOCAL_API_ID)
        self.url = f"{stage.endpoint}/_aws/execute-api/{self.api.api_id}/%24default"

    def connect(self, functions: ApiFunctions, identity: Identity) -> None:
        """Add the routes, with the authorizer where a token is needed; what matches no route needs none.

        A step of its own, because the functions are told the API's URL.
        """
        behind: dict[Function, lambda_.Function] = {
            "users": functions.users.function,
            "events": functions.events.function,
            "registrations": functions.registrations.function,
        }
        targets = {name: self._target(name, function) for name, function in behind.items()}
        routes = {}
        for route in ROUTES:
            method = apigateway.HttpMethod[route.method]
            made = self.api.add_routes(
                path=route.path,
                methods=[method],
                integration=targets[route.function],
                authorizer=None if route.public else identity.authorizer,
            )
            if route.public or identity.authorizer is None:
                accept(made[0], *(_PUBLIC if route.public else _NOBODY_ASKED))
            routes[route] = made[0]
        if functions.docs is not None:
            self._connect_docs(functions.docs.function)
        fallback = apigateway.HttpRoute(
            self,
            "Fallback",
            http_api=self.api,
            route_key=apigateway.HttpRouteKey.DEFAULT,
            integration=targets[FALLBACK],
        )
        accept(fallback, *_PUBLIC)
        protect(self, self.api, self._stage, routes)

    def _connect_docs(self, function: lambda_.Function) -> None:
        # Every method goes to the page's own function, which says that it takes GET: the fallback knows of no page.
        target = self._target("docs", function)
        for path in dict.fromkeys(route.path for route in DOCS_ROUTES):
            made = self.api.add_routes(path=path, methods=[apigateway.HttpMethod.ANY], integration=target)
            accept(made[0], *_PUBLIC)

    def _target(self, name: Function, function: lambda_.Function) -> _Integration:
        """Return the integration of a function, which API Gateway may invoke for this API and no other.

        It invokes a route as `{api}/{stage}/{method}/{path}`, but `$default` as `{api}/{stage}/$default`, which the
        CDK's own permission for a whole API (`{api}/*/*/*`) does not match: aws/serverless-application-model#1860.
        """
        routes = "*/*" if name == FALLBACK else "*/*/*"  # of an ARN's last part, `*` matches slashes, too
        # Of its own name, so that an update makes it before it deletes the one that an earlier version had.
        lambda_.CfnPermission(
            self,
            f"MayInvoke{name.capitalize()}",
            action="lambda:InvokeFunction",
            function_name=function.function_arn,
            principal="apigateway.amazonaws.com",
            source_arn=Stack.of(self).format_arn(service="execute-api", resource=self.api.api_id, resource_name=routes),
        )
        return _Integration(name, function)


class _Integration(apigateway.HttpRouteIntegration):  # type: ignore[misc]  # mypy takes the CDK's classes for Any
    """A function behind routes. Unlike the CDK's own, it brings no permission along."""

    def __init__(self, name: str, function: lambda_.Function) -> None:
        super().__init__(f"{name}Integration")
        self._function = function

    def bind(
        self,
        *,
        route: apigateway.IHttpRoute,  # noqa: ARG002 - the CDK hands over both, by these names
        scope: Construct,  # noqa: ARG002
    ) -> apigateway.HttpRouteIntegrationConfig:
        """Name the function and the form of its events."""
        return apigateway.HttpRouteIntegrationConfig(
            type=apigateway.HttpIntegrationType.AWS_PROXY,
            uri=self._function.function_arn,
            payload_format_version=apigateway.PayloadFormatVersion.VERSION_2_0,
        )
