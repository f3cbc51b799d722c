"""The issuer of the callers' tokens: the stack's own user pool, an existing issuer, or none.

The reasons are in docs/decisions/0023-authenticate-at-api-gateway.md.
"""

from __future__ import annotations

from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from constructs import Construct

from infra.functions import Setting
from infra.stack.identity.user_pool import UserPool
from infra.stack.stage import Stage


class TokenIssuer(Construct):
    """The issuer whose tokens a stage accepts.

    `authorizer` checks the tokens for API Gateway; None if the stage takes requests without a token. `environment` are
    the settings of the API's functions, `outputs` the stack's outputs about its own user pool.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self.authorizer: authorizers.HttpJwtAuthorizer | None = None
        self.environment: dict[Setting, str] = {"AUTH": "none"}
        self.outputs: dict[str, str] = {}
        if stage.auth.kind == "none":
            return
        if stage.auth.kind == "cognito":
            pool = UserPool(self, "Users", stage=stage)
            issuer, audience = pool.issuer, pool.client.user_pool_client_id
            self.outputs = {"UserPoolId": pool.pool.user_pool_id, "UserPoolClientId": audience}
        else:
            issuer, audience = str(stage.auth.issuer), str(stage.auth.audience)  # never None: `Auth` requires both
        self.authorizer = authorizers.HttpJwtAuthorizer("Jwt", issuer, jwt_audience=[audience])
        self.environment = {
            "AUTH": "jwt",
            "AUTH_AUDIENCE": audience,
            "AUTH_GROUPS_CLAIM": stage.auth.groups_claim,
        }
