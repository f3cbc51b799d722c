"""The alarms, which all publish to one topic.

Where AWS recommends an alarm ("Recommended alarms" in the CloudWatch user guide), its statistic, period and number of
periods are used. Each alarm's description, which the operator reads first, gives the reason for its threshold and the
entry of the runbook.

Each alarm watches one metric without metric math: the emulator deploys no others.
"""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from constructs import Construct

from infra.functions import ALWAYS, SPARSE
from infra.stack.monitoring.alarm_topic import alarm_topic
from infra.stack.monitoring.metrics import Metrics
from infra.stack.stage import Stage
from workers.metrics import Metric

RUNBOOK = "docs/runbook.md"

MISSING_IS_GOOD = cloudwatch.TreatMissingData.NOT_BREACHING
"""For metrics that are sent only while something happens."""

KEEP_STATE = cloudwatch.TreatMissingData.IGNORE
"""For checks that run every few hours: the last result holds until the next."""

STUCK_PERIODS = 20
"""Minutes. A failed command is retried after up to 900 s (`seconds_hidden` in `workers.aws.send`), so two values may be
16 minutes apart, or a little more if Lambda is throttled: within 20 there is always one."""

MAX_BACKLOG = 20_000
"""A sixth of SQS's window ("Avoid having a large backlog of messages with the same message group ID"). A hot event with
such a backlog decides its last command after 200 s, when `oldest-message` is in alarm anyway."""

_ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD


class Alarms(Construct):
    """The topic, and the alarms `turnstile-{stage}-{name}` that publish to it when they start and when they end."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, metrics: Metrics) -> None:
        super().__init__(scope, construct_id)
        self._prefix = stage.service
        self.topic = alarm_topic(self, stage)
        self._queues(metrics)
        self._api(metrics)
        self._functions(metrics)
        self._tables(metrics)
        self._guarantees(metrics)

    def _queues(self, metrics: Metrics) -> None:
        self._alarm(
            "oldest-message",
            metrics.oldest_message(),
            above=180,
            periods=3,
            why="An accepted command has waited for 3 minutes. That is twice the queue's visibility timeout, so a "
            "registrar that is killed once, and recovers by itself, raises no alarm. AWS recommends 15 periods; people "
            "are waiting, so it is 3. This metric excludes commands received more than three times: see stuck-event.",
        )
        self._alarm(
            "stuck-event",
            metrics.custom(Metric.FAILED_COMMAND_AGE, "Maximum"),
            above=180,
            periods=STUCK_PERIODS,
            breaching=1,
            why="The registrar has failed to decide a command for 3 minutes, and it blocks its event. Retries are up "
            "to 15 minutes apart, so the alarm lasts until 20 minutes after the last failure.",
        )
        self._alarm(
            "queue-depth",
            metrics.visible(),
            above=MAX_BACKLOG,
            periods=5,
            breaching=1,
            why=f"More than {MAX_BACKLOG:,} commands wait. SQS looks for available events among the first 120,000 "
            "messages only: a backlog that large for one event blocks all other events, and repairs. One event can "
            "fill that window within 5 minutes of this alarm (300 messages a second), several events within 3.",
        )
        self._alarm(
            "dead-letters",
            metrics.dead_letters(),
            above=0,
            periods=5,
            breaching=1,
            why="A message that could not be processed is someone's request, so one is enough. The alarm ends after 5 "
            "minutes without any, because reading dead letters hides them for a moment.",
        )
        self._alarm(
            "failed-promotions",
            metrics.failed_promotions(),
            above=0,
            periods=5,
            breaching=1,
            why="The promoter failed for 23 hours to announce a free seat while people are waiting. The seat stays "
            "free until the event's next command, so one is enough.",
        )

    def _api(self, metrics: Metrics) -> None:
        self._alarm(
            "api-5xx",
            metrics.server_errors("Average"),
            above=0.05,
            periods=3,
            why="More than 5 % of the responses in each of 3 minutes were server errors (AWS's recommendation). "
            f"{SPARSE}",
        )

    def _functions(self, metrics: Metrics) -> None:
        errors, throttles = (metrics.of_functions(name, "Sum") for name in ("Errors", "Throttles"))
        for spec in ALWAYS:
            alarm = spec.errors
            self._alarm(
                f"{spec.label}-errors",
                errors[spec.label],
                above=0,
                periods=alarm.minutes,
                breaching=alarm.breaching,
                missing=KEEP_STATE if alarm.sticky else MISSING_IS_GOOD,
                entry="function-errors",
                why="Functions handle expected failures; one that raises, times out or does not start is broken. "
                f"Errors in {alarm.breaching} of {alarm.minutes} minutes. {alarm.why}",
            )
            self._alarm(
                f"{spec.label}-throttles",
                throttles[spec.label],
                above=0,
                periods=5,
                entry="function-throttles",
                why="Lambda refuses to run the function: the account's concurrency is used up. For 5 minutes, as AWS "
                "recommends, because queue and stream survive a short peak.",
            )
        self._alarm(
            "iterator-age",
            metrics.iterator_age(),
            above=60_000,
            periods=1,
            why="The promoter is more than 60 s behind: people wait too long for a seat that is free.",
        )

    def _tables(self, metrics: Metrics) -> None:
        for kind, metric in (("read", "ReadThrottleEvents"), ("write", "WriteThrottleEvents")):
            self._throttles(kind, metrics.of_tables_and_indexes(metric))

    def _throttles(self, kind: str, metrics: Mapping[str, cloudwatch.Metric]) -> None:
        for name, metric in metrics.items():
            self._alarm(
                f"{name}-{kind}-throttles",
                metric,
                above=0,
                periods=5,
                entry="table-throttles",
                why="Billed per request, a table throttles only when one key is too hot or the load more than doubles. "
                "Requests are retried, so only 5 minutes of it need attention, as AWS recommends. DynamoDB sends this "
                "metric only while it throttles, and CloudWatch may ignore missing data: it may stay in alarm after "
                "the last throttled request until you reset it.",
            )

    def _guarantees(self, metrics: Metrics) -> None:
        self._alarm(
            "slow-promotions",
            metrics.custom(Metric.TIME_TO_PROMOTION, "Maximum"),
            above=60_000,
            periods=1,
            why="A person was promoted more than 60 s after their seat became free; one second is normal.",
        )
        self._alarm(
            "ledger-drift",
            metrics.custom(Metric.LEDGER_DRIFT, "Maximum"),
            above=0,
            periods=1,
            missing=KEEP_STATE,
            why="A ledger disagrees with its event's registrations, which no failure can cause, so one is enough. The "
            "alarm ends when an audit finds none.",
        )

    def _alarm(
        self,
        name: str,
        metric: cloudwatch.Metric,
        *,
        above: float,
        periods: int,
        why: str,
        breaching: int | None = None,
        missing: cloudwatch.TreatMissingData = MISSING_IS_GOOD,
        entry: str | None = None,
    ) -> None:
        """Create an alarm: in `breaching` of the last `periods` minutes (default all) the metric is `above`."""
        alarm = cloudwatch.Alarm(
            self,
            name,
            alarm_name=f"{self._prefix}-{name}",
            alarm_description=f"{why} What to do: {RUNBOOK}#{entry or name}",
            metric=metric,
            threshold=above,
            comparison_operator=_ABOVE,
            evaluation_periods=periods,
            datapoints_to_alarm=breaching or periods,
            treat_missing_data=missing,
        )
        to_topic = actions.SnsAction(self.topic)
        alarm.add_alarm_action(to_topic)
        alarm.add_ok_action(to_topic)
