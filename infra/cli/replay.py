"""Sends dead letters back to where they came from: in the order of their group, once, nothing lost, and killed at any
moment it can be taken up again.

How that is kept:

- **Send, then delete only what SQS says was sent**, and what was sent is in the journal before anything else happens.
  A run that takes up after a killed one deletes such letters and never sends them again.
- **One letter of a group per call.** SendMessageBatch may refuse one entry and take the next one. So the next letter of
  a group goes only after SQS has confirmed the one before.
- **A group stops** at its first letter that is not to be replayed, or cannot be. It is kept invisible until the end.
- **Between SQS's yes and the journal** a kill leaves a letter that was sent and does not look it. It is sent again,
  under the same deduplication id, which SQS recognises for five minutes. After that the registrar recognises the
  command itself: it is `superseded`.
- **Only what was there at the start.** Later letters are told by their time, those that were replayed and came back by
  their attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from infra.cli.dead_letters import BATCH, HELD, DeadLetterQueue, Hold
from infra.cli.errors import CliError
from workers.aws.dead_letters import DeadLetter, replay_entry

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from infra.cli.journal import Journal
    from workers.aws.clock import Clock

_SECOND = 1_000_000
_SLACK = 2 * _SECOND
"""SQS tells its time in whole seconds, and its answer may be a second old. So a letter that comes while the run begins
may be taken for one that was there; one that comes back is recognised all the same."""
_ARRIVALS = 10
"""So many letters that were not there at the start, and one more per hundred sent: the cause is still there."""
_LOOK_EVERY = 2 * _SECOND
_LAG = 60 * _SECOND
"""AWS's own word for how long the counts of a queue may take to become right."""
_MAX_BYTES = 200_000
"""What goes into one call, unless one letter is bigger: SQS takes 256 KB and more."""

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
    are selected ids that were not sent, `undeleted` counts letters that were sent and are still in the dead-letter
    queue, `elsewhere` letters that somebody else held until the end. `aborted` says why the run ended early.
    """

    sent: int = 0
    stops: dict[str, Stop] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    undeleted: int = 0
    elsewhere: int = 0
    aborted: str | None = None

    @property
    def done(self) -> bool:
        """True when nothing of what was to be replayed remains."""
        waiting = any(stop.why != NOT_SELECTED for stop in self.stops.values())
        return not (waiting or self.missing or self.undeleted or self.elsewhere or self.aborted)


@dataclass(frozen=True, slots=True)
class _Tide:
    """How many letters the run had deleted and received at a time."""

    at: int
    deleted: int
    received: int


def settle(queue: DeadLetterQueue, journal: Journal) -> int:
    """Leaves nothing in the air: deletes what was sent, puts back what was only taken. Answers how many it deleted.

    For the end of a run, and for the next one if that end never came. Receipt handles that SQS no longer knows are
    forgotten: their letters are visible again, and those that were sent are still in the journal.
    """
    handles = dict(journal.taken)
    gone = queue.delete({letter_id: handle for letter_id, handle in handles.items() if letter_id in journal.sent})
    journal.note_deleted(gone)
    queue.hide({letter_id: handle for letter_id, handle in handles.items() if letter_id not in journal.sent}, 0)
    journal.note_freed(handles)
    return len(gone)


class Replay:
    """One run. `uninterrupted` is entered around what a signal must not tear apart; `progress` gets the number of
    letters sent so far."""

    def __init__(
        self,
        queue: DeadLetterQueue,
        sqs: SQSClient,
        main_url: str,
        journal: Journal,
        clock: Clock,
        selection: Selection,
        rate: float | None,
        uninterrupted: Callable[[], AbstractContextManager[None]],
        progress: Callable[[int], None],
    ) -> None:
        self._queue = queue
        self._sqs = sqs
        self._main_url = main_url
        self._journal = journal
        self._clock = clock
        self._selection = selection
        self._rate = rate
        self._uninterrupted = uninterrupted
        self._progress = progress
        self._hold = Hold(queue, clock)
        self._summary = Summary()
        self._replayed: set[str] = set()
        self._undeleted: set[str] = set()
        self._arrivals: set[str] = set()
        self._started = self._at_start = self._others = 0
        self._received = self._deleted = 0
        self._tides: list[_Tide] = []

    def run(self) -> Summary:
        """Replays until nothing is left of what was there at the start. What AWS or the user does is in the summary."""
        summary = self._summary
        try:
            self._started = self._queue.now() + _SLACK
            count = self._queue.count()
            self._others = count.invisible
            self._at_start = count.total
            self._tides = [_Tide(self._clock.now(), 0, 0)]
            self._loop()
        except KeyboardInterrupt:
            summary.aborted = "interrupted"
        except (ClientError, BotoCoreError, CliError) as error:
            summary.aborted = str(error)
        finally:
            try:
                with self._uninterrupted():
                    settle(self._queue, self._journal)
            except KeyboardInterrupt:
                summary.aborted = summary.aborted or "interrupted"
            except (ClientError, BotoCoreError, CliError) as error:
                summary.aborted = summary.aborted or str(error)
            summary.undeleted = len(self._undeleted & self._journal.sent.keys())
            summary.missing = sorted((self._selection.ids or frozenset()) - self._replayed)
        return summary

    def _loop(self) -> None:
        last = self._clock.now()
        while not self._summary.aborted:
            with self._uninterrupted():
                deadline = self._clock.now() + HELD * _SECOND // 2
                letters = self._queue.receive(self._batch_size())
                self._journal.note_taken({letter.message_id: letter.receipt_handle for letter in letters})
                sent = self._work(letters, deadline)
            if self._selection.ids is not None and self._selection.ids <= self._replayed:
                return
            if letters:
                last = self._clock.now()
            elif not self._worth_another_look(last):
                self._summary.elsewhere = self._others
                return
            self._summary.aborted = self._growth()
            self._pause(sent / self._rate if self._rate else 0)

    def _batch_size(self) -> int:
        """Nobody waits while holding letters: a slow run takes few at a time, and pauses before it takes more."""
        return BATCH if self._rate is None else max(1, min(BATCH, int(self._rate)))

    def _work(self, letters: Sequence[DeadLetter], deadline: int) -> int:
        """Replays what was received, group by group side by side. Answers how many were sent."""
        self._received += len(letters)
        todo: dict[str, list[DeadLetter]] = {}
        for letter in letters:
            todo.setdefault(letter.group, []).append(letter)
        done = [letter for letter in letters if letter.message_id in self._journal.sent]
        for group, queue in todo.items():
            todo[group] = self._up_to_stop([letter for letter in queue if letter not in done])
        sent = 0
        while heads := _fitting([queue[0] for queue in todo.values() if queue]):
            if self._clock.now() > deadline:
                break  # they are about to be visible again, to others too
            refused = self._send(heads)
            for head in heads:
                queue = todo[head.group]
                if head.message_id in refused:
                    self._stop(queue, f"SQS did not take it: {refused[head.message_id]}")
                    todo[head.group] = []
                else:
                    done.append(queue.pop(0))
                    sent += 1
        gone = self._queue.delete({letter.message_id: letter.receipt_handle for letter in done})
        self._journal.note_deleted(gone)
        self._deleted += len(gone)
        self._undeleted.update({letter.message_id for letter in done} - set(gone))
        self._give_back([letter for queue in todo.values() for letter in queue])
        self._progress(self._summary.sent)
        return sent

    def _up_to_stop(self, letters: list[DeadLetter]) -> list[DeadLetter]:
        """The letters of a group that can go; behind them it stops."""
        for index, letter in enumerate(letters):
            if why := self._why_not(letter):
                self._stop(letters[index:], why)
                return letters[:index]
        return letters

    def _why_not(self, letter: DeadLetter) -> str | None:
        if letter.group in self._summary.stops:
            return self._summary.stops[letter.group].why
        if letter.replay_of in self._replayed:
            self._arrivals.add(letter.message_id)
            return f"it came back ({letter.reason})"
        if letter.sent_at >= self._started:
            self._arrivals.add(letter.message_id)
            return f"it came after the start ({letter.reason})"
        return None if self._selection.takes(letter) else NOT_SELECTED

    def _stop(self, letters: list[DeadLetter], why: str) -> None:
        """A group goes no further: its first letter is held, and with it all the others."""
        self._hold.keep(letters[0])
        self._give_back(letters[1:])
        self._summary.stops.setdefault(letters[0].group, Stop(letters[0].message_id, why))

    def _give_back(self, letters: Sequence[DeadLetter]) -> None:
        self._queue.hide({letter.message_id: letter.receipt_handle for letter in letters}, 0)
        self._journal.note_freed(letter.message_id for letter in letters)

    def _send(self, letters: Sequence[DeadLetter]) -> dict[str, str]:
        """Sends letters of different groups. Answers, by id, why some were refused."""
        answer = self._sqs.send_message_batch(
            QueueUrl=self._main_url,
            Entries=[replay_entry(str(index), letter) for index, letter in enumerate(letters)],
        )
        sent = {letters[int(entry["Id"])].message_id: entry["MessageId"] for entry in answer.get("Successful", [])}
        self._journal.note_sent(sent)
        self._replayed.update(sent)
        self._summary.sent += len(sent)
        codes = {letters[int(entry["Id"])].message_id: entry["Code"] for entry in answer.get("Failed", [])}
        return {
            letter.message_id: codes.get(letter.message_id, "no answer")
            for letter in letters
            if letter.message_id not in sent
        }

    def _worth_another_look(self, last: int) -> bool:
        """True while letters are invisible that are not ours, or were a moment ago: somebody looks at them, or was
        killed while holding them. `last` is when the queue last handed out anything."""
        before = self._others
        self._others = max(0, self._queue.count().invisible - len(self._journal.taken))
        return max(before, self._others) > 0 and self._clock.now() - last < (HELD + 5) * _SECOND

    def _growth(self) -> str | None:
        """Why to stop because more and more dead letters come, if they do."""
        limit = _ARRIVALS + self._summary.sent // 100
        if len(self._arrivals) >= limit:
            return f"{len(self._arrivals)} letters have come (back) since the start; fix the cause first"
        now = self._clock.now()
        if now - self._tides[-1].at >= _LOOK_EVERY:
            arrived = self._queue.count().total - self._surely_there(now)
            if arrived >= limit:
                return f"{arrived} letters or more have come (back) since the start; fix the cause first"
        return None

    def _surely_there(self, now: int) -> int:
        """The most that the queue would say it has if no letter had come since the start.

        It may still count what was deleted within LAG, and count twice, as visible and as invisible, what was received.
        """
        self._tides.append(_Tide(now, self._deleted, self._received))
        while len(self._tides) > 2 and self._tides[1].at <= now - _LAG:
            self._tides.pop(0)
        old = self._tides[0]
        return self._at_start - old.deleted + self._received - old.received

    def _pause(self, seconds: float) -> None:
        until = self._clock.now() + int(seconds * _SECOND)
        self._hold.refresh()
        while (left := until - self._clock.now()) > 0:
            self._clock.sleep(min(left / _SECOND, HELD / 4))
            self._hold.refresh()


def _fitting(letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    """The first of these letters that fit into one call; the first one in any case."""
    fitting: list[DeadLetter] = []
    size = 0
    for letter in letters[:BATCH]:
        size += len(letter.body.encode(errors="replace"))
        if fitting and size > _MAX_BYTES:
            break
        fitting.append(letter)
    return fitting
