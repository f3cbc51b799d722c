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
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from infra.cli.dlq.dead_letters import BATCH, HELD, DeadLetterQueue, QueueCount, VisibilityLease
from infra.cli.dlq.inflow_guard import InflowGuard
from infra.cli.dlq.summary import NOT_SELECTED, Selection, Stop, Summary
from infra.cli.errors import CliError
from workers.aws.dead_letters import DeadLetter, replay_entry

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from infra.cli.dlq.journal import Journal
    from workers.aws.clock import Clock

_SECOND = 1_000_000
_SLACK = 2 * _SECOND
"""SQS tells its time in whole seconds, and its answer may be a second old. So a letter that comes while the run begins
may be taken for one that was there; one that comes back is recognised all the same."""
_MAX_BYTES = 200_000
"""What goes into one call, unless one letter is bigger: SQS takes 256 KB and more."""
_TOO_LONG = "AWS.SimpleQueueService.BatchRequestTooLong"


def settle(queue: DeadLetterQueue, journal: Journal) -> int:
    """Leaves nothing in the air: puts back what was only taken, deletes what was sent. Answers how many it deleted.

    For the end of a run, and for the next one if that end never came. Receipt handles that SQS no longer knows are
    forgotten: their letters are visible again, and those that were sent are still in the journal.
    """
    handles = dict(journal.taken)
    queue.hide({letter_id: handle for letter_id, handle in handles.items() if letter_id not in journal.sent}, 0)
    gone = queue.delete({letter_id: handle for letter_id, handle in handles.items() if letter_id in journal.sent})
    journal.note_deleted(gone)
    journal.note_freed(handles)
    return len(gone)


