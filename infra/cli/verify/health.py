"""Check for work that needs an operator: dead letters, damaged ledgers, stuck events, alarms.

Each check is bounded and reports what it covered. None of them receives messages or recounts registrations; that is
`turnstile reconcile --all`, which reads the whole table.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from infra.cli.function_logs import REGISTRAR, lines, log_groups
from infra.cli.ledgers import scan_ledgers
from infra.cli.verify.result import NeedsOperator, require
from workers.aws.items import timestamp

if TYPE_CHECKING:
    from infra.cli.deployment import Deployment
    from infra.cli.verify.result import Check

GIVEN_BACK = (
    "the event's commands will be tried again",
    "an event's records cannot be read",
    "the head of the line may be a record that cannot be read",
    "the index lags behind the line",
    "a command waits for another try",
    "a message could not be parked",
    "no time is left for an event of this batch",
)
"""The registrar's log messages for the first of an event's commands when it returns them to the queue."""

DECIDED = frozenset({"decided", "a message was parked in the dead-letter queue"})
"""Its log messages when it is done with a command."""

LOOK_BACK = 20 * 60.0
"""Seconds of the registrar's log to search: it retries after 15 minutes at the latest."""

PAUSE = 10.0
"""Seconds before an event is reported as stuck: a transient cause (an index that lags) has passed by then, and
CloudWatch shows the line that says so."""

_SLOW = 60_000_000
"""Microseconds for which a seat may be free while people are waiting, as in the alarm `slow-promotions`."""
_MAX_PAGES = 20
_NAMED = 5
_ALARMS_A_CALL = 100


class DeadLetters:
    """The dead-letter queue, before and after the journey. SQS counts approximately: it may miss a message for up to a
    minute."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._before: int | None = None

    def checks_before(self) -> list[Check]:
        """Return the checks that the dead-letter queue and the queue of failed promotions are empty."""
        return [("dead letters", self._none), ("failed promotions", lambda: _failed_promotions(self._deployment))]

    def check_after(self) -> Check:
        """Return the check that the run added no dead letters."""
        return "dead letters afterwards", self._no_more

    def _none(self) -> str:
        self._before = count = self._count()
        if count:
            raise NeedsOperator(
                f"{count} {'message is' if count == 1 else 'messages are'} in the dead-letter queue; "
                f"{'its request has' if count == 1 else 'their requests have'} not been carried out",
                _command(self._deployment, "dlq list") + ", and docs/runbook.md#dead-letters",
            )
        return "none"

    def _no_more(self) -> str:
        count = self._count()
        require(
            self._before is None or count <= self._before,
            f"{count} messages are in the dead-letter queue; there were {self._before} before the run",
            _command(self._deployment, "dlq list"),
        )
        return "no more than before"

    def _count(self) -> int:
        return _messages(self._deployment, self._deployment.outputs.dead_letter_queue_url)


def health_checks(deployment: Deployment) -> list[Check]:
    """Return the checks of ledgers, stuck events and alarms."""
    return [
        ("ledgers", lambda: _ledgers(deployment)),
        ("stuck events", lambda: _stuck(deployment)),
        ("alarms", lambda: _alarms(deployment)),
    ]


def _failed_promotions(deployment: Deployment) -> str:
    if count := _messages(deployment, deployment.outputs.failed_promotions_queue_url):
        raise NeedsOperator(
            f"{count} could not be sent: seats may be free while people are waiting",
            _command(deployment, "promote") + ", and docs/runbook.md#failed-promotions",
        )
    return "none"


def _messages(deployment: Deployment, url: str) -> int:
    """Count the messages of a queue, including those in flight."""
    found = deployment.clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(found["ApproximateNumberOfMessages"]) + int(found["ApproximateNumberOfMessagesNotVisible"])


def _command(deployment: Deployment, command: str) -> str:
    return f"turnstile {command} --stage {deployment.stage}"


def _ledgers(deployment: Deployment) -> str:
    found = scan_ledgers(deployment.clients.dynamodb, deployment.outputs.ledger_table)
    seen = f"{found.read} read" if found.complete else f"only the first {found.read} were read"
    if found.unreadable:
        raise NeedsOperator(
            f"the ledgers of {_some(found.unreadable)} cannot be read, so requests for these events are answered 500 "
            f"({seen})",
            _command(deployment, f"reconcile {found.unreadable[0]} --repair") + ", for each of them",
        )
    late = time.time() * 1e6 - _SLOW
    if slow := [ledger.event_id for ledger in found.readable if ledger.promotable and (ledger.free_since or 0) < late]:
        raise NeedsOperator(
            f"a seat has been free for more than a minute while people are waiting, at {_some(slow)} ({seen})",
            _command(deployment, "promote"),
        )
    return f"{seen}, all readable, no seat free for long while people are waiting; registrations were not recounted"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


@dataclass(slots=True)
class _Head:
    """The first undecided command of an event: when it was first and last returned to the queue (milliseconds since
    1970), how often, and the registrar's last message."""

    command_id: str
    first: int
    last: int
    times: int
    reason: str


