"""The queues: commands in order per event, dead letters, promotions that could not be sent, and erasures."""

from __future__ import annotations

from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.functions import FUNCTIONS
from infra.stack.stage import Stage
from infra.stack.suppressions import suppress_nag

SETTLED_AFTER = 35
"""Seconds after an erasure: API Gateway ends a request after 30 s, and an index seldom lags by more than one."""

MAX_RETENTION = Duration.days(14)
"""The maximum of SQS. A message that outlives its queue's retention period vanishes without a trace."""


class Queues(Construct):
    """The FIFO queue (group = event) with its FIFO dead-letter queue, and two standard queues.

    `failed_promotions` is the promoter's on-failure destination; `erasures` delays the second look at an erased person.

    They are encrypted with keys that SQS manages, which cost nothing and need no call to KMS.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        kept: dict[str, Any] = {
            # An accepted command must survive any outage, including a long weekend.
            "retention_period": MAX_RETENTION,
            "encryption": sqs.QueueEncryption.SQS_MANAGED,
            "enforce_ssl": stage.on_aws,
            "removal_policy": stage.removal_policy,
        }
        in_order: dict[str, Any] = {
            "fifo": True,
            # Senders derive the deduplication id from the command; a hash of the body would differ.
            "content_based_deduplication": False,
            # High throughput: quotas apply to a partition of one or more groups (events), not to the queue.
            "deduplication_scope": sqs.DeduplicationScope.MESSAGE_GROUP,
            "fifo_throughput_limit": sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
        }
        self.dead_letters = sqs.Queue(self, "DeadLetters", **in_order, **kept)
        self.commands = sqs.Queue(
            self,
            "Commands",
            **in_order,
            **kept,
            # AWS recommends six times the function's timeout, so that a throttled poller does not deliver a batch
            # twice.
            visibility_timeout=Duration.seconds(6 * FUNCTIONS["registrar"].timeout_seconds),
            # A backstop only: the registrar parks what cannot be processed, and an outage must not fill the dead-letter
            # queue. So it is the maximum of SQS. With the registrar's waits (1, 2, 4, 8, 16 s, 15 x 30 s, 60, 120, 240,
            # 480 s, then 900 s each) 1,000 receives take 1,381 s + 976 x 900 s: ten days. If the registrar is killed or
            # throttled before it can set a wait, each takes the visibility timeout of 90 s: a day.
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=1000),
        )
        self.failed_promotions = sqs.Queue(self, "FailedPromotions", **kept)
        self.erasures = sqs.Queue(
            self,
            "Erasures",
            **kept,
            delivery_delay=Duration.seconds(SETTLED_AFTER),
            visibility_timeout=Duration.seconds(6 * FUNCTIONS["eraser"].timeout_seconds),
        )
        for queue, reason in (
            (
                self.failed_promotions,
                "Failed promotions end here: only an operator receives them, and an alarm watches.",
            ),
            (self.erasures, "Only the API writes it. A message is retried until it is processed; an alarm watches."),
        ):
            suppress_nag(queue, "AwsSolutions-SQS3", reason)
        if not stage.on_aws:
            suppress_nag(self, "AwsSolutions-SQS4", "The emulator has no TLS: every message would be rejected.")
