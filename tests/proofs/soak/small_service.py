"""A service that fits on two pages: the pure core behind a queue, in virtual time, with requests that overlap, answers
that get lost, and messages that come late or twice. It makes histories to try the checker on, sound ones and others."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.proofs.soak.history import CANCEL, CONFIGURE, READ, REGISTER, Exchange, FinalState
from workers.domain.commands import Cancel, Command, Configure, Promote, Register
from workers.domain.decide import decide, sold_out
from workers.domain.records import Ledger, Registration, Status
from workers.domain.seat_settings import EventStatus, SeatChanges, SeatSettings

EVENT = "event"
MISTAKES = (
    "loses messages",
    "ignores generations",
    "sells one seat more",
    "last come, first served",
    "forgets a Cancel",
)
_NAMES = {"capacity": "capacity", "has_waitlist": "hasWaitlist", "waitlist_capacity": "waitlistCapacity"}


class SmallService:
    """One event with eight people. `mistake` is one of MISTAKES, or None."""

    def __init__(self, seed: int, mistake: str | None = None) -> None:
        self._chance = random.Random(seed)
        self._mistake = mistake
        self._now = 0.0
        self._numbers = itertools.count(1)
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._ledger = Ledger(EVENT, SeatSettings(2, has_waitlist=True))
        self._records: dict[str, Registration] = {}
        self._queue: list[Command] = []
        self._revision = 0
        start: dict[str, Any] = {"capacity": 2, "hasWaitlist": True, "waitlistCapacity": None, "status": "active"}
        self._history = [Exchange(0, CONFIGURE, EVENT, "", -2, -1, 200, settings=start)]

    def run(self, requests: int = 150) -> tuple[list[Exchange], FinalState]:
        """People ask so many times. Answers the history, and the tables when all is at rest."""
        for _ in range(requests):
            self._in(self._chance.uniform(0, requests / 3), self._request)
        self._in(1, lambda: self._organise(requests // 10))
        self._in(0, self._work)
        while self._agenda:
            self._now, _, act = heapq.heappop(self._agenda)
            act()
        self._mistake = None
        for _ in range(3):
            self._queue.append(Promote("end", EVENT, self._ledger.version, 0))
            self._decide()
        self._history.sort(key=lambda exchange: exchange.start)
        tables = FinalState(tuple(self._records.values()), {EVENT: self._ledger}, {EVENT: self._ledger.settings})
        return self._history, tables

    def _in(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (self._now + seconds, next(self._numbers), act))

    def _soon(self) -> float:
        """A short while, or now and then a long one."""
        return self._chance.uniform(0, 0.3) if self._chance.random() < 0.9 else self._chance.uniform(0, 8)

    def _request(self) -> None:
        user = f"person-{self._chance.randrange(8)}"
        what = self._chance.choices([REGISTER, CANCEL, READ], [5, 4, 2])[0]
        exchange = Exchange(next(self._numbers), what, EVENT, user, self._now)
        look = {REGISTER: self._register, CANCEL: self._cancel, READ: self._read}[what]
        self._in(self._soon(), lambda: look(exchange))

    def _register(self, exchange: Exchange) -> None:
        seen = self._records.get(exchange.user)
        pending = seen is not None and seen.status is Status.PENDING and not seen.cancelling
        if seen is not None and seen.alive and seen.status is not Status.PENDING:
            self._answer(exchange, 409, outcome="already-registered")
        elif not pending and (refusal := sold_out(self._ledger)):
            self._answer(exchange, 409, outcome=str(refusal))
        else:
            generation = 1 if seen is None else seen.generation + (not pending)
            self._send(exchange, Register("r", EVENT, exchange.user, generation, 0), seen)

    def _cancel(self, exchange: Exchange) -> None:
        seen = self._records.get(exchange.user)
        if seen is None or not seen.alive:
            self._answer(exchange, 404, outcome="not-registered")
        else:
            self._send(exchange, Cancel("c", EVENT, exchange.user, seen.generation, 0), seen)

    def _read(self, exchange: Exchange) -> None:
        record = self._records.get(exchange.user)
        if record is None:
            self._answer(exchange, 404, outcome="not-registered")
        else:
            self._answer(exchange, 200, **self._view(record))

    def _send(self, exchange: Exchange, command: Register | Cancel, seen: Registration | None) -> None:
        if self._chance.random() < 0.1:
            self._answer(exchange, 503, outcome="overloaded")
            return
        if self._chance.random() < 0.2:
            self._in(self._soon(), lambda: self._queue.append(command))
        if self._chance.random() < 0.15:
            self._in(self._soon(), lambda: self._queue.append(command))
            lost = exchange if self._chance.random() < 0.5 else self._ended(exchange, 503, outcome="overloaded")
            self._history.append(lost)
        else:
            self._queue.append(command)
            if isinstance(command, Cancel) and seen is not None and seen.status is Status.PENDING:
                self._records[exchange.user] = replace(seen, version=seen.version + 1, cancelling=True)
            self._in(self._chance.uniform(0.1, 2), lambda: self._outcome(exchange, command.generation))

    def _outcome(self, exchange: Exchange, generation: int) -> None:
        """The answer when the wait is over."""
        record = self._records.get(exchange.user)
        if exchange.what == CANCEL:
            gone = record is not None and (record.generation > generation or not record.alive)
            self._answer(exchange, 204 if gone else 202)
        elif record is None or record.generation < generation or record.status is Status.PENDING:
            if record is None or record.generation < generation:
                version = 1 if record is None else record.version + 1
                pending = Registration(EVENT, exchange.user, Status.PENDING, generation, version, self._micros())
                self._records[exchange.user] = pending
            self._answer(exchange, 202)
        elif record.status is Status.REJECTED:
            self._answer(exchange, 409, outcome=record.code)
        else:
            self._answer(exchange, 201, **self._view(record))

    def _view(self, record: Registration) -> dict[str, Any]:
        position = None if record.ticket is None else self._ledger.waitlist.position(record.ticket)
        return {"outcome": str(record.status), "registered_at": record.registered_at, "position": position}

    def _answer(self, exchange: Exchange, status: int, **fields: Any) -> None:
        """What was just seen is told a little later."""
        self._in(self._chance.uniform(0, 0.2), lambda: self._history.append(self._ended(exchange, status, **fields)))

    def _ended(self, exchange: Exchange, status: int, **fields: Any) -> Exchange:
        return replace(exchange, end=self._now, status=status, **fields)

    def _organise(self, left: int) -> None:
        """One change after the other, each when the one before was answered."""
        change = self._chance.choice(
            [
                SeatChanges(capacity=self._chance.randrange(5)),
                SeatChanges(has_waitlist=self._chance.random() < 0.7),
                SeatChanges(waitlist_capacity=self._chance.choice((None, 0, 2))),
                SeatChanges(status=self._chance.choice(list(EventStatus))),
                *[SeatChanges(status=EventStatus.ACTIVE)] * 3,
            ]
        )
        self._revision += 1
        command = Configure("o", EVENT, self._revision, change, 0)
        settings = {_NAMES.get(name, name): value for name, value in change.items()}
        exchange = Exchange(next(self._numbers), CONFIGURE, EVENT, "", self._now, settings=settings)
        self._in(self._soon(), lambda: self._queue.append(command))

        def told() -> None:
            done = all(self._ledger.revisions.get(name, 0) >= command.revision for name in change)
            lost = self._chance.random() < 0.2
            self._history.append(
                self._ended(exchange, 503, outcome="overloaded")
                if lost
                else self._ended(exchange, 200 if done else 202)
            )
            if left:
                self._in(self._chance.uniform(0, 5), lambda: self._organise(left - 1))

        self._in(self._chance.uniform(0.1, 2), told)

    def _work(self) -> None:
        """Takes what is in the queue, until nothing else is going on."""
        self._decide()
        if self._agenda or self._queue:
            self._in(0.05 + self._soon(), self._work)

    def _decide(self) -> None:
        batch, self._queue = self._queue[:10], self._queue[10:]
        if self._mistake == "last come, first served":
            batch.reverse()
        batch = [command for command in (self._spoilt(command) for command in batch) if command is not None]
        # A seat that is not counted is sold once more.
        uncounted = int(self._mistake == "sells one seat more" and self._ledger.confirmed > 0)
        ledger = replace(self._ledger, confirmed=self._ledger.confirmed - uncounted)
        decision = decide(ledger, self._records.values(), batch, self._micros())
        self._ledger = replace(decision.ledger, confirmed=decision.ledger.confirmed + uncounted)
        self._records |= {record.user_id: record for record in decision.registrations}
        # A worker that dies after its commit leaves its batch in the queue.
        again = batch if self._chance.random() < 0.1 else []
        self._queue = [*again, *decision.undecided, *self._queue]
        if self._ledger.promotable:
            promote = Promote("p", EVENT, self._ledger.version, 0)
            self._in(self._soon(), lambda: self._queue.append(promote))

    def _spoilt(self, command: Command) -> Command | None:
        """The command as a service with this mistake takes it."""
        if self._mistake == "loses messages" and self._chance.random() < 0.1:
            return None
        if self._mistake == "forgets a Cancel" and isinstance(command, Cancel) and self._chance.random() < 0.2:
            return None
        record = self._records.get(command.user_id) if isinstance(command, Register) else None
        if self._mistake == "ignores generations" and isinstance(command, Register) and record is not None:
            return replace(command, generation=record.generation + (not record.alive))
        return command

    def _micros(self) -> int:
        return round(self._now * 1_000_000)
