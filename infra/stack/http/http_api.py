"""The HTTP API: the routes of `api/http/routes.py`, each to its function, and everything else to the one that says no.

Also under which domain it is reached, and from which web pages: docs/decisions/0028-domain-and-browsers.md.
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
from infra.stack.http.api_stage import protect
from infra.stack.http.cors import MAX_AGE_SECONDS, METHODS, request_headers, response_headers
from infra.stack.identity.token_issuer import TokenIssuer
from infra.stack.stage import LOCAL_API_ID, Stage
from infra.stack.suppressions import accept

_PUBLIC = ("AwsSolutions-APIG4", "Anybody may see which events there are, the reference page, and that a route is not.")
_NOBODY_ASKED = ("AwsSolutions-APIG4", "On one's own machine nobody is asked who they are, unless one asks for it.")


class HttpApi(Construct):
    """The API and its `$default` stage. `url` is the base for clients, without trailing slash; `outputs` is what the
    person who deploys needs for DNS and CDN.
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
            # Or clients could go around whatever stands in front of the domain. Said either way, so that it is on again
            # when the domain is given up.
            disable_execute_api_endpoint=domain is not None,
        )
        if domain is not None:
            # An update must not switch the old address off before the new one exists, or fails for its certificate.
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
        # The emulator takes the API's id from this tag, so that the address stays the same from one start to the next.
        # In it `$default` is written so that no shell expands it.
        Tags.of(self.api).add("ms-custom-id", LOCAL_API_ID)
        self.url = f"{stage.endpoint}/_aws/execute-api/{self.api.api_id}/%24default"

    def connect(self, functions: Functions, issuer: TokenIssuer) -> None:
        """Add the routes, with the authorizer where a token is needed; what matches no route needs none.

        A step of its own, because the functions are told the API's URL.
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
                accept(made[0], *(_PUBLIC if route.public else _NOBODY_ASKED))
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
        accept(fallback, *_PUBLIC)
        protect(self, self.api, self._stage, routes)

    def _connect_docs(self, target: _Integration) -> None:
        # Every method goes to the page's own function, which says that it takes GET: the fallback knows of no page.
        for path in dict.fromkeys(route.path for route in DOCS_ROUTES):
            made = self.api.add_routes(path=path, methods=[apigateway.HttpMethod.ANY], integration=target)
            accept(made[0], *_PUBLIC)

    def _domain(self, address: Address) -> apigateway.DomainName | None:
        """Return the API's own domain, if it has one: regional, TLS 1.2. Its DNS record is made by hand."""
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


def _cors(origins: tuple[str, ...]) -> apigateway.CorsPreflightOptions | None:
    """Return what API Gateway says to browsers. Tokens come in a header, never in a cookie: no credentials."""
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
