"""What wakes an operator: alarms, all to one topic.

Where AWS recommends an alarm, its statistic, period and number of periods are taken from there ("Recommended alarms" in
the CloudWatch user guide), and mostly it leaves the threshold to who knows the load. Each threshold has its reason in
the alarm's description, which is what the person who is woken reads, with the entry of the runbook that helps.

Each alarm watches one metric as it is: the emulator deploys no others.
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
from workers.telemetry import Metric

RUNBOOK = "docs/runbook.md"

QUIET = cloudwatch.TreatMissingData.NOT_BREACHING
"""For metrics that are sent only while something happens: silence is what is wanted."""

UNCHANGED = cloudwatch.TreatMissingData.IGNORE
"""For what is looked at every few hours: until the next look says otherwise, it is as the last one found it."""

STUCK_PERIODS = 20
"""Minutes. A failed command is tried again after up to 900 s (`seconds_hidden` in `workers.aws.send`), so one value may
be 16 minutes behind the other, and some more if Lambda is throttled: in 20 there is always one."""

MOST_MESSAGES = 20_000
"""A sixth of SQS's window ("Avoid having a large backlog of messages with the same message group ID"). The hot event
that has so many decides its last one after 200 s, when `oldest-message` is in alarm anyway."""

_ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD


class Alarms(Construct):
    """The topic, and the alarms `turnstile-{stage}-{name}` that send to it when they begin and when they are over."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, metrics: Metrics) -> None:
        super().__init__(scope, construct_id)
        self._prefix = stage.service
        self.topic = alarm_topic(self, stage)
        self._queues(metrics)
        self._api(metrics)
        self._functions(metrics)
        self._tables(metrics)
        self._promises(metrics)

    def _queues(self, metrics: Metrics) -> None:
        self._alarm(
            "oldest-message",
            metrics.oldest_message(),
            above=180,
            periods=3,
            why="An accepted command has waited for 3 minutes. That is twice the queue's visibility timeout, so a "
            "registrar that is killed once, which heals by itself, wakes nobody. AWS advises 15 periods; people are "
            "waiting, so it is 3. A command received more than three times is not in this metric: see stuck-event.",
        )
        self._alarm(
            "stuck-event",
            metrics.measured(Metric.FAILED_COMMAND_AGE, "Maximum"),
            above=180,
            periods=STUCK_PERIODS,
            breaching=1,
            why="A command has waited for 3 minutes, and the registrar cannot decide it, nor anything behind it at its "
            "event. In the end it is tried again every 15 minutes, so it stays in alarm for 20 minutes after the last "
            "failure.",
        )
        self._alarm(
            "queue-depth",
            metrics.visible(),
            above=MOST_MESSAGES,
            periods=5,
            breaching=1,
            why=f"More than {MOST_MESSAGES:,} commands wait. SQS looks for available events among the first 120,000 "
            "messages only: a backlog that large for one event blocks every other event, and repairs too. One event "
            "can fill the window within 5 minutes of this alarm (300 messages a second), several events within 3.",
        )
        self._alarm(
            "dead-letters",
            metrics.dead_letters(),
            above=0,
            periods=5,
            breaching=1,
            why="A message that could not be processed is somebody's request: one is enough. Over when there was none "
            "for 5 minutes, because reading dead letters hides them for a moment.",
        )
        self._alarm(
            "failed-promotions",
            metrics.failed_promotions(),
            above=0,
            periods=5,
            breaching=1,
            why="The promoter tried for 23 hours to say that a seat is free beside a waiter. Until the event's next "
            "command that seat stays free: one is enough.",
        )

    def _api(self, metrics: Metrics) -> None:
        self._alarm(
            "api-5xx",
            metrics.server_errors("Average"),
            above=0.05,
            periods=3,
            why="More than 5 % of the answers in each of 3 minutes were the service's fault (AWS's recommendation). "
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
                missing=UNCHANGED if alarm.sticky else QUIET,
                entry="function-errors",
                why="Functions answer for what goes wrong; one that raises, runs out of time or does not start is "
                f"broken. {alarm.breaching} of {alarm.minutes} minutes. {alarm.why}",
            )
            self._alarm(
                f"{spec.label}-throttles",
                throttles[spec.label],
                above=0,
                periods=5,
                entry="function-throttles",
                why="Lambda refuses to run the function: the account's concurrency is used up. For 5 minutes, as AWS "
                "recommends, since queue and stream get over a short peak.",
            )
        self._alarm(
            "iterator-age",
            metrics.iterator_age(),
            above=60_000,
            periods=1,
            why="The promoter is more than 60 s behind: somebody waits beside a free seat for longer than promised.",
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
                "Requests are tried again, so only 5 minutes of it, as AWS recommends, need somebody. DynamoDB sends "
                "this metric only while it throttles, and CloudWatch may ignore what is missing: it may stay in alarm "
                "after the last throttled request until you set it back.",
            )

    def _promises(self, metrics: Metrics) -> None:
        self._alarm(
            "slow-promotions",
            metrics.measured(Metric.TIME_TO_PROMOTION, "Maximum"),
            above=60_000,
            periods=1,
            why="Somebody was promoted more than 60 s after a seat became free for her; a second is normal.",
        )
        self._alarm(
            "ledger-drift",
            metrics.measured(Metric.LEDGER_DRIFT, "Maximum"),
            above=0,
            periods=1,
            missing=UNCHANGED,
            why="A ledger does not count what the registrations say, which no accident can do: one is enough. Over "
            "when an audit finds none.",
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
        missing: cloudwatch.TreatMissingData = QUIET,
        entry: str | None = None,
    ) -> None:
        """In alarm when `breaching` of the last `periods` minutes (all, unless told) lie above the threshold."""
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
