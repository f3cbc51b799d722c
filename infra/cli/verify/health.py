"""What waits for the operator of a deployment that works: dead letters, damaged ledgers, stuck events, alarms.

Each look is bounded, and says what it looked at. None receives a message, and none counts registrations again:
`turnstile reconcile --all` does, at the price of the whole table.
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
"""What the registrar logs of the first of an event's commands when it gives them back to the queue."""

DECIDED = frozenset({"decided", "a message was parked in the dead-letter queue"})
"""What it logs when it is done with a command."""

LOOK_BACK = 20 * 60.0
"""Seconds of the registrar's log: it tries again after 15 minutes at the latest."""

PAUSE = 10.0
"""Seconds before an event is reported as stuck: a transient cause (an index that lags) has passed by then, and
CloudWatch shows the line that says so."""

_SLOW = 60_000_000
"""Microseconds for which a seat may be free beside a waiter; the alarm `slow-promotions` has the same."""
_MAX_PAGES = 20
_NAMED = 5
_ALARMS_A_CALL = 100


class DeadLetters:
    """The dead-letter queue, before and after the journey. SQS counts approximately: a message may be shown up to a
    minute late."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._before: int | None = None

    def checks_before(self) -> list[Check]:
        """The checks that nothing waits in the dead-letter queue, or among the failed promotions."""
        return [("dead letters", self._none), ("failed promotions", lambda: _failed_promotions(self._deployment))]

    def check_after(self) -> Check:
        """The check that there are no more than before."""
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
            f"{count} messages are in the dead-letter queue, {self._before} were before",
            _command(self._deployment, "dlq list"),
        )
        return "no more than before"

    def _count(self) -> int:
        return _messages(self._deployment, self._deployment.outputs.dead_letter_queue_url)


def looks(deployment: Deployment) -> list[Check]:
    """The checks of ledgers, events that stand still, and alarms."""
    return [
        ("ledgers", lambda: _ledgers(deployment)),
        ("events that stand still", lambda: _stuck(deployment)),
        ("alarms", lambda: _alarms(deployment)),
    ]


def _failed_promotions(deployment: Deployment) -> str:
    if count := _messages(deployment, deployment.outputs.failed_promotions_queue_url):
        raise NeedsOperator(
            f"{count} could not be sent: seats may be free beside people who wait",
            _command(deployment, "promote") + ", and docs/runbook.md#failed-promotions",
        )
    return "none"


def _messages(deployment: Deployment, url: str) -> int:
    """All messages: what somebody is looking at right now is in the queue still."""
    found = deployment.clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(found["ApproximateNumberOfMessages"]) + int(found["ApproximateNumberOfMessagesNotVisible"])


def _command(deployment: Deployment, command: str) -> str:
    return f"turnstile {command} --stage {deployment.stage}"


def _ledgers(deployment: Deployment) -> str:
    found = scan_ledgers(deployment.clients.dynamodb, deployment.outputs.ledger_table)
    seen = f"{found.read} read" if found.complete else f"only the first {found.read} were read"
    if found.unreadable:
        raise NeedsOperator(
            f"those of {_some(found.unreadable)} cannot be read: requests for these events are answered 500 ({seen})",
            _command(deployment, f"reconcile {found.unreadable[0]} --repair") + ", for each of them",
        )
    late = time.time() * 1e6 - _SLOW
    if slow := [one.event_id for one in found.readable if one.promotable and (one.free_since or 0) < late]:
        raise NeedsOperator(
            f"for more than a minute a seat has been free beside people who wait, at {_some(slow)} ({seen})",
            _command(deployment, "promote"),
        )
    return f"{seen}, all readable, no seat long free beside people who wait; registrations were not counted"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


@dataclass(slots=True)
class _Head:
    """The command that an event stands at: when it was given back for the first and the last time (milliseconds since
    1970), how often, and what the registrar said."""

    command_id: str
    first: int
    last: int
    times: int
    said: str


def _stuck(deployment: Deployment) -> str:
    group = log_groups(deployment)[REGISTRAR]
    heads = _heads(deployment, group, time.time() - LOOK_BACK)
    undecided = _undecided(deployment, group, heads)
    if undecided:
        time.sleep(PAUSE)
        undecided = _undecided(deployment, group, undecided)
    if undecided:
        told = [
            f"{event} (its command was given back {head.times} times since {timestamp(head.first * 1000)[:19]}Z, "
            f"the last time because: {head.said})"
            for event, head in undecided.items()
        ]
        raise NeedsOperator(_some(told), "docs/runbook.md#stuck-event says what each reason means")
    return f"none whose command failed in the registrar's log of the last {LOOK_BACK / 60:.0f} minutes"


def _heads(deployment: Deployment, group: str, since: float) -> dict[str, _Head]:
    """Return the last command of each event that was given back, by event id."""
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
        head.last, head.times, head.said = at, head.times + 1, str(fields["message"])
    return heads


def _undecided(deployment: Deployment, group: str, heads: dict[str, _Head]) -> dict[str, _Head]:
    def decided(head: _Head) -> bool:
        found = _matching(deployment, group, head.command_id, head.last / 1000)
        return any(fields.get("message") in DECIDED for _, fields in found)

    return {event: head for event, head in heads.items() if not decided(head)}


def _matching(deployment: Deployment, group: str, phrase: str, since: float) -> list[tuple[int, dict[str, Any]]]:
    """Time and fields of the lines with this phrase in them; of a long log, those of its first pages."""
    pages = islice(lines(deployment.clients.logs, group, f'"{phrase}"', since), _MAX_PAGES)
    return [(line.at, line.fields) for page in pages for line in page]


def _alarms(deployment: Deployment) -> str:
    """Among them is that of the auditor, which holds ledgers against registrations every six hours."""
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
