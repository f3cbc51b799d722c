"""The topic that alarms publish to: encrypted, over TLS only, and for the alarms of this account only."""

from __future__ import annotations

from aws_cdk import ArnFormat, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.stack.stage import Stage
from infra.stack.suppressions import suppress_nag, suppress_policy

_CLOUDWATCH = "cloudwatch.amazonaws.com"


def alarm_topic(scope: Construct, stage: Stage) -> sns.Topic:
    """Create the topic in `scope`. On the local stage it is a plain one: the emulator has no TLS."""
    name = f"Turnstile ({stage.name})"
    if not stage.on_aws:
        topic = sns.Topic(scope, "Topic", display_name=name)
        suppress_nag(topic, "AwsSolutions-SNS3", "The emulator has no TLS: every alarm would be rejected.")
        return topic
    topic = sns.Topic(scope, "Topic", display_name=name, master_key=_key(scope), enforce_ssl=True)
    # A policy of its own replaces the default policy of SNS, which admits CloudWatch.
    topic.add_to_resource_policy(
        iam.PolicyStatement(
            sid="AlarmsOfThisAccount",
            principals=[iam.ServicePrincipal(_CLOUDWATCH)],
            actions=["sns:Publish"],
            resources=[topic.topic_arn],
            conditions={
                "StringEquals": {"aws:SourceAccount": Stack.of(scope).account},
                "ArnLike": {"aws:SourceArn": _any_alarm(scope)},
            },
        )
    )
    return topic


def _key(scope: Construct) -> kms.Key:
    """Create a key, because CloudWatch may not use the one that AWS manages for SNS: its alarms would be lost."""
    key = kms.Key(
        scope,
        "TopicKey",
        description="Turnstile: alarm messages in transit",
        enable_key_rotation=True,
        # It encrypts nothing that is stored, so every stage deletes it with the stack, as soon as AWS allows.
        removal_policy=RemovalPolicy.DESTROY,
        pending_window=Duration.days(7),
    )
    # No condition on the account: the topic's policy has it, and the key is of no use to someone who cannot publish. If
    # a condition did not match what SNS tells KMS, every alarm would be lost without a trace.
    key.add_to_resource_policy(
        iam.PolicyStatement(
            sid="AlarmsAreEncrypted",
            principals=[iam.ServicePrincipal(_CLOUDWATCH)],
            actions=["kms:Decrypt", "kms:GenerateDataKey*"],
            resources=["*"],
        )
    )
    suppress_policy(
        key.node.default_child,
        "PERMISSIONS_MANAGEMENT_ACTIONS",
        "RESOURCE_STAR",
        reason="In a key's policy, * is the key. Without the account's administrators nobody could change it.",
    )
    return key


def _any_alarm(scope: Construct) -> str:
    arn: str = Stack.of(scope).format_arn(
        service="cloudwatch", resource="alarm", resource_name="*", arn_format=ArnFormat.COLON_RESOURCE_NAME
    )
    return arn