def _stuck(deployment: Deployment) -> str:
    group = log_groups(deployment)[REGISTRAR]
    heads = _heads(deployment, group, time.time() - LOOK_BACK)
    undecided = _undecided(deployment, group, heads)
    if undecided:
        time.sleep(PAUSE)
        undecided = _undecided(deployment, group, undecided)
    if undecided:
        details = [
            f"{event} (its command was returned to the queue {head.times} times since "
            f"{timestamp(head.first * 1000)[:19]}Z, last reason: {head.reason})"
            for event, head in undecided.items()
        ]
        raise NeedsOperator(_some(details), "docs/runbook.md#stuck-event says what each reason means")
    return f"none whose command failed in the registrar's log of the last {LOOK_BACK / 60:.0f} minutes"


def _heads(deployment: Deployment, group: str, since: float) -> dict[str, _Head]:
    """Return the last command of each event that was returned to the queue, by event id."""
    found = [line for phrase in GIVEN_BACK for line in _matching(deployment, group, phrase, since)]
    heads: dict[str, _Head] = {}
    for at, fields in sorted(found, key=lambda line: line[0]):
        # A message that cannot be decoded has no command, but the group of its event and an id of its own.
        event, command = fields.get("event_id", fields.get("group")), fields.get("command_id", fields.get("message_id"))
        if fields.get("message") not in GIVEN_BACK or not isinstance(event, str) or not isinstance(command, str):
            continue
        head = heads.get(event)
        if head is None or head.command_id != command:
            heads[event] = head = _Head(command, at, at, 0, "")
        head.last, head.times, head.reason = at, head.times + 1, str(fields["message"])
    return heads


def _undecided(deployment: Deployment, group: str, heads: dict[str, _Head]) -> dict[str, _Head]:
    def decided(head: _Head) -> bool:
        found = _matching(deployment, group, head.command_id, head.last / 1000)
        return any(fields.get("message") in DECIDED for _, fields in found)

    return {event: head for event, head in heads.items() if not decided(head)}


def _matching(deployment: Deployment, group: str, phrase: str, since: float) -> list[tuple[int, dict[str, Any]]]:
    """Return time and fields of the lines that contain a phrase, from at most _MAX_PAGES pages of the log."""
    pages = islice(lines(deployment.clients.logs, group, f'"{phrase}"', since), _MAX_PAGES)
    return [(line.at, line.fields) for page in pages for line in page]


def _alarms(deployment: Deployment) -> str:
    """Report alarms, among them the auditor's, which compares ledgers with registrations every six hours."""
    names = deployment.physical_ids("AWS::CloudWatch::Alarm")
    by_state: dict[str, list[str]] = {}
    for start in range(0, len(names), _ALARMS_A_CALL):
        answer = deployment.clients.cloudwatch.describe_alarms(AlarmNames=names[start : start + _ALARMS_A_CALL])
        for alarm in answer["MetricAlarms"]:
            by_state.setdefault(alarm["StateValue"], []).append(alarm["AlarmName"])
    if ringing := by_state.get("ALARM"):
        raise NeedsOperator(f"in alarm: {_some(sorted(ringing))}", "docs/runbook.md has an entry for each")
    unknown = len(by_state.get("INSUFFICIENT_DATA", []))
    return f"none of {len(names)} is in alarm" + (f"; {unknown} have no data yet" if unknown else "")