@dataclass(kw_only=True)
class Replay:
    """One run, at most at `rate` letters per second. `lag` is how many seconds the counts of the queue may be behind.
    `uninterrupted` is entered around what a signal must not tear apart; `progress` gets the number sent so far."""

    queue: DeadLetterQueue
    sqs: SQSClient
    main_url: str
    journal: Journal
    clock: Clock
    selection: Selection
    rate: float | None
    lag: int
    uninterrupted: Callable[[], AbstractContextManager[None]]
    progress: Callable[[int], None]

    def __post_init__(self) -> None:
        """Nothing has happened yet."""
        self._lag = self.lag * _SECOND
        self._hold = VisibilityLease(self.queue, self.clock)
        self._summary = Summary()
        self._replayed: set[str] = set()
        self._seen: set[str] = set()
        self._stopped: set[str] = set()
        self._undeleted: set[str] = set()
        self._began = self._started = self._others = 0
        self._flood = InflowGuard(self.queue, self.clock, self._lag)

    def run(self) -> Summary:
        """Replays until nothing is left of what was there at the start. What AWS or the user does is in the summary."""
        summary = self._summary
        try:
            self._started = self.queue.now() + _SLACK
            count = self.queue.count()
            self._others = count.invisible
            self._began = self.clock.now()
            self._flood.begin(self._began, count.total)
            self._loop()
        except KeyboardInterrupt:
            summary.aborted = "interrupted"
        except (ClientError, BotoCoreError, CliError) as error:
            summary.aborted = str(error)
        finally:
            try:
                with self.uninterrupted():
                    settle(self.queue, self.journal)
            except KeyboardInterrupt:
                summary.aborted = summary.aborted or "interrupted"
            except (ClientError, BotoCoreError, CliError) as error:
                summary.aborted = summary.aborted or str(error)
            summary.undeleted = len(self._undeleted & self.journal.sent.keys())
            summary.missing = sorted(one for one in self.selection.ids or () if not self.journal.was_sent(one))
            if not summary.aborted:
                summary.unseen = sorted((self.selection.groups or frozenset()) - self._seen - self.journal.groups)
        return summary

    def _loop(self) -> None:
        last = self.clock.now()
        while not self._summary.aborted:
            if self.selection.ids is not None and all(map(self.journal.was_sent, self.selection.ids)):
                return
            began = self.clock.now()
            with self.uninterrupted():
                deadline = began + HELD * _SECOND // 2
                letters = self.queue.receive(self._batch_size())
                self.journal.note_taken({letter.message_id: letter.receipt_handle for letter in letters})
                sent = self._work(letters, deadline)
            if letters:
                last = self.clock.now()
            elif not self._worth_another_look(last):
                self._summary.elsewhere = self._others
                return
            if not self._lag and self._is_rest(self.queue.count()):
                return  # the count is exact: nothing to wait for
            self._summary.aborted = self._flood.rising(self._summary.sent)
            spent = (self.clock.now() - began) / _SECOND
            self._pause(sent / self.rate - spent if self.rate else 0)

    def _batch_size(self) -> int:
        """Nobody waits while holding letters: a slow run takes few at a time, and pauses before it takes more."""
        return BATCH if self.rate is None else max(1, min(BATCH, int(self.rate)))

    def _work(self, letters: Sequence[DeadLetter], deadline: int) -> int:
        """Replays what was received, group by group side by side. Answers how many were sent."""
        self._flood.received += len(letters)
        self._seen.update(letter.group for letter in letters)
        todo: dict[str, list[DeadLetter]] = {}
        for letter in letters:
            todo.setdefault(letter.group, []).append(letter)
        done = [letter for letter in letters if self.journal.was_sent(letter.message_id)]
        back: list[DeadLetter] = []
        for group, queue in todo.items():
            todo[group] = self._up_to_stop([letter for letter in queue if letter not in done], back)
        sent = 0
        while heads := _fitting([queue[0] for queue in todo.values() if queue]):
            if self.clock.now() > deadline:
                break  # they are about to be visible again, to others too
            refused = self._send(heads)
            for head in heads:
                queue = todo[head.group]
                if head.message_id in refused:
                    self._stop(queue, f"SQS did not take it: {refused[head.message_id]}", back)
                    todo[head.group] = []
                else:
                    done.append(queue.pop(0))
                    sent += 1
        gone = self.queue.delete({letter.message_id: letter.receipt_handle for letter in done})
        self.journal.note_deleted(gone)
        self._flood.deleted += len(gone)
        self._undeleted.update({letter.message_id for letter in done} - set(gone))
        back += [letter for queue in todo.values() for letter in queue]
        self.queue.hide({letter.message_id: letter.receipt_handle for letter in back}, 0)
        self.journal.note_freed(letter.message_id for letter in back)
        self.progress(self._summary.sent)
        return sent

    def _up_to_stop(self, letters: list[DeadLetter], back: list[DeadLetter]) -> list[DeadLetter]:
        """The letters of a group that can go; behind them it stops."""
        for index, letter in enumerate(letters):
            if why := self._why_not(letter):
                self._stop(letters[index:], why, back)
                return letters[:index]
        return letters

    def _why_not(self, letter: DeadLetter) -> str | None:
        if letter.group in self._summary.stops:
            return self._summary.stops[letter.group].why
        if letter.replay_of in self._replayed:
            self._flood.arrivals.add(letter.message_id)
            return f"it came back ({letter.reason})"
        if letter.sent_at >= self._started:
            self._flood.arrivals.add(letter.message_id)
            return f"it came after the start ({letter.reason})"
        return None if self.selection.takes(letter) else NOT_SELECTED

    def _stop(self, letters: list[DeadLetter], why: str, back: list[DeadLetter]) -> None:
        """A group goes no further: its first letter is held, and with it all the others, which go `back`."""
        self._hold.keep(letters[0])
        back += letters[1:]
        self._stopped.update(letter.message_id for letter in letters)
        self._summary.stops.setdefault(letters[0].group, Stop(letters[0].message_id, why))

    def _send(self, letters: Sequence[DeadLetter]) -> dict[str, str]:
        """Sends letters of different groups. Answers, by id, why some were refused."""
        try:
            answer = self.sqs.send_message_batch(
                QueueUrl=self.main_url,
                Entries=[replay_entry(str(index), letter) for index, letter in enumerate(letters)],
            )
        except ClientError as error:
            if len(letters) == 1 and error.response["Error"]["Code"] == _TOO_LONG:
                return {letters[0].message_id: "it is too long"}
            raise
        sent = {letters[int(entry["Id"])].message_id: entry["MessageId"] for entry in answer.get("Successful", [])}
        self._summary.sent += len(sent)
        try:
            self.journal.note_sent(sent, {letter.group for letter in letters if letter.message_id in sent})
        except CliError as error:
            raise CliError(f"{len(sent)} were sent and could not be written down: {error}") from error
        self._replayed.update(sent)
        codes = {letters[int(entry["Id"])].message_id: entry["Code"] for entry in answer.get("Failed", [])}
        ids = {letter.message_id for letter in letters} - sent.keys()
        return {letter_id: codes.get(letter_id, "no answer") for letter_id in ids}

    def _is_rest(self, count: QueueCount) -> bool:
        """True when no more letters are counted than this run has seen and left."""
        return count.total <= len(self._stopped) + len(self._undeleted & self.journal.sent.keys())

    def _worth_another_look(self, last: int) -> bool:
        """True while the queue may have letters that this run has not seen. `last` is when it last handed out anything.

        That is while letters are counted that are not ours: somebody looks at them, or was killed while holding them,
        and gives them back within HELD; and until the counts are sure to be right, those that say that nothing is left
        too. Behind a group that stopped nobody knows how many there are, so then only the invisible ones say anything.
        """
        count, before, now = self.queue.count(), self._others, self.clock.now()
        if self._is_rest(count) and now - self._began >= self._lag:
            self._others = 0
            return False
        counted = count.invisible if self._summary.stops else count.total
        self._others = max(0, counted - len(self.journal.taken))
        patience = (HELD + 5) * _SECOND if max(before, self._others) else 0
        return now - last < max(patience, self._lag)

    def _pause(self, seconds: float) -> None:
        until = self.clock.now() + int(seconds * _SECOND)
        self._hold.refresh()
        while (left := until - self.clock.now()) > 0:
            self.clock.sleep(min(left / _SECOND, HELD / 4))
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
