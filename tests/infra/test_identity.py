"""Authentication in the template: the authorizer and its routes, the user pool, the functions' settings."""

from __future__ import annotations

from typing import Any

import pytest

from api.http.routes import DOCS_ROUTES, ROUTES
from tests.infra.findings import cfn_lint
from tests.infra.reading import Resources, plain
from tests.infra.synthesis import OIDC, synthesize

POOL, CLIENT = "IdentityUsersPool", "IdentityUsersPoolApp"
PUBLIC = {"GET /events", "GET /events/{eventId}", "GET /problems/{code}"}
API_FUNCTIONS = ("ApiUsers", "ApiEvents", "ApiRegistrations")
IDENTITY = ("AWS::Cognito::UserPool", "AWS::Cognito::UserPoolClient", "AWS::Cognito::UserPoolGroup")


@pytest.fixture(scope="session")
def guarded(templates: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The templates of every stage with its own user pool."""
    return templates | {"local": synthesize("local", auth="cognito")}


@pytest.fixture(scope="session")
def with_issuer() -> dict[str, Any]:
    """The template of production with an existing issuer."""
    return synthesize("prod", **OIDC, groupsClaim="roles")


def _guarded_routes(template: dict[str, Any]) -> set[str]:
    """The routes that have the one authorizer; the others have none."""
    resources = Resources(template)
    names = set(resources.of_type("AWS::ApiGatewayV2::Authorizer"))
    keys = set()
    for route in resources.of_type("AWS::ApiGatewayV2::Route").values():
        kind, authorizer = route.get("AuthorizationType", "NONE"), route.get("AuthorizerId")
        assert (kind, {authorizer}) in [("JWT", names), ("NONE", {None})]
        if kind == "JWT":
            keys.add(route["RouteKey"])
    return keys


def _auth_settings(template: dict[str, Any], function: str) -> dict[str, str]:
    variables: dict[str, str] = Resources(template).one(f"{function}Function")["Environment"]["Variables"]
    return {name: value for name, value in variables.items() if name.startswith("AUTH")}


@pytest.mark.parametrize("stage", ["local", "dev", "prod", "issuer"])
def test_every_route_but_the_public_ones_has_the_authorizer(
    guarded: dict[str, dict[str, Any]], with_issuer: dict[str, Any], stage: str
) -> None:
    """The authorizer is on exactly the routes that are not public: not on `$default`, not on the reference page."""
    template = with_issuer if stage == "issuer" else guarded[stage]
    assert _guarded_routes(template) == {route.key for route in ROUTES} - PUBLIC
    assert all(route.public for route in DOCS_ROUTES)


@pytest.mark.parametrize("stage", ["local", "dev", "prod"])
def test_no_cors_by_default(guarded: dict[str, dict[str, Any]], stage: str) -> None:
    """By default no web page may send requests that need a preflight, or read a response."""
    assert "CorsConfiguration" not in Resources(guarded[stage]).one("HttpApi")


def test_the_local_stage_is_open_by_default(templates: dict[str, dict[str, Any]]) -> None:
    """By default the local stage has neither authorizer nor user pool, and its functions know that."""
    resources = Resources(templates["local"])
    assert not _guarded_routes(templates["local"])
    assert not [kind for kind in ("AWS::ApiGatewayV2::Authorizer", *IDENTITY) if resources.of_type(kind)]
    assert [_auth_settings(templates["local"], name) for name in API_FUNCTIONS] == [{"AUTH": "none"}] * 3


@pytest.mark.parametrize("stage", ["local", "dev", "prod"])
def test_tokens_of_the_own_pool(guarded: dict[str, dict[str, Any]], stage: str) -> None:
    """The authorizer accepts tokens of the own pool for its only client; functions and outputs name the same client."""
    resources = Resources(guarded[stage])
    (authorizer,) = resources.of_type("AWS::ApiGatewayV2::Authorizer").values()
    assert authorizer["AuthorizerType"] == "JWT"
    assert authorizer["IdentitySource"] == ["$request.header.Authorization"]
    assert authorizer["JwtConfiguration"] == {"Issuer": f"https://{POOL}.ProviderName", "Audience": [CLIENT]}
    assert set(resources.of_type("AWS::Cognito::UserPoolClient")) == {CLIENT}
    expected = {"AUTH": "jwt", "AUTH_AUDIENCE": CLIENT, "AUTH_GROUPS_CLAIM": "cognito:groups"}
    assert [_auth_settings(guarded[stage], name) for name in API_FUNCTIONS] == [expected] * 3
    ids = [guarded[stage]["Outputs"][name]["Value"]["Ref"] for name in ("UserPoolId", "UserPoolClientId")]
    assert [identifier[:-8] for identifier in ids] == [POOL, CLIENT]


def test_tokens_of_an_existing_issuer(with_issuer: dict[str, Any]) -> None:
    """With an existing issuer there is no pool; authorizer and functions have its issuer, audience and claim."""
    resources = Resources(with_issuer)
    (authorizer,) = resources.of_type("AWS::ApiGatewayV2::Authorizer").values()
    assert authorizer["JwtConfiguration"] == {"Issuer": OIDC["issuer"], "Audience": ["turnstile"]}
    expected = {"AUTH": "jwt", "AUTH_AUDIENCE": "turnstile", "AUTH_GROUPS_CLAIM": "roles"}
    assert [_auth_settings(with_issuer, name) for name in API_FUNCTIONS] == [expected] * 3
    assert not [kind for kind in IDENTITY if resources.of_type(kind)]
    assert not {"UserPoolId", "UserPoolClientId"} & set(with_issuer["Outputs"])


@pytest.mark.parametrize(
    "function", ["ApiDocs", "WorkersRegistrar", "WorkersPromoter", "WorkersEraser", "WorkersAuditor"]
)
def test_other_functions_have_no_auth_settings(guarded: dict[str, dict[str, Any]], function: str) -> None:
    """The reference page and the workers have no settings about tokens."""
    assert _auth_settings(guarded["dev"], function) == {}


def test_the_pool(guarded: dict[str, dict[str, Any]]) -> None:
    """People sign up themselves, sign in by name or e-mail, recover by e-mail, and need a strong password."""
    pool = Resources(guarded["prod"]).one(POOL)
    assert pool["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": False}
    assert pool["AliasAttributes"] == pool["AutoVerifiedAttributes"] == ["email"]
    assert pool["UsernameConfiguration"] == {"CaseSensitive": False}
    assert pool["UserAttributeUpdateSettings"] == {"AttributesRequireVerificationBeforeUpdate": ["email"]}
    assert pool["AccountRecoverySetting"] == {"RecoveryMechanisms": [{"Name": "verified_email", "Priority": 1}]}
    policy = pool["Policies"]["PasswordPolicy"]
    assert policy["MinimumLength"] >= 12
    assert all(policy[f"Require{kind}"] for kind in ("Lowercase", "Uppercase", "Numbers", "Symbols"))
    assert (pool["MfaConfiguration"], pool["EnabledMfas"]) == ("OPTIONAL", ["SOFTWARE_TOKEN_MFA"])


def test_the_pool_costs_nothing_extra(guarded: dict[str, dict[str, Any]]) -> None:
    """The pool is on the cheapest plan, without threat protection and text messages, which cost extra."""
    pool = Resources(guarded["prod"]).one(POOL)
    assert pool["UserPoolTier"] == "LITE"
    assert not {"UserPoolAddOns", "SmsConfiguration"} & set(pool)


SES_IDENTITY = "arn:aws:ses:eu-west-1:123456789012:identity/example.org"


@pytest.mark.parametrize(
    ("stage", "identity", "source"),
    [
        ("prod", "example.org", "arn:AWS::Partition:ses:AWS::Region:AWS::AccountId:identity/example.org"),
        ("dev", SES_IDENTITY, SES_IDENTITY),
    ],
)
def test_mail_through_ses(templates: dict[str, dict[str, Any]], stage: str, identity: str, source: str) -> None:
    """The pool sends as the sender, by the SES identity. Nothing else changes in the template, so no pool is replaced,
    and cfn-lint finds nothing."""
    template = synthesize(stage, mailFrom="Tickets <t@example.org>", sesIdentity=identity)
    (pool,) = [entry for entry in template["Resources"].values() if entry["Type"] == "AWS::Cognito::UserPool"]
    assert cfn_lint({"Resources": {"Pool": pool}}) == set()
    mail = pool["Properties"].pop("EmailConfiguration")
    expected = {"EmailSendingAccount": "DEVELOPER", "From": "Tickets <t@example.org>", "SourceArn": source}
    assert plain(mail) == expected
    assert template == templates[stage]


def test_the_groups(guarded: dict[str, dict[str, Any]]) -> None:
    """The pool has the two groups that the API knows, without IAM roles."""
    groups = Resources(guarded["prod"]).of_type("AWS::Cognito::UserPoolGroup").values()
    assert {group["GroupName"] for group in groups} == {"organizers", "operators"}
    assert not any("RoleArn" in group for group in groups)


@pytest.mark.parametrize("stage", ["local", "dev", "prod"])
def test_the_app_client(guarded: dict[str, dict[str, Any]], stage: str) -> None:
    """The client has no secret and no OAuth; it uses SRP, and tokens last an hour at most and can be revoked.
    An operator signs people in on the stages that may have test users, never in production."""
    client = Resources(guarded[stage]).one(CLIENT)
    flows = {"ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"}
    assert set(client["ExplicitAuthFlows"]) == flows | (
        {"ALLOW_ADMIN_USER_PASSWORD_AUTH"} if stage in {"local", "dev"} else set()
    )
    assert client["GenerateSecret"] is False
    assert client["AllowedOAuthFlowsUserPoolClient"] is False
    assert not {"AllowedOAuthFlows", "CallbackURLs"} & set(client)
    assert client["TokenValidityUnits"]["AccessToken"] == "minutes"
    assert 5 <= client["AccessTokenValidity"] <= 60
    assert client["EnableTokenRevocation"] is True
    assert client["PreventUserExistenceErrors"] == "ENABLED"


def test_production_keeps_its_users(guarded: dict[str, dict[str, Any]]) -> None:
    """Production keeps pool, groups and app client when the stack is deleted, and its pool cannot be deleted by
    mistake; every other stage leaves nothing behind."""
    for name, template in guarded.items():
        resources = Resources(template)
        policies = {policy for kind in IDENTITY for policy in resources.deletion_policies(kind)}
        assert policies == ({"Retain", "RetainExceptOnCreate"} if name == "prod" else {"Delete"})
        assert resources.one(POOL)["DeletionProtection"] == ("ACTIVE" if name == "prod" else "INACTIVE")
