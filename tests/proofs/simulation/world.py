"""One history: the real handlers on queues and tables in memory, with people, faults and rules around them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import patch

from api.events import handler as events
from api.http.answer import answer as resolve
from api.http.auth import anybody
from api.registrations import handler as registrations
from api.registrations.lists import Lists
from tests.proofs.simulation.changes import Changes
from tests.proofs.simulation.clients import Callers
from tests.proofs.simulation.deliveries import Deliveries
from tests.proofs.simulation.dynamodb.fake import Change, FakeDynamoDb
from tests.proofs.simulation.engine import SECOND, START, Engine
from tests.proofs.simulation.faults import Fault, Faults
from tests.proofs.simulation.index_lag import IndexLag
from tests.proofs.simulation.invariants import Rules, Violation
from tests.proofs.simulation.invocation_log import Diary, Excuses
from tests.proofs.simulation.lambdas import CommandsTrigger, Function, StreamTrigger
from tests.proofs.simulation.message_log import MessageLog
from tests.proofs.simulation.nemesis import Hands
from tests.proofs.simulation.network import Client
from tests.proofs.simulation.operators import Operator
from tests.proofs.simulation.outages import Outages
from tests.proofs.simulation.queues import DEAD_LETTERS, QUEUE, Queues
from tests.proofs.simulation.quiescence_checks import LEFT, check_at_rest
from tests.proofs.simulation.stale_reads import StaleReads
from tests.proofs.simulation.workload import Plan, plan
from tests.support.pipeline import BASE_URL
from tests.support.tables import create_tables
from workers.aws.clock import Clock
from workers.aws.commit import MAX_ITEMS
from workers.aws.items import Item
from workers.domain import decide
from workers.domain.commands import Recount
from workers.promoter import Promoter
from workers.registrar import handler as registrar
from workers.registrar.plan import RECEIVES_BEFORE_PARKING

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

    from tests.proofs.simulation.lambdas import Handler

ENDLESS = "the pipeline comes to rest"

_MOST_TURNS = 60_000
API_SECONDS, REGISTRAR_SECONDS, PROMOTER_SECONDS = 20, 15, 30
"""The functions' timeouts."""
_SOON = 10 * SECOND
VISIBILITIES = (90, 90, 20, 3)
"""Seconds. The queue has the first; shorter ones bring more workers together on one message."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What one history is made of. `keep` are the numbers of the steps that are left of its plan (None: all)."""

    seed: int
    keep: frozenset[int] | None = None
    without: frozenset[Fault] = frozenset()


@dataclass(frozen=True, slots=True)
class History:
    """What came of it. `steps` are calls to AWS, `story` is empty unless it was asked for."""

    settings: Settings
    plan: Plan
    violation: Violation | None
    fired: dict[Fault, int]
    commands: int
    steps: int
    story: list[str]
    failed: dict[tuple[str, str], int]
    """By function and operation, the calls that failed for good, so that the product had to do something about it."""


