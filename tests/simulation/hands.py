"""What people with keys do: an operator replays dead letters, somebody sends rubbish or damages a record."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.simulation.engine import SECOND, Ended
from tests.simulation.faults import Fault
from tests.simulation.queues import DEAD_LETTERS, QUEUE
from workers.aws.clients import passes_by_itself
from workers.aws.dead_letters import DeadLetter, replay_entry
from workers.aws.items import Item, registration_key
from workers.aws.messages import group_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_sqs import SQSClient

    from tests.simulation.dynamodb.fake import FakeDynamoDb
    from tests.simulation.world import World

_RUBBISH = ('{"v": 2, "kind": "Register"}', "not JSON", '{"v": 1, "kind": "Destroy"}')
_TIMES = 3
_HELD = 20
_DAMAGE: Item = {"S": "damaged by hand"}


class Hands:
    """They come now and then, and last of all as long as there is a dead letter that nobody can explain."""

    def __init__(self, world: World, dynamodb: FakeDynamoDb, sqs: SQSClient) -> None:
        self._world = world
        self._dynamodb = dynamodb
        self._sqs = sqs
        self._chance = world.chance("hands")
        self._visits = 0
        self._expected = False
        self._replayed: set[str] = set()

    def begin(self, last: int) -> None:
        """Plans what happens until `last`, in microseconds from now."""
        for fault, happen in ((Fault.POISON, self._send_rubbish), (Fault.DAMAGE, self._damage)):
            for _ in range(_TIMES):
                at = self._chance.randrange(last + 1)
                if self._world.faults.happens(fault, self._chance):
                    self._world.engine.after(at, happen)

    def letter_arrived(self, body: str) -> None:
        """A dead letter: rubbish is one fault more; in any case somebody will look at it."""
        if self._world.rules.command(body) is None:
            self._world.count(Fault.POISON, body)
        self._expect_visit()

    def unexplained(self) -> list[str]:
        """The bodies of the dead letters that an operator could still do something about."""
        letters = self._world.sqs.queue(DEAD_LETTERS).messages
        return [m.body for m in letters if self._world.rules.command(m.body) or m.body not in self._replayed]

    def _expect_visit(self) -> None:
        if not self._expected:
            self._expected = True
            self._world.engine.after(self._chance.randrange(5 * SECOND, 120 * SECOND), self._visit)

    def _visit(self) -> None:
        self._expected = False
        self._visits += 1
        name = f"operator-{self._visits}"
        self._world.engine.start(name, self._world.chance(name), self._replay, self._leave)

    def _leave(self, how: Ended) -> None:
        if how.error is not None and not passes_by_itself(how.error):
            raise how.error
        if self.unexplained():
            self._expect_visit()

    def _replay(self) -> None:
        """The first ten letters that there are, in order; what cannot be read is given one more chance."""
        answer = self._world.sqs.receive_message(
            QueueUrl=DEAD_LETTERS, MaxNumberOfMessages=10, VisibilityTimeout=_HELD, WaitTimeSeconds=0
        )
        for letter in map(DeadLetter.of, answer["Messages"]):
            if self._world.rules.command(letter.body) is None and letter.body in self._replayed:
                continue
            entry: Any = replay_entry("0", letter)
            if self._sqs.send_message_batch(QueueUrl=QUEUE, Entries=[entry])["Failed"]:
                break
            self._replayed.add(letter.body)
            self._world.count(Fault.REPLAY, letter.message_id)
            gone: Any = {"Id": "0", "ReceiptHandle": letter.receipt_handle}
            self._sqs.delete_message_batch(QueueUrl=DEAD_LETTERS, Entries=[gone])

    def _send_rubbish(self) -> None:
        event_id = self._chance.choice(sorted(self._world.rules.books))
        body = self._chance.choice(_RUBBISH)
        self._world.note("rubbish in the group of %s", event_id)
        self._world.sqs.send_message(
            QueueUrl=QUEUE,
            MessageBody=body,
            MessageGroupId=group_of(event_id),
            MessageDeduplicationId=f"rubbish-{self._chance.random()}",
        )

    def _damage(self) -> None:
        """A record's generation becomes a text that is no number, for a while."""
        book = self._world.rules.books[self._chance.choice(sorted(self._world.rules.books))]
        if not book.records:
            return
        key = self._chance.choice(sorted(book.records))
        item = self._stored(key)
        if item["generation"] == _DAMAGE:
            return
        sound = item["generation"]
        self._write(item | {"generation": _DAMAGE})
        damages = book.damages.setdefault(key, [])
        damages.append((self._world.engine.now, None))
        self._world.count(Fault.DAMAGE, key)

        def mend() -> None:
            now = self._stored(key)
            if now["generation"] == _DAMAGE:
                self._write(now | {"generation": sound})
            damages[-1] = (damages[-1][0], self._world.engine.now)
            self._world.note("%s is mended", key)

        self._world.engine.after(self._chance.randrange(2 * SECOND, 60 * SECOND), mend)

    def _stored(self, key: str) -> Item:
        item: Item = self._dynamodb.get_item(TableName=self._world.tables.registrations, Key=registration_key(key))[
            "Item"
        ]
        return item

    def _write(self, item: Item) -> None:
        with self._unseen():
            self._dynamodb.put_item(TableName=self._world.tables.registrations, Item=item)

    @contextmanager
    def _unseen(self) -> Iterator[None]:
        """What hands do is not what the pipeline does."""
        seen, self._dynamodb.on_write = self._dynamodb.on_write, lambda _changes: None
        try:
            yield
        finally:
            self._dynamodb.on_write = seen
