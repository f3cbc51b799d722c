"""The stack's own user pool.

It is on Cognito's cheapest plan and uses nothing that costs extra. Its app client has no secret, because an app in a
browser or on a phone could not keep one; it proves a password without sending it (SRP). The reasons are in
docs/decisions/0023-authenticate-at-api-gateway.md.
"""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_cognito as cognito
from constructs import Construct

from infra.identity import GROUPS
from infra.settings.mail import Mail
from infra.stack.stage import Stage
from infra.stack.suppressions import suppress_nag

ACCESS_TOKEN_LIFE = Duration.hours(1)
"""For so long a token is valid, even if its user is disabled: the API does not ask the pool again."""


class UserPool(Construct):
    """The pool with its groups and its only app client. `issuer` is the claim `iss` of its tokens."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self.pool = cognito.UserPool(
            self,
            "Pool",
            feature_plan=cognito.FeaturePlan.LITE,
            self_sign_up_enabled=True,
            sign_in_aliases=cognito.SignInAliases(username=True, email=True),
            sign_in_case_sensitive=False,
            standard_attributes=cognito.StandardAttributes(
                email=cognito.StandardAttribute(required=True, mutable=True),
            ),
            auto_verify=cognito.AutoVerifiedAttrs(email=True),
            keep_original=cognito.KeepOriginalAttrs(email=True),  # until the new address has been verified
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            password_policy=cognito.PasswordPolicy(
                min_length=12,
                require_lowercase=True,
                require_uppercase=True,
                require_digits=True,
                require_symbols=True,
                temp_password_validity=Duration.days(3),
            ),
            mfa=cognito.Mfa.OPTIONAL,
            mfa_second_factor=cognito.MfaSecondFactor(otp=True, sms=False),
            enable_sms_role=False,
            deletion_protection=stage.keeps_data,
            removal_policy=stage.protected_removal_policy,
        )
        suppress_nag(
            self.pool,
            "AwsSolutions-COG2",
            "A second factor is offered, but nobody should need one to register for an event.",
        )
        suppress_nag(
            self.pool, "AwsSolutions-COG8", "Threat protection belongs to a plan that costs extra for each user."
        )
        if stage.auth.mail is not None:
            _send_as(self.pool, stage.auth.mail)
        self.issuer = f"https://{self.pool.user_pool_provider_name}"
        self.client = self._client(stage)
        for name, may in GROUPS.items():
            group = self.pool.add_group(name.capitalize(), group_name=name, description=may)
            # If a group were deleted, a pool that is kept would lose its memberships.
            group.apply_removal_policy(stage.removal_policy)

    def _client(self, stage: Stage) -> cognito.UserPoolClient:
        client = self.pool.add_client(
            "App",
            generate_secret=False,
            disable_o_auth=True,
            # `turnstile token` and `verify` sign people in with IAM permissions of the account.
            auth_flows=cognito.AuthFlow(user_srp=True, admin_user_password=stage.has_test_users),
            access_token_validity=ACCESS_TOKEN_LIFE,
            id_token_validity=ACCESS_TOKEN_LIFE,
            refresh_token_validity=Duration.days(30),
            enable_token_revocation=True,
            prevent_user_existence_errors=True,
        )
        client.apply_removal_policy(stage.removal_policy)
        return client


def _send_as(pool: cognito.UserPool, mail: Mail) -> None:
    """Have the pool send its mail through SES. If it were set by hand, the next update of the pool would reset it.

    Cognito creates a service-linked role for this, so the identity needs no policy:
    https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pool-settings-ses-authorization-to-send-email.html
    """
    arn = mail.identity
    if not arn.startswith("arn:"):
        arn = Stack.of(pool).format_arn(service="ses", resource="identity", resource_name=arn)
    # The CDK's `UserPoolEmail.with_ses` needs the region in advance, and rejects a subdomain of an identity.
    resource = pool.node.default_child
    assert isinstance(resource, cognito.CfnUserPool)  # noqa: S101 - for the type checker
    resource.email_configuration = cognito.CfnUserPool.EmailConfigurationProperty(
        email_sending_account="DEVELOPER", source_arn=arn, from_=mail.from_header
    )