class World:
    """Everything that one history has."""

    def __init__(self, settings: Settings, *, tell: bool = False) -> None:
        self._settings = settings
        self._tell = tell
        self.story: list[str] = []
        self.violation: Violation | None = None
        self.steps = 0
        self._tokens = 0
        self.engine = Engine()
        self.faults = Faults(self.chance("faults"), settings.without)
        self.sqs = Queues(self.engine)
        self._dynamodb = FakeDynamoDb(lambda: self.engine.now)
        self.tables = create_tables(cast("DynamoDBClient", self._dynamodb))
        self.messages = MessageLog(self.engine, self.sqs)
        self.rules, self.deliveries = Rules(self), Deliveries(self)
        self.changes = Changes()
        self.excuses, self.stale_reads = Excuses(self), StaleReads(lambda: self.engine.now)
        self.diaries: dict[str, Diary] = {}
        self.failed: Counter[tuple[str, str]] = Counter()
        self.parked: set[str] = set()
        self.index_lag = IndexLag(self)
        self._open()
        self._connect()

    # What handlers and triggers need

    def chance(self, name: str) -> Random:
        """A source of chance for one part of the history, so that the parts do not disturb each other."""
        return Random(f"{self._settings.seed} {name}")

    def new_token(self) -> str:
        """A ClientRequestToken."""
        self._tokens += 1
        return f"token-{self._tokens}"

    def new_id(self) -> str:
        """An id that nothing else has."""
        self._tokens += 1
        return f"id-{self._tokens}"

    def note(self, text: str, *values: object) -> None:
        """A line of the story."""
        if self._tell:
            self.story.append(f"{(self.engine.now - START) / SECOND:12.6f} {text % values}")

    def count(self, fault: Fault, *about: str) -> None:
        """A fault had its effect."""
        self.faults.count(fault)
        self.note("FAULT %s: %s", fault, " ".join(about))

    def broken(self, rule: str, detail: str) -> None:
        """A rule does not hold: the history ends here."""
        if self.violation is None:
            self.violation = Violation(rule, detail, self.engine.now)
            self.note("BROKEN %s: %s", rule, detail)
        self.engine.stopped = True

    # The parts

    def _open(self) -> None:
        chance = self.chance("size")
        self.visibility = chance.choice(VISIBILITIES)
        if self.faults.happens(Fault.MOVED_BY_SQS, chance):
            self.sqs.most_receives = chance.choice((1, 2, 3))
        self.plan = plan(self.chance("plan"))
        last = max(step.at for step in self.plan.steps)
        self.outages = Outages(self.faults, self.chance("outages"), self.engine.now, last, self.count)
        for event in self.plan.events:
            self._dynamodb.put_item(TableName=self.tables.events, Item=_event_item(event))
            self.rules.opened(_event_item(event))
        for user_id in self.plan.people:
            item: Item = {"userId": {"S": user_id}, "name": {"S": user_id}, "createdAt": {"S": "2026"}}
            self._dynamodb.put_item(TableName=self.tables.users, Item=item)

    def _connect(self) -> None:
        dynamodb = cast("DynamoDBClient", Client(self, "dynamodb", self._dynamodb))
        sqs = cast("SQSClient", Client(self, "sqs", self.sqs))
        env = self.tables.environment | {"QUEUE_URL": QUEUE, "API_URL": BASE_URL}
        ids = self.new_id

        def desk(clock: Clock) -> Handler:
            people = registrations.Registrations(dynamodb, sqs, env, clock, ids)
            handlers = registrations.routes(people, Lists(dynamodb, env, clock), clock)
            return lambda event: resolve(handlers, event, anybody)

        def office(clock: Clock) -> Handler:
            change_id = lambda: self.changes.begins(self.engine.current.name, ids())  # noqa: E731
            handlers = events.routes(events.Events(dynamodb, sqs, env, clock, change_id), clock)
            return lambda event: resolve(handlers, event, anybody)

        def worker(clock: Clock) -> Handler:
            desk = registrar.Registrar(dynamodb, sqs, self.tables.worker, QUEUE, DEAD_LETTERS, clock)

            def handle(event: dict[str, Any]) -> Any:
                self.messages.taken(self.engine.current.name, event["Records"])
                return desk.handle(event)

            return handle

        def promoter(clock: Clock) -> Handler:
            return Promoter(sqs, QUEUE, clock).handle

        functions = {
            "registrations": Function(self, "registrations", desk, API_SECONDS),
            "events": Function(self, "events", office, API_SECONDS),
        }
        self.callers = Callers(self, functions)
        self.commands = CommandsTrigger(self, Function(self, "registrar", worker, REGISTRAR_SECONDS), self.visibility)
        self._stream = StreamTrigger(self, Function(self, "promoter", promoter, PROMOTER_SECONDS))
        self.operator = Operator(self, dynamodb, sqs)
        self.hands = Hands(self, self._dynamodb, self.operator)
        self._dynamodb.on_write = self._wrote
        self._dynamodb.index_delay = self.index_lag.changed
        self.sqs.arrived = self._arrived
        self.sqs.sent = self._sent

    # What happens

    def _wrote(self, changes: list[Change]) -> None:
        if self._tell:
            for change in changes:
                self.note("    %s", _told(change))
        self.excuses.wrote(changes)
        self.stale_reads.wrote(changes)
        self.rules.wrote(changes)
        for change in changes:
            if change.table == self.tables.ledger and change.after is not None:
                self._stream.wrote(change.after)
            elif change.table == self.tables.events and change.after is not None:
                self.changes.wrote(self.engine.now, change.before, change.after)

    def _sent(self, queue: str, body: str) -> None:
        """A message was sent into a queue."""
        if queue == QUEUE:
            self.messages.sent(body)

    def _arrived(self, queue: str) -> None:
        """A message came into a queue."""
        message = self.sqs.queue(queue).history[-1]
        if queue == QUEUE:
            self.messages.arrived(message.body, message.group)
            self.hands.command_arrived(message.body)
            self.commands.wake()
            if isinstance(self.messages.command(message.body), Recount):
                self.count(Fault.RECOUNT, message.id)
        else:
            parked = message.attributes.get("messageId", {}).get("StringValue")
            if parked is None:
                self.count(Fault.MOVED_BY_SQS, message.id)
            reason = message.attributes.get("reason", {}).get("StringValue", "")
            if reason and not self.deliveries.may_be_parked(reason, message.body, message.group):
                self.broken(LEFT, f"parked without need: {reason}, {message.body}")
            if self.messages.command(message.body) is None:
                self.count(Fault.POISON, message.body)
            self.parked.add(parked or message.id)
            self.operator.letter_arrived()

    def run(self) -> History:
        """Lets it all happen, until nothing is left to do; then the rest is checked."""
        keep = self._settings.keep
        steps = [step for step in self.plan.steps if keep is None or step.number in keep]
        for step in steps:
            self.engine.after(step.at, partial(self.callers.send, step))
        last = max((step.at for step in steps), default=0)
        self.hands.begin(last)
        self.engine.after(last + 10 * SECOND, self._calm_down)
        try:
            if not self.engine.run(_MOST_TURNS):
                self.broken(ENDLESS, f"still busy after {_MOST_TURNS} turns")
            if self.violation is None:
                self.note("at rest")
                check_at_rest(self, self._dynamodb)
        finally:
            self.engine.close()
        commands = sum(map(bool, map(self.messages.command, self.sqs.queue(QUEUE).bodies())))
        fired = dict(self.faults.fired)
        return History(self._settings, self.plan, self.violation, fired, commands, self.steps, self.story, self.failed)

    def _calm_down(self) -> None:
        self.note("no more faults")
        self.faults.calm = True


