"""The HTTP API: the routes of `api/http/routes.py`, each to its function, and the fallback for all other requests.

Also its domain and CORS: docs/decisions/0028-domain-and-browsers.md.
"""

from __future__ import annotations

from aws_cdk import Duration, Stack, Tags
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from api.http.routes import DOCS_ROUTES, FALLBACK, ROUTES
from infra.functions import FUNCTIONS
from infra.settings.address import Address
from infra.stack.functions import Functions
from infra.stack.http.api_stage import limit_and_log
from infra.stack.http.cors import MAX_AGE_SECONDS, METHODS, request_headers, response_headers
from infra.stack.identity.token_issuer import TokenIssuer
from infra.stack.stage import LOCAL_API_ID, Stage
from infra.stack.suppressions import suppress_nag

_PUBLIC = ("AwsSolutions-APIG4", "Public: the events, the reference page, and the answer that a route does not exist.")
_OPEN = ("AwsSolutions-APIG4", "The local stage is open unless it is started with `--auth jwt`.")


class HttpApi(Construct):
    """The API and its `$default` stage.

    `url` is the base URL for clients, without trailing slash; `outputs` are the stack's outputs about DNS and CDN.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self._stage = stage
        self.outputs: dict[str, str] = {}
        domain = self._domain(stage.address)
        self.api = apigateway.HttpApi(
            self,
            "Api",
            description="Turnstile: registrations for events",
            cors_preflight=_cors(stage.cors_origins),
            # Otherwise clients could bypass whatever is in front of the domain. Set in either case, so that the
            # endpoint is enabled again when the domain is removed.
            disable_execute_api_endpoint=domain is not None,
        )
        if domain is not None:
            # An update must not disable the old address before the new one exists: its certificate may be refused.
            self.api.node.default_child.add_resource_dependency(domain.node.default_child)
            default = self.api.default_stage.node.default_child
            apigateway.CfnApiMapping(
                self, "Mapping", api_id=self.api.api_id, domain_name=domain.name, stage=default.ref
            )
        if stage.endpoint is None:
            self.url = f"https://{stage.address.domain_name}" if domain else self.api.api_endpoint
            if stage.address.public_url is not None:
                self.outputs["OriginUrl"], self.url = self.url, stage.address.public_url
            return
        # The emulator takes the API's id from this tag, so the address is the same at every start. `$default` is
        # percent-encoded in it, so that no shell expands it.
        Tags.of(self.api).add("ms-custom-id", LOCAL_API_ID)
        self.url = f"{stage.endpoint}/_aws/execute-api/{self.api.api_id}/%24default"

    def connect(self, functions: Functions, issuer: TokenIssuer) -> None:
        """Add the routes, with the authorizer where a token is required; the fallback requires none.

        This is a separate step because the functions need the API's URL.
        """
        targets = {
            name: self._target(name, functions[name])
            for name, spec in FUNCTIONS.items()
            if spec.invoked_by == "routes" and name in functions
        }
        routes = {}
        for route in ROUTES:
            method = apigateway.HttpMethod[route.method]
            made = self.api.add_routes(
                path=route.path,
                methods=[method],
                integration=targets[route.function],
                authorizer=None if route.public else issuer.authorizer,
            )
            if route.public or issuer.authorizer is None:
                suppress_nag(made[0], *(_PUBLIC if route.public else _OPEN))
            routes[route] = made[0]
        if "docs" in targets:
            self._connect_docs(targets["docs"])
        fallback = apigateway.HttpRoute(
            self,
            "Fallback",
            http_api=self.api,
            route_key=apigateway.HttpRouteKey.DEFAULT,
            integration=targets[FALLBACK],
        )
        suppress_nag(fallback, *_PUBLIC)
        limit_and_log(self, self.api, self._stage, routes)

    def _connect_docs(self, target: _Integration) -> None:
        # Every method goes to the page's function, which allows GET only: the fallback does not know the page.
        for path in dict.fromkeys(route.path for route in DOCS_ROUTES):
            made = self.api.add_routes(path=path, methods=[apigateway.HttpMethod.ANY], integration=target)
            suppress_nag(made[0], *_PUBLIC)

    def _domain(self, address: Address) -> apigateway.DomainName | None:
        """Create the API's own domain, if it has one: regional, TLS 1.2. Its DNS record is created by hand."""
        if address.domain_name is None or address.certificate_arn is None:
            return None
        domain = apigateway.DomainName(
            self,
            "Domain",
            domain_name=address.domain_name,
            certificate=acm.Certificate.from_certificate_arn(self, "Certificate", address.certificate_arn),
            endpoint_type=apigateway.EndpointType.REGIONAL,
            security_policy=apigateway.SecurityPolicy.TLS_1_2,
        )
        self.outputs = {
            "DomainTarget": domain.regional_domain_name,
            "DomainHostedZoneId": domain.regional_hosted_zone_id,
        }
        return domain

    def _target(self, name: str, function: lambda_.Function) -> _Integration:
        """Create the integration of a function, and the permission to invoke it for this API only.

        API Gateway invokes a route as `{api}/{stage}/{method}/{path}`, but `$default` as `{api}/{stage}/$default`. The
        CDK's permission for a whole API (`{api}/*/*/*`) does not match that: aws/serverless-application-model#1860.
        """
        routes = "*/*" if name == FALLBACK else "*/*/*"  # in the last part of an ARN `*` also matches slashes
        # Its id differs from that of earlier versions, so that an update creates it before it deletes the old one.
        lambda_.CfnPermission(
            self,
            f"MayInvoke{name.capitalize()}",
            action="lambda:InvokeFunction",
            function_name=function.function_arn,
            principal="apigateway.amazonaws.com",
            source_arn=Stack.of(self).format_arn(service="execute-api", resource=self.api.api_id, resource_name=routes),
        )
        return _Integration(name, function)


def _cors(origins: tuple[str, ...]) -> apigateway.CorsPreflightOptions | None:
    """Return the CORS configuration. It allows no credentials: tokens come in a header, never in a cookie."""
    if not origins:
        return None
    return apigateway.CorsPreflightOptions(
        allow_origins=list(origins),
        allow_methods=[apigateway.CorsHttpMethod[method] for method in METHODS],
        allow_headers=request_headers(),
        expose_headers=response_headers(),
        max_age=Duration.seconds(MAX_AGE_SECONDS),
    )


class _Integration(apigateway.HttpRouteIntegration):  # type: ignore[misc]  # mypy takes the CDK's classes for Any
    """The integration of a function. Unlike the CDK's, it adds no permission."""

    def __init__(self, name: str, function: lambda_.Function) -> None:
        super().__init__(f"{name}Integration")
        self._function = function

    def bind(
        self,
        *,
        route: apigateway.IHttpRoute,  # noqa: ARG002 - the CDK passes both by name
        scope: Construct,  # noqa: ARG002
    ) -> apigateway.HttpRouteIntegrationConfig:
        """Return the function's ARN and the format of its events."""
        return apigateway.HttpRouteIntegrationConfig(
            type=apigateway.HttpIntegrationType.AWS_PROXY,
            uri=self._function.function_arn,
            payload_format_version=apigateway.PayloadFormatVersion.VERSION_2_0,
        )
