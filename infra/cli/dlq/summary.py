"""Select messages to replay or discard, and summarize the result of a replay."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from infra.cli.hints import suggest
from infra.cli.text import count_of, plain
from workers.aws.messages import event_group

if TYPE_CHECKING:
    from workers.aws.dead_letters import DeadLetter

NOT_SELECTED = "not selected"


@dataclass(frozen=True, slots=True)
class Selection:
    """The messages to handle: those of some groups, or some by id, or those whose reason contains a text.

    A condition that is None is met by every message.
    """

    groups: frozenset[str] | None = None
    ids: frozenset[str] | None = None
    reason: str | None = None

    def includes(self, message: DeadLetter) -> bool:
        """Tell whether a message is selected."""
        return (
            (self.groups is None or message.group in self.groups)
            and (self.ids is None or message.message_id in self.ids)
            and (self.reason is None or self.reason in message.reason)
        )


@dataclass(frozen=True, slots=True)
class Stop:
    """The message at which a group stopped, and the reason."""

    message_id: str
    why: str

    def as_json(self) -> dict[str, str]:
        """Return the stop as `turnstile dlq replay --json` prints it."""
        return {"letter_id": self.message_id, "why": self.why}


@dataclass(slots=True)
class Summary:
    """The result of a replay.

    `sent` messages went back to the main queue. `left_out` has, by id, why a replay of a message would only park it
    again. `stops` has, for each group that is not done, where it stopped.
    `missing` are selected ids that were not sent, `unseen` selected groups without a message. `undeleted` counts
    messages that were sent and are still in the dead-letter queue, `elsewhere` those that someone else held until the
    end. `aborted` says why the run ended early.
    """

    sent: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    stops: dict[str, Stop] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    undeleted: int = 0
    elsewhere: int = 0
    aborted: str | None = None

    @property
    def done(self) -> bool:
        """Tell whether everything that was selected has been replayed."""
        waiting = any(stop.why != NOT_SELECTED for stop in self.stops.values())
        return not (
            waiting or self.left_out or self.missing or self.unseen or self.undeleted or self.elsewhere or self.aborted
        )


def describe_summary(summary: Summary, left: int, events: Collection[str]) -> str:
    """Return the summary as text; `left` messages are in the queue now, `events` were requested."""
    lines = [f"{count_of(summary.sent, 'message')} sent back to the queue; {left} in the dead-letter queue now."]
    if summary.aborted:
        lines.append(f"Stopped early: {summary.aborted}. Run the same command again to continue.")
    for group, stop in summary.stops.items():
        if stop.why != NOT_SELECTED:
            lines.append(plain(f"Event {group} stopped at {stop.message_id}: {stop.why}"))
    lines += [plain(f"Left out {id_}: it would {would}") for id_, would in summary.left_out.items()]
    if summary.left_out:
        discard = suggest("dlq discard ID --why TEXT")
        lines.append(f"Fix the cause, discard them ({discard}), or send them all the same with --force.")
    lines += unseen_events(summary.unseen, events).splitlines()
    if summary.missing:
        lines.append(f"Not sent: {', '.join(summary.missing)}")
    if summary.undeleted:
        lines.append(f"{summary.undeleted} were sent but not deleted yet; run the same command again to delete them.")
    if summary.elsewhere:
        lines.append(f"{summary.elsewhere} are being received by someone else; try again in a minute.")
    return "\n".join(lines)


def unseen_events(groups: Collection[str], events: Collection[str]) -> str:
    """Return a line for each of these events whose group is among `groups`, those without a visible message."""
    unseen = dict.fromkeys(event for event in events if event_group(event) in groups)
    return "".join(plain(f"Event {event} has no visible messages.") + "\n" for event in unseen)