def simulate(settings: Settings, *, tell: bool = False) -> History:
    """One history from beginning to end. In some, what one decision and one transaction take is so little that a few
    people suffice to need several of them; in some, a command that cannot be processed is parked at once; in some, who
    is pending for ten seconds may be asked for again."""
    world = World(settings, tell=tell)
    chance = world.chance("limits")
    promotions, items = chance.choice((decide.MAX_PROMOTIONS,) * 2 + (1, 2)), chance.choice((MAX_ITEMS, 8))
    receives = chance.choice((RECEIVES_BEFORE_PARKING, 1))
    resend_after = chance.choice((registrations.RESEND_AFTER_MICROSECONDS, _SOON))
    with (
        patch.object(decide.decide, "__defaults__", (promotions,)),
        patch("workers.registrar.handler.MAX_ITEMS", items),
        patch("workers.registrar.plan.RECEIVES_BEFORE_PARKING", receives),
        patch("api.registrations.handler.RESEND_AFTER_MICROSECONDS", resend_after),
    ):
        return world.run()


def _event_item(event: dict[str, Any]) -> Item:
    kinds = {bool: "BOOL", int: "N", str: "S"}
    return {name: {kinds[type(value)]: str(value) if type(value) is int else value} for name, value in event.items()}


def _told(change: Change) -> str:
    """A write as a line of the story."""
    item = change.after or {}
    names = sorted(name for name in item if (change.before or {}).get(name) != item[name])
    key = next(iter(next(iter(item.values()), {"S": ""}).values()))
    return f"{change.table} {key}: " + ", ".join(f"{n}={next(iter(item[n].values()))!r}" for n in names)
