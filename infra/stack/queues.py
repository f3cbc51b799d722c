"""The queues: commands in order per event, what could not be processed, and promotions that could not be sent."""

from __future__ import annotations

from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.functions import FUNCTIONS
from infra.stack.stage import Stage
from infra.stack.suppressions import accept

LONGEST = Duration.days(14)
"""The longest that SQS keeps a message. A message that outlives its queue's retention vanishes without a trace."""


class Queues(Construct):
    """The FIFO queue (group = event) with its FIFO dead-letter queue, and the promoter's on-failure destination.

    Encrypted with SQS's own key, which costs nothing and asks no other service at every message.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        kept: dict[str, Any] = {
            # An accepted command has to outlast any outage, a long weekend included.
            "retention_period": LONGEST,
            "encryption": sqs.QueueEncryption.SQS_MANAGED,
            "enforce_ssl": stage.on_aws,
            "removal_policy": stage.removal_policy,
        }
        in_order: dict[str, Any] = {
            "fifo": True,
            # Every sender names a deduplication id made from what the command is; a hash of the body would be another.
            "content_based_deduplication": False,
            # High throughput: limits count for a partition, which holds one or more groups (events), not for all.
            "deduplication_scope": sqs.DeduplicationScope.MESSAGE_GROUP,
            "fifo_throughput_limit": sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
        }
        self.dead_letters = sqs.Queue(self, "DeadLetters", **in_order, **kept)
        self.commands = sqs.Queue(
            self,
            "Commands",
            **in_order,
            **kept,
            # AWS's advice for Lambda: six times the function's timeout, so that a throttled poller does not hand a
            # batch out twice.
            visibility_timeout=Duration.seconds(6 * FUNCTIONS["registrar"].timeout_seconds),
            # A backstop only: the worker parks what cannot be processed, and an outage must not fill the dead-letter
            # queue. So it is the most that SQS takes. With the worker's waits (1, 2, 4, 8, 16 s, 15 x 30 s, 60, 120,
            # 240, 480 s, then 900 s each) 1,000 receives last 1,381 s + 976 x 900 s: ten days. If the worker cannot
            # even say how long to wait (it is killed, or not let run), each lasts the visibility timeout, 90 s: a day.
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=1000),
        )
        self.failed_promotions = sqs.Queue(self, "FailedPromotions", **kept)
        accept(
            self.failed_promotions,
            "AwsSolutions-SQS3",
            "The promoter's failures end here: nothing but an operator receives them, and an alarm watches.",
        )
        if not stage.on_aws:
            accept(self, "AwsSolutions-SQS4", "The emulator speaks HTTP only, and would refuse every message.")
