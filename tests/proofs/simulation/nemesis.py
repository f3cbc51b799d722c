"""What hands do that are not the pipeline's: send rubbish to the queue, damage a record, damage a ledger."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.proofs.simulation.engine import SECOND
from tests.proofs.simulation.faults import Fault
from tests.proofs.simulation.queues import QUEUE
from tests.proofs.simulation.state_history import LEDGER
from workers.aws.items import Item, event_key, registration_key
from workers.aws.messages import encode, group_of
from workers.domain.commands import Cancel, Register

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.proofs.simulation.dynamodb.fake import FakeDynamoDb
    from tests.proofs.simulation.operators import Operator
    from tests.proofs.simulation.state_history import Book
    from tests.proofs.simulation.world import World

_RUBBISH = ('{"v": 2, "kind": "Register"}', "not JSON", '{"v": 1, "kind": "Destroy"}')
_NOWHERE = "nowhere"
_TIMES = 3
_DAMAGE: Item = {"S": "damaged by hand"}
_SHARE_LURKING = 0.6
"""So many wait for a command about the record that they damage: about one that cannot be read, nobody sends any."""


class Hands:
    """They come now and then. What they damage is mended later, by hand or by an operator's recount. `rubbish` has the
    ids of their messages: each must end among the dead letters."""

    def __init__(self, world: World, dynamodb: FakeDynamoDb, operator: Operator) -> None:
        self._world = world
        self._dynamodb = dynamodb
        self._operator = operator
        self._chance = world.chance("hands")
        self.rubbish: list[str] = []
        self._lurking = 0

    def begin(self, last: int) -> None:
        """Plans what happens until `last`, in microseconds from now."""
        plans = {
            Fault.POISON: self._send_rubbish,
            Fault.STRANGER: self._send_a_stranger,
            Fault.MISFILED: self._send_astray,
            Fault.DAMAGE: self._damage,
            Fault.LEDGER_DAMAGE: self._damage_ledger,
            Fault.RECOUNT: self._recount,
        }
        for fault, happen in plans.items():
            for _ in range(_TIMES):
                at = self._chance.randrange(last + 1)
                if self._world.faults.happens(fault, self._chance):
                    self._world.engine.after(at, happen)

    def command_arrived(self, body: str) -> None:
        """A command: the right moment to damage the record that it is about."""
        command = self._world.messages.command(body)
        if self._lurking and isinstance(command, Register | Cancel):
            book = self._world.rules.books.get(command.event_id)
            if book is not None and command.registration_id in book.records:
                self._lurking -= 1
                self._damage_record(book, command.registration_id)

    def _send_rubbish(self) -> None:
        self._send(group_of(self._any_event()), self._chance.choice(_RUBBISH))

    def _send_a_stranger(self) -> None:
        self._send(group_of(_NOWHERE), self._register(_NOWHERE))
        self._world.count(Fault.STRANGER)

    def _send_astray(self) -> None:
        """Nobody in the history has this name: whoever lets her in has not looked at the group."""
        first, second = (self._any_event() for _ in range(2))
        if first != second:
            self._send(group_of(first), self._register(second))
            self._world.count(Fault.MISFILED)

    def _register(self, event_id: str) -> str:
        command_id = self._world.new_id()
        return encode(Register(command_id, event_id, "nobody", 1, self._world.engine.now))

    def _send(self, group: str, body: str) -> None:
        self._world.note("by hand, to %s: %s", group, body)
        answer = self._world.sqs.send_message(
            QueueUrl=QUEUE, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=self._world.new_id()
        )
        self.rubbish.append(answer["MessageId"])

    def _any_event(self) -> str:
        return self._chance.choice(sorted(self._world.rules.books))

    def _recount(self) -> None:
        """Nothing is damaged; but seats are free for a moment, and somebody with a command at hand."""
        self._operator.recount(None, lambda: None)

    def _damage_ledger(self) -> None:
        """What it counts becomes a text, until somebody has it counted again."""
        event_id = self._any_event()
        if self.damage_ledger(event_id) is not None:
            self._mend_ledger(self._world.rules.books[event_id])

    def damage_ledger(self, event_id: str) -> Callable[[], None] | None:
        """Make a text of what the ledger of an event counts. Returns what puts it back as it was, or None if there was
        no sound ledger."""
        table, engine = self._world.tables.ledger, self._world.engine
        item: Item = self._dynamodb.get_item(TableName=table, Key=event_key(event_id)).get("Item", {})
        if item.get("confirmed", _DAMAGE) == _DAMAGE:
            return None
        self._write(table, item | {"confirmed": _DAMAGE})
        damages = self._world.rules.books[event_id].damages.setdefault(LEDGER, [])
        damages.append((engine.now, None))
        self._world.count(Fault.LEDGER_DAMAGE, event_id)

        def put_back() -> None:
            self._write(table, item)
            damages[-1] = (damages[-1][0], engine.now)

        return put_back

    def _mend_ledger(self, book: Book) -> None:
        def done() -> None:
            found = self._dynamodb.get_item(TableName=self._world.tables.ledger, Key=event_key(book.event_id))
            if found["Item"]["confirmed"] == _DAMAGE:
                self._mend_ledger(book)
            else:
                damages = book.damages[LEDGER]
                damages[-1] = (damages[-1][0], self._world.engine.now)

        later = self._chance.randrange(2 * SECOND, 60 * SECOND)
        self._world.engine.after(later, lambda: self._operator.recount([book.event_id], done))

    def _damage(self) -> None:
        """Somebody's record, or that of whoever wants something next."""
        if self._chance.random() < _SHARE_LURKING:
            self._lurking += 1
            return
        book = self._world.rules.books[self._any_event()]
        if book.records:
            self._damage_record(book, self._chance.choice(sorted(book.records)))

    def _damage_record(self, book: Book, key: str) -> None:
        """A record's generation becomes a text that is no number, for a while."""
        item = self._stored(key)
        if "N" not in item["generation"]:
            return
        sound = item["generation"]
        damage: Item = {"S": f"damaged by hand: {self._world.new_id()}"}
        self._write(self._world.tables.registrations, item | {"generation": damage})
        damages, began = book.damages.setdefault(key, []), self._world.engine.now
        damages.append((began, None))
        self._world.count(Fault.DAMAGE, key)

        def mend() -> None:
            # A write of somebody who had read it before may have mended it already.
            now = self._stored(key)
            if now["generation"] == damage:
                self._write(self._world.tables.registrations, now | {"generation": sound})
            damages[damages.index((began, None))] = (began, self._world.engine.now)
            self._world.note("%s is mended", key)

        self._world.engine.after(self._chance.randrange(2 * SECOND, 60 * SECOND), mend)

    def _stored(self, key: str) -> Item:
        table = self._world.tables.registrations
        item: Item = self._dynamodb.get_item(TableName=table, Key=registration_key(key))["Item"]
        return item

    def _write(self, table: str, item: Item) -> None:
        with self._unseen():
            self._dynamodb.put_item(TableName=table, Item=item)

    @contextmanager
    def _unseen(self) -> Iterator[None]:
        """What hands do is not what the pipeline does."""
        seen, self._dynamodb.on_write = self._dynamodb.on_write, lambda _changes: None
        try:
            yield
        finally:
            self._dynamodb.on_write = seen
