"""What is to be replayed, and what came of it, also in words."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from infra.cli.text import plain
from workers.aws.messages import group_of

if TYPE_CHECKING:
    from workers.aws.dead_letters import DeadLetter

NOT_SELECTED = "not selected"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters to replay: those of some groups, or some by id; all when both are None."""

    groups: frozenset[str] | None = None
    ids: frozenset[str] | None = None

    def takes(self, letter: DeadLetter) -> bool:
        """True for a letter that is to be replayed."""
        if self.groups is not None:
            return letter.group in self.groups
        return self.ids is None or letter.message_id in self.ids


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a group stopped: at this letter, for this reason."""

    letter_id: str
    why: str


@dataclass(slots=True)
class Summary:
    """What a replay came to.

    `sent` letters went back to the main queue. `stops` says of each group that is not done where it stopped. `missing`
    are selected ids that were not sent, `unseen` selected groups without a letter. `undeleted` counts letters that were
    sent and are still in the dead-letter queue, `elsewhere` letters that somebody else held until the end. `aborted`
    says why the run ended early.
    """

    sent: int = 0
    stops: dict[str, Stop] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    undeleted: int = 0
    elsewhere: int = 0
    aborted: str | None = None

    @property
    def done(self) -> bool:
        """True when nothing of what was to be replayed remains."""
        waiting = any(stop.why != NOT_SELECTED for stop in self.stops.values())
        return not (waiting or self.missing or self.unseen or self.undeleted or self.elsewhere or self.aborted)


def words(summary: Summary, left: int, events: Collection[str]) -> str:
    """The end of a run, for an operator; `left` letters are in the queue now, `events` were asked for."""
    letters_sent = "1 letter" if summary.sent == 1 else f"{summary.sent} letters"
    lines = [f"{letters_sent} sent back to the queue; {left} in the dead-letter queue now."]
    if summary.aborted:
        lines.append(f"Stopped early: {summary.aborted}. The same command again goes on from here.")
    for group, stop in summary.stops.items():
        if stop.why != NOT_SELECTED:
            lines.append(plain(f"Event {group} stopped at {stop.letter_id}: {stop.why}"))
    lines += of_events(summary.unseen, events).splitlines()
    if summary.missing:
        lines.append(f"Not sent: {', '.join(summary.missing)}")
    if summary.undeleted:
        lines.append(f"{summary.undeleted} were sent but are not deleted yet; the same command again deletes them.")
    if summary.elsewhere:
        lines.append(f"{summary.elsewhere} are held by somebody else; try again in a minute.")
    return "\n".join(lines)


def of_events(groups: Collection[str], events: Collection[str]) -> str:
    """The line about each event of which no letter can be seen."""
    unseen = dict.fromkeys(event for event in events if group_of(event) in groups)
    return "".join(plain(f"No letters of event {event} can be seen.") + "\n" for event in unseen)
