"""The HTTP API: the routes of `api/routes.py`, each to its function, and everything else to the one that says no."""

from __future__ import annotations

from aws_cdk import Tags
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_integrations as integrations
from constructs import Construct

from api.routes import FALLBACK, ROUTES
from infra.functions import ApiFunctions
from infra.stage import LOCAL_API_ID, Stage


class HttpApi(Construct):
    """The API and its `$default` stage. `url` is the base for clients, without trailing slash."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self.api = apigateway.HttpApi(self, "Api", description="Turnstile: registrations for events")
        if stage.endpoint is None:
            self.url = self.api.api_endpoint
            return
        # The emulator takes the API's id from this tag, so that the address stays the same from one start to the next.
        # In it `$default` is written so that no shell expands it.
        Tags.of(self.api).add("ms-custom-id", LOCAL_API_ID)
        self.url = f"{stage.endpoint}/_aws/execute-api/{self.api.api_id}/%24default"

    def connect(self, functions: ApiFunctions) -> None:
        """Add the routes. A step of its own, because the functions are told the API's URL."""
        targets = {
            name: integrations.HttpLambdaIntegration(f"{name}Integration", function, scope_permission_to_route=False)
            for name, function in (
                ("users", functions.users.function),
                ("events", functions.events.function),
                ("registrations", functions.registrations.function),
            )
        }
        for route in ROUTES:
            method = apigateway.HttpMethod[route.method]
            self.api.add_routes(path=route.path, methods=[method], integration=targets[route.function])
        apigateway.HttpRoute(
            self,
            "Fallback",
            http_api=self.api,
            route_key=apigateway.HttpRouteKey.DEFAULT,
            integration=targets[FALLBACK],
        )
