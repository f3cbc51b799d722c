"""Damage from outside the pipeline: rubbish in the queue, undecodable records and ledgers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.proofs.simulation.faults import Fault
from tests.proofs.simulation.queues import QUEUE
from tests.proofs.simulation.scheduler import SECOND
from tests.proofs.simulation.state_history import LEDGER
from workers.aws.items import Item, event_key, registration_key
from workers.aws.messages import encode, event_group
from workers.domain.commands import Cancel, Register

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.proofs.simulation.dynamodb.fake import FakeDynamoDb
    from tests.proofs.simulation.operators import Operator
    from tests.proofs.simulation.simulation import Simulation
    from tests.proofs.simulation.state_history import EventHistory

_RUBBISH = ('{"v": 2, "kind": "Register"}', "not JSON", '{"v": 1, "kind": "Destroy"}')
_NOWHERE = "nowhere"
_TIMES = 3
_DAMAGE: Item = {"S": "damaged by hand"}
_SHARE_LURKING = 0.6
"""The share of damages that wait for a command about the record: the API sends none about a damaged one."""


class Nemesis:
    """Does damage that is repaired later, by hand or by a recount. `rubbish` has the ids of its messages, each of which
    must be parked."""

    def __init__(self, sim: Simulation, dynamodb: FakeDynamoDb, operator: Operator) -> None:
        self._sim = sim
        self._dynamodb = dynamodb
        self._operator = operator
        self._chance = sim.chance("hands")
        self.rubbish: list[str] = []
        self._lurking = 0

    def begin(self, last: int) -> None:
        """Schedule everything until `last`, in microseconds from now."""
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
                if self._sim.faults.happens(fault, self._chance):
                    self._sim.scheduler.after(at, happen)

    def command_arrived(self, body: str) -> None:
        """Damage the record that a new command is about, if a damage waits for that."""
        command = self._sim.messages.command(body)
        if self._lurking and isinstance(command, Register | Cancel):
            history = self._sim.histories.get(command.event_id)
            if history is not None and command.registration_id in history.records:
                self._lurking -= 1
                self._damage_record(history, command.registration_id)

    def _send_rubbish(self) -> None:
        self._send(event_group(self._any_event()), self._chance.choice(_RUBBISH))

    def _send_a_stranger(self) -> None:
        self._send(event_group(_NOWHERE), self._register(_NOWHERE))
        self._sim.count(Fault.STRANGER)

    def _send_astray(self) -> None:
        """Send a command in a wrong group, for a person who does not exist."""
        first, second = (self._any_event() for _ in range(2))
        if first != second:
            self._send(event_group(first), self._register(second))
            self._sim.count(Fault.MISFILED)

    def _register(self, event_id: str) -> str:
        command_id = self._sim.new_id()
        return encode(Register(command_id, event_id, "nobody", 1, self._sim.scheduler.now))

    def _send(self, group: str, body: str) -> None:
        self._sim.note("by hand, to %s: %s", group, body)
        answer = self._sim.sqs.send_message(
            QueueUrl=QUEUE, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=self._sim.new_id()
        )
        self.rubbish.append(answer["MessageId"])

    def _any_event(self) -> str:
        return self._chance.choice(sorted(self._sim.histories))

    def _recount(self) -> None:
        """Recount without need, while other things happen."""
        self._operator.recount(None, lambda: None)

    def _damage_ledger(self) -> None:
        """Make a text of a ledger's count, until a recount."""
        event_id = self._any_event()
        if self.damage_ledger(event_id) is not None:
            self._mend_ledger(self._sim.histories[event_id])

    def damage_ledger(self, event_id: str) -> Callable[[], None] | None:
        """Make a text of the ledger's count. Return a function that repairs it; None if there was no sound ledger."""
        table, scheduler = self._sim.tables.ledger, self._sim.scheduler
        item: Item = self._dynamodb.get_item(TableName=table, Key=event_key(event_id)).get("Item", {})
        if item.get("confirmed", _DAMAGE) == _DAMAGE:
            return None
        self._write(table, item | {"confirmed": _DAMAGE})
        damages = self._sim.histories[event_id].damages.setdefault(LEDGER, [])
        damages.append((scheduler.now, None))
        self._sim.count(Fault.LEDGER_DAMAGE, event_id)

        def put_back() -> None:
            self._write(table, item)
            damages[-1] = (damages[-1][0], scheduler.now)

        return put_back

    def _mend_ledger(self, history: EventHistory) -> None:
        def done() -> None:
            found = self._dynamodb.get_item(TableName=self._sim.tables.ledger, Key=event_key(history.event_id))
            if found["Item"]["confirmed"] == _DAMAGE:
                self._mend_ledger(history)
            else:
                damages = history.damages[LEDGER]
                damages[-1] = (damages[-1][0], self._sim.scheduler.now)

        later = self._chance.randrange(2 * SECOND, 60 * SECOND)
        self._sim.scheduler.after(later, lambda: self._operator.recount([history.event_id], done))

    def _damage(self) -> None:
        """Damage a record now, or the next one that a command is about."""
        if self._chance.random() < _SHARE_LURKING:
            self._lurking += 1
            return
        history = self._sim.histories[self._any_event()]
        if history.records:
            self._damage_record(history, self._chance.choice(sorted(history.records)))

    def _damage_record(self, history: EventHistory, key: str) -> None:
        """Make a text of a record's generation for a while."""
        item = self._stored(key)
        if "N" not in item["generation"]:
            return
        sound = item["generation"]
        damage: Item = {"S": f"damaged by hand: {self._sim.new_id()}"}
        self._write(self._sim.tables.registrations, item | {"generation": damage})
        damages, began = history.damages.setdefault(key, []), self._sim.scheduler.now
        damages.append((began, None))
        self._sim.count(Fault.DAMAGE, key)

        def mend() -> None:
            # A write by somebody who had read it before may have repaired it.
            now = self._stored(key)
            if now["generation"] == damage:
                self._write(self._sim.tables.registrations, now | {"generation": sound})
            damages[damages.index((began, None))] = (began, self._sim.scheduler.now)
            self._sim.note("%s is mended", key)

        self._sim.scheduler.after(self._chance.randrange(2 * SECOND, 60 * SECOND), mend)

    def _stored(self, key: str) -> Item:
        table = self._sim.tables.registrations
        item: Item = self._dynamodb.get_item(TableName=table, Key=registration_key(key))["Item"]
        return item

    def _write(self, table: str, item: Item) -> None:
        with self._unseen():
            self._dynamodb.put_item(TableName=table, Item=item)

    @contextmanager
    def _unseen(self) -> Iterator[None]:
        """Hide a write from the checks of the pipeline's writes."""
        seen, self._dynamodb.on_write = self._dynamodb.on_write, lambda _changes: None
        try:
            yield
        finally:
            self._dynamodb.on_write = seen
