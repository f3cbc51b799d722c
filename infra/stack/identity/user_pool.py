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
from infra.stack.suppressions import accept

ACCESS_TOKEN_LIFE = Duration.hours(1)
"""So long a token is good, whatever became of its owner: nobody asks the pool again meanwhile."""


class UserPool(Construct):
    """The stack's own user pool with its groups and the one app client. `issuer` is the `iss` of its tokens."""

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
        accept(self.pool, "AwsSolutions-COG2", "A second factor is offered; who only registers must not need one.")
        accept(self.pool, "AwsSolutions-COG8", "Threat protection is part of a plan that costs extra for each person.")
        if stage.auth.mail is not None:
            _send_as(self.pool, stage.auth.mail)
        self.issuer = f"https://{self.pool.user_pool_provider_name}"
        self.client = self._client(stage)
        for name, may in GROUPS.items():
            group = self.pool.add_group(name.capitalize(), group_name=name, description=may)
            # With its group a pool that is kept would lose who is in it.
            group.apply_removal_policy(stage.removal_policy)

    def _client(self, stage: Stage) -> cognito.UserPoolClient:
        client = self.pool.add_client(
            "App",
            generate_secret=False,
            disable_o_auth=True,
            # An operator may sign people in, with IAM rights of the account: `turnstile token` and `verify` do.
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
    """Have the pool send its mail through SES. Set by hand, it would be reset by the next change of the pool.

    Cognito makes a service-linked role for it, so the identity needs no policy:
    https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pool-settings-ses-authorization-to-send-email.html
    """
    arn = mail.identity
    if not arn.startswith("arn:"):
        arn = Stack.of(pool).format_arn(service="ses", resource="identity", resource_name=arn)
    # The CDK's own `UserPoolEmail.with_ses` wants the region in advance, and takes no subdomain of an identity.
    resource = pool.node.default_child
    assert isinstance(resource, cognito.CfnUserPool)  # noqa: S101 - for the type checker
    resource.email_configuration = cognito.CfnUserPool.EmailConfigurationProperty(
        email_sending_account="DEVELOPER", source_arn=arn, from_=mail.from_header
    )
