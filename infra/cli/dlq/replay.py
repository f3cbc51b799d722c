"""Send dead letters back to the main queue: each once, in the order of its group, and resumable after a kill.

The rules that keep this true:

- **Send, then delete only what SQS accepted.** Sent messages are in the journal before anything else happens. A run
  that resumes after a kill deletes them and never sends them again.
- **One message of a group per call.** SendMessageBatch may refuse one entry and accept the next, so the next message of
  a group goes only after SQS has accepted the one before.
- **A group stops** at its first message that is not selected or cannot be sent. That message stays invisible until the
  end of the run.
- **A message that would only be parked again is left out**, as the registrar would set it aside, and those behind it
  are sent. A group that shows nothing else is held. If it shared the answer with others, it may have shown only a part:
  once nothing else can be received, it is received once more, alone, and stops only then.
- **A kill between the answer of SQS and the journal** leaves a message that was sent but not recorded. It is sent again
  under the same deduplication id, which SQS recognizes for five minutes. After that the registrar recognizes the
  command itself: it is `superseded`.
- **Only what was there at the start.** Later messages are recognized by their time, and messages that were replayed and
  came back by their attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from infra.cli.dlq.dead_letters import BATCH, HELD, DeadLetterQueue, QueueCount, VisibilityLease
from infra.cli.dlq.inflow_guard import InflowGuard
from infra.cli.dlq.recovery import TOO_MANY_EVENTS, recover
from infra.cli.dlq.summary import NOT_SELECTED, Selection, Stop, Summary
from infra.cli.errors import CliError
from workers.aws.clients import Overloaded
from workers.aws.dead_letters import DeadLetter, replay_entry

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from infra.cli.dlq.journal import Journal
    from infra.cli.dlq.preview import Outlook
    from workers.aws.clock import Clock

_SECOND = 1_000_000
_SLACK = 2 * _SECOND
"""SQS tells its time in whole seconds, and its answer may be a second old. So a message that arrives while the run
begins may count as present; a message that comes back is recognized nevertheless."""
_MAX_BYTES = 200_000
"""The most bytes in one call, unless one message alone is larger: SQS accepts 256 KB and more."""
_TOO_LONG = "AWS.SimpleQueueService.BatchRequestTooLong"


@dataclass(kw_only=True)
class ReplayRun:
    """One run, with at most `rate` messages per second. The counts of the queue may be `lag` seconds behind.

    `outlooks` says what replaying messages would do, by message id. `uninterrupted` wraps sections that a signal must
    not interrupt; `progress` receives the number sent so far.
    """

    queue: DeadLetterQueue
    sqs: SQSClient
    main_url: str
    journal: Journal
    clock: Clock
    selection: Selection
    rate: float | None
    lag: int
    outlooks: Callable[[Sequence[DeadLetter]], Mapping[str, Outlook]]
    uninterrupted: Callable[[], AbstractContextManager[None]]
    progress: Callable[[int], None]

    def __post_init__(self) -> None:
        """Initialize the state of the run."""
        self._lag = self.lag * _SECOND
        self._lease = VisibilityLease(self.queue, self.clock)
        self._summary = Summary()
        self._replayed: set[str] = set()
        self._seen: set[str] = set()
        self._stopped: set[str] = set()
        self._undeleted: set[str] = set()
        self._unsure: dict[str, DeadLetter] = {}
        self._alone = False
        self._known: set[str] = set()
        self._fruitless = 0
        self._began = self._started = self._others = 0
        self._guard = InflowGuard(self.queue, self.clock, self._lag)

    def run(self) -> Summary:
        """Replay everything that was there at the start. Errors and interruptions end up in the summary."""
        summary = self._summary
        try:
            self._started = self.queue.now() + _SLACK
            count = self.queue.count()
            self._others = count.invisible
            self._began = self.clock.now()
            self._guard.begin(self._began, count.total)
            self._loop()
        except KeyboardInterrupt:
            summary.aborted = "interrupted"
        except (ClientError, BotoCoreError, CliError, Overloaded) as error:
            summary.aborted = str(error)
        finally:
            try:
                with self.uninterrupted():
                    recover(self.queue, self.journal)
            except KeyboardInterrupt:
                summary.aborted = summary.aborted or "interrupted"
            except (ClientError, BotoCoreError, CliError) as error:
                summary.aborted = summary.aborted or str(error)
            summary.undeleted = len(self._undeleted & self.journal.sent.keys())
            left = {id_ for id_ in self.selection.ids or () if not self.journal.was_sent(id_)}
            summary.missing = sorted(left - summary.left_out.keys())
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
                messages = self.queue.receive(BATCH if self._alone else self._batch_size())
                self.journal.note_taken({message.message_id: message.receipt_handle for message in messages})
                new = any(message.message_id not in self._known for message in messages)
                sent = self._work(messages, deadline)
                self._alone = False
            stuck = self._reason_to_give_up(fruitful=bool(sent or new or not messages))
            if messages:
                last = self.clock.now()
            elif self._unsure:
                self._release_unsure()
            elif not self._may_have_more(last):
                self._summary.elsewhere = self._others
                return
            if not self._lag and not self._unsure and self._only_rest_left(self.queue.count()):
                return  # the count is exact: nothing to wait for
            self._summary.aborted = stuck or self._guard.reason_to_stop(self._summary.sent)
            spent = (self.clock.now() - began) / _SECOND
            self._pause(sent / self.rate - spent if self.rate else 0)

    def _reason_to_give_up(self, *, fruitful: bool) -> str | None:
        """Return why the run must stop if groups return that are held."""
        self._fruitless = 0 if fruitful else self._fruitless + 1
        return TOO_MANY_EVENTS if self._fruitless > 20 + len(self._seen) else None

    def _batch_size(self) -> int:
        """Return how many messages to receive: a slow run takes few, and never pauses while it holds any."""
        return BATCH if self.rate is None else max(1, min(BATCH, int(self.rate)))

    def _release_unsure(self) -> None:
        """Make a group visible again that may have shown only a part; every other one is held."""
        self._alone = True
        group, head = self._unsure.popitem()
        self._lease.release(group)
        self.queue.hide({head.message_id: head.receipt_handle}, 0)

    def _work(self, messages: Sequence[DeadLetter], deadline: int) -> int:
        """Replay the received messages, all groups side by side. Return how many were sent."""
        self._guard.received += len(messages)
        self._seen.update(message.group for message in messages)
        self._known.update(message.message_id for message in messages)
        todo: dict[str, list[DeadLetter]] = {}
        for message in messages:
            todo.setdefault(message.group, []).append(message)
        done = [message for message in messages if self.journal.was_sent(message.message_id)]
        back: list[DeadLetter] = []
        for group, queue in todo.items():
            todo[group] = self._up_to_stop([message for message in queue if message not in done], back)
        self._leave_out(todo, back)
        sent = 0
        while heads := _fitting([queue[0] for queue in todo.values() if queue])[: self._batch_size() - sent]:
            if self.clock.now() > deadline:
                break  # the messages are about to become visible to others
            refused = self._send(heads)
            for head in heads:
                queue = todo[head.group]
                if head.message_id in refused:
                    self._stop(queue, f"SQS did not accept it: {refused[head.message_id]}", back)
                    todo[head.group] = []
                else:
                    done.append(queue.pop(0))
                    sent += 1
        gone = self.queue.delete({message.message_id: message.receipt_handle for message in done})
        self.journal.note_deleted(gone)
        self._guard.deleted += len(gone)
        self._undeleted.update({message.message_id for message in done} - set(gone))
        back += [message for queue in todo.values() for message in queue]
        self.queue.hide({message.message_id: message.receipt_handle for message in back}, 0)
        self.journal.note_freed(message.message_id for message in back)
        self.progress(self._summary.sent)
        return sent

    def _up_to_stop(self, messages: list[DeadLetter], back: list[DeadLetter]) -> list[DeadLetter]:
        """Return the messages of a group that can be sent, and stop the group behind them."""
        for index, message in enumerate(messages):
            if why := self._why_not(message):
                self._stop(messages[index:], why, back)
                return messages[:index]
        return messages

    def _leave_out(self, todo: dict[str, list[DeadLetter]], back: list[DeadLetter]) -> None:
        """Take the messages that would only be parked again out of `todo`. Stop a group that has nothing else."""
        found = self.outlooks([message for queue in todo.values() for message in queue])
        for group, queue in todo.items():
            left = [one for one in queue if one.message_id in found and found[one.message_id].parked]
            if not left:
                continue
            self._summary.left_out |= {one.message_id: found[one.message_id].would for one in left}
            todo[group] = [one for one in queue if one not in left]
            self._stopped.update(one.message_id for one in left)
            if todo[group] or group in self._summary.stops:
                back += left
            elif len(todo) > 1 or not (self._alone or self._batch_size() == BATCH):
                self._lease.keep(left[0])
                self._unsure[group] = left[0]
                back += left[1:]
            else:
                why = "ten messages that are left out hide those behind them" if len(left) == BATCH else NOT_SELECTED
                self._stop(left, why, back)

    def _why_not(self, message: DeadLetter) -> str | None:
        if message.group in self._summary.stops:
            return self._summary.stops[message.group].why
        if message.replay_of in self._replayed:
            self._guard.arrivals.add(message.message_id)
            return f"it came back ({message.reason})"
        if message.sent_at >= self._started:
            self._guard.arrivals.add(message.message_id)
            return f"it came after the start ({message.reason})"
        return None if self.selection.includes(message) else NOT_SELECTED

    def _stop(self, messages: list[DeadLetter], why: str, back: list[DeadLetter]) -> None:
        """Stop a group: hold its first message, which holds back the others, and put those into `back`."""
        self._lease.keep(messages[0])
        back += messages[1:]
        self._stopped.update(message.message_id for message in messages)
        self._summary.stops.setdefault(messages[0].group, Stop(messages[0].message_id, why))

    def _send(self, messages: Sequence[DeadLetter]) -> dict[str, str]:
        """Send messages of different groups. Return, by id, why some were refused."""
        try:
            answer = self.sqs.send_message_batch(
                QueueUrl=self.main_url,
                Entries=[replay_entry(str(index), message) for index, message in enumerate(messages)],
            )
        except ClientError as error:
            if len(messages) == 1 and error.response["Error"]["Code"] == _TOO_LONG:
                return {messages[0].message_id: "it is too long"}
            raise
        sent = {messages[int(entry["Id"])].message_id: entry["MessageId"] for entry in answer.get("Successful", [])}
        self._summary.sent += len(sent)
        try:
            self.journal.note_sent(sent, {message.group for message in messages if message.message_id in sent})
        except CliError as error:
            raise CliError(f"{len(sent)} were sent but could not be recorded: {error}") from error
        self._replayed.update(sent)
        codes = {messages[int(entry["Id"])].message_id: entry["Code"] for entry in answer.get("Failed", [])}
        ids = {message.message_id for message in messages} - sent.keys()
        return {message_id: codes.get(message_id, "no answer") for message_id in ids}

    def _only_rest_left(self, count: QueueCount) -> bool:
        """Tell whether the queue counts no more messages than this run has seen and left there."""
        return count.total <= len(self._stopped) + len(self._undeleted & self.journal.sent.keys())

    def _may_have_more(self, last: int) -> bool:
        """Tell whether the queue may have messages that this run has not seen. `last` is when it last returned any.

        It may while it counts messages that are not held here: someone else has received them, or was killed meanwhile,
        and they become visible within HELD. It also may until the counts are sure to be right. The number of messages
        behind a stopped group is unknown, so then only the count of invisible messages is used.
        """
        count, before, now = self.queue.count(), self._others, self.clock.now()
        if self._only_rest_left(count) and now - self._began >= self._lag:
            self._others = 0
            return False
        counted = count.invisible if self._summary.stops else count.total
        self._others = max(0, counted - len(self.journal.taken))
        patience = (HELD + 5) * _SECOND if max(before, self._others) else 0
        return now - last < max(patience, self._lag)

    def _pause(self, seconds: float) -> None:
        until = self.clock.now() + int(seconds * _SECOND)
        self._lease.refresh()
        while (left := until - self.clock.now()) > 0:
            self.clock.sleep(min(left / _SECOND, HELD / 4))
            self._lease.refresh()


def _fitting(messages: Sequence[DeadLetter]) -> list[DeadLetter]:
    """Return the first messages that fit into one call, and at least one."""
    sizes = accumulate(len(message.body.encode(errors="replace")) for message in messages[:BATCH])
    fitting = [message for message, size in zip(messages, sizes, strict=False) if size <= _MAX_BYTES]
    return fitting or list(messages[:1])
