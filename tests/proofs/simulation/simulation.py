"""One simulated history: the real handlers on queues and tables in memory, with clients, faults and checks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import patch

from api.events import handler as events
from api.events.lists import EventList
from api.events.service import EventService
from api.http.app import App
from api.http.auth import allow_anyone
from api.registrations import handler as registrations
from api.registrations.lists import RegistrationLists
from api.registrations.service import RegistrationService
from api.settings import EventSettings, RegistrationSettings
from tests.proofs.simulation.clients import SimulatedClients
from tests.proofs.simulation.conditional_changes import ConditionalChanges
from tests.proofs.simulation.delivery_checks import DeliveryChecker
from tests.proofs.simulation.dynamodb.fake import Change, FakeDynamoDb
from tests.proofs.simulation.faults import Fault, Faults
from tests.proofs.simulation.index_lag import IndexLag
from tests.proofs.simulation.invariants import InvariantChecker, Violation
from tests.proofs.simulation.invocation_log import InvocationLog, RetryReasons
from tests.proofs.simulation.lambdas import CommandsTrigger, SimulatedFunction, StreamTrigger
from tests.proofs.simulation.message_log import MessageLog
from tests.proofs.simulation.nemesis import Nemesis
from tests.proofs.simulation.network import FaultyClient
from tests.proofs.simulation.operators import Operator
from tests.proofs.simulation.outages import Outages
from tests.proofs.simulation.queues import DEAD_LETTERS, QUEUE, SimulatedQueues
from tests.proofs.simulation.quiescence_checks import LEFT, check_at_rest
from tests.proofs.simulation.scheduler import SECOND, START, Scheduler
from tests.proofs.simulation.stale_reads import StaleReads
from tests.proofs.simulation.state_history import EventHistory
from tests.proofs.simulation.workload import Workload, draw_workload
from tests.support.pipeline import BASE_URL
from tests.support.tables import create_tables
from workers.aws.clock import Clock
from workers.aws.commit import MAX_ITEMS
from workers.aws.items import Item
from workers.domain import admission, decide
from workers.domain.commands import Recount
from workers.promoter import Promoter
from workers.registrar import handler as registrar
from workers.registrar.plan import RECEIVES_BEFORE_PARKING

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

    from tests.proofs.simulation.lambdas import Handler

ENDLESS = "the pipeline quiesces"

_MOST_TURNS = 60_000
API_SECONDS, REGISTRAR_SECONDS, PROMOTER_SECONDS = 20, 15, 30
"""The functions' timeouts."""
_SOON = 10 * SECOND
VISIBILITIES = (90, 90, 20, 3)
"""Seconds. The first is the queue's; with shorter ones more registrars meet on one message."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """The settings of a history. `keep` has the numbers of the requests to send (None: all)."""

    seed: int
    keep: frozenset[int] | None = None
    without: frozenset[Fault] = frozenset()


@dataclass(frozen=True, slots=True)
class RunResult:
    """The result. `steps` counts calls to AWS, `trace` is empty unless requested, and `failed` counts, by function and
    operation, the calls that failed after all attempts."""

    settings: RunSettings
    workload: Workload
    violation: Violation | None
    fired: dict[Fault, int]
    commands: int
    steps: int
    trace: list[str]
    failed: dict[tuple[str, str], int]


class Simulation:
    """Everything in one simulated history."""

    def __init__(self, settings: RunSettings, *, tell: bool = False) -> None:
        self._settings = settings
        self._tell = tell
        self.trace: list[str] = []
        self.violation: Violation | None = None
        self.steps = 0
        self._ids = 0
        self.scheduler = Scheduler()
        self.faults = Faults(self.chance("faults"), settings.without)
        self.sqs = SimulatedQueues(self.scheduler)
        self._dynamodb = FakeDynamoDb(lambda: self.scheduler.now)
        self.tables = create_tables(cast("DynamoDBClient", self._dynamodb))
        self.messages = MessageLog(self.scheduler, self.sqs)
        self.invariants, self.deliveries = InvariantChecker(self), DeliveryChecker(self)
        self.changes = ConditionalChanges()
        self.retry_reasons, self.stale_reads = RetryReasons(self), StaleReads(lambda: self.scheduler.now)
        self.histories: dict[str, EventHistory] = {}
        self.invocations: dict[str, InvocationLog] = {}
        self.failed: Counter[tuple[str, str]] = Counter()
        self.parked: set[str] = set()
        self.index_lag = IndexLag(self)
        self._open()
        self._connect()

    # What handlers and triggers need

    def chance(self, name: str) -> Random:
        """Return a random source for one part, so that the parts do not influence each other."""
        return Random(f"{self._settings.seed} {name}")

    def new_id(self) -> str:
        """Return a unique id."""
        self._ids += 1
        return f"id-{self._ids}"

    def note(self, text: str, *values: object) -> None:
        """Add a line to the trace."""
        if self._tell:
            self.trace.append(f"{(self.scheduler.now - START) / SECOND:12.6f} {text % values}")

    def count(self, fault: Fault, *about: str) -> None:
        """Count a fault that took effect."""
        self.faults.count(fault)
        self.note("FAULT %s: %s", fault, " ".join(about))

    def broken(self, rule: str, detail: str) -> None:
        """Record a broken rule, and end the history."""
        if self.violation is None:
            self.violation = Violation(rule, detail, self.scheduler.now)
            self.note("BROKEN %s: %s", rule, detail)
        self.scheduler.stopped = True

    # The parts

    def _open(self) -> None:
        chance = self.chance("size")
        self.visibility = chance.choice(VISIBILITIES)
        if self.faults.happens(Fault.MOVED_BY_SQS, chance):
            self.sqs.most_receives = chance.choice((1, 2, 3))
        self.workload = draw_workload(self.chance("plan"))
        last = max(step.at for step in self.workload.steps)
        self.outages = Outages(self.faults, self.chance("outages"), self.scheduler.now, last, self.count)
        for event in self.workload.events:
            self._dynamodb.put_item(TableName=self.tables.events, Item=_event_item(event))
            self.invariants.opened(_event_item(event))
        for user_id in self.workload.people:
            item: Item = {"userId": {"S": user_id}, "name": {"S": user_id}, "createdAt": {"S": "2026"}}
            self._dynamodb.put_item(TableName=self.tables.users, Item=item)

    def _connect(self) -> None:
        dynamodb = cast("DynamoDBClient", FaultyClient(self, "dynamodb", self._dynamodb))
        sqs = cast("SQSClient", FaultyClient(self, "sqs", self.sqs))
        settings = self.tables.settings(RegistrationSettings, QUEUE, BASE_URL)
        event_settings = self.tables.settings(EventSettings, QUEUE, BASE_URL)
        ids = self.new_id

        def registrations_handler(clock: Clock) -> Handler:
            people = RegistrationService(dynamodb, sqs, settings, clock, ids)
            handlers = registrations.routes(people, RegistrationLists(dynamodb, settings, clock), clock)
            return App(handlers, allow_anyone, settings.api_url).respond

        def events_handler(clock: Clock) -> Handler:
            change_id = lambda: self.changes.begins(self.scheduler.current.name, ids())  # noqa: E731
            service = EventService(dynamodb, sqs, event_settings, clock, change_id)
            handlers = events.routes(service, EventList(dynamodb, event_settings, clock), clock)
            return App(handlers, allow_anyone, event_settings.api_url).respond

        def registrar_handler(clock: Clock) -> Handler:
            worker = registrar.Registrar(dynamodb, sqs, self.tables.worker, QUEUE, DEAD_LETTERS, clock)

            def handle(event: dict[str, Any]) -> Any:
                self.messages.taken(self.scheduler.current.name, event["Records"])
                return worker.handle(event)

            return handle

        def promoter_handler(clock: Clock) -> Handler:
            return Promoter(sqs, QUEUE, clock).handle

        functions = {
            "registrations": SimulatedFunction(self, "registrations", registrations_handler, API_SECONDS),
            "events": SimulatedFunction(self, "events", events_handler, API_SECONDS),
        }
        self.clients = SimulatedClients(self, functions)
        self.commands = CommandsTrigger(
            self, SimulatedFunction(self, "registrar", registrar_handler, REGISTRAR_SECONDS), self.visibility
        )
        self._stream = StreamTrigger(self, SimulatedFunction(self, "promoter", promoter_handler, PROMOTER_SECONDS))
        self.operator = Operator(self, dynamodb, sqs)
        self.nemesis = Nemesis(self, self._dynamodb, self.operator)
        self._dynamodb.on_write = self._wrote
        self._dynamodb.index_delay = self.index_lag.changed
        self.sqs.arrived = self._arrived
        self.sqs.sent = lambda queue, body: self.messages.sent(body) if queue == QUEUE else None

    # What happens

    def _wrote(self, changes: list[Change]) -> None:
        if self._tell:
            for change in changes:
                self.note("    %s", change)
        self.retry_reasons.wrote(changes)
        self.stale_reads.wrote(changes)
        self.invariants.wrote(changes)
        for change in changes:
            if change.table == self.tables.ledger:
                self._stream.wrote(change.after)
            elif change.table == self.tables.events:
                self.changes.wrote(self.scheduler.now, change.before, change.after)

    def _arrived(self, queue: str) -> None:
        """Handle a new message in a queue."""
        message = self.sqs.queue(queue).history[-1]
        if queue == QUEUE:
            self.messages.arrived(message.body, message.group)
            self.nemesis.command_arrived(message.body)
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

    def run(self) -> RunResult:
        """Run until nothing is left to do, and check the state at rest."""
        keep = self._settings.keep
        steps = [step for step in self.workload.steps if keep is None or step.number in keep]
        for step in steps:
            self.scheduler.after(step.at, partial(self.clients.send, step))
        last = max((step.at for step in steps), default=0)
        self.nemesis.begin(last)
        self.scheduler.after(last + 10 * SECOND, self._calm_down)
        try:
            if not self.scheduler.run(_MOST_TURNS):
                self.broken(ENDLESS, f"still busy after {_MOST_TURNS} turns")
            if self.violation is None:
                self.note("at rest")
                check_at_rest(self, self._dynamodb)
        finally:
            self.scheduler.close()
        commands = sum(map(bool, map(self.messages.command, self.sqs.queue(QUEUE).bodies())))
        fired = dict(self.faults.fired)
        return RunResult(
            self._settings, self.workload, self.violation, fired, commands, self.steps, self.trace, self.failed
        )

    def _calm_down(self) -> None:
        self.note("no more faults")
        self.faults.calm = True


def simulate(settings: RunSettings, *, tell: bool = False) -> RunResult:
    """Run one history. Some have small limits: promotions of a decision, items of a transaction, receives before
    parking, or the time until a pending command is resent."""
    sim = Simulation(settings, tell=tell)
    chance = sim.chance("limits")
    promotions, items = chance.choice((decide.MAX_PROMOTIONS,) * 2 + (1, 2)), chance.choice((MAX_ITEMS, 8))
    receives = chance.choice((RECEIVES_BEFORE_PARKING, 1))
    resend_after = chance.choice((admission.RESEND_AFTER_MICROSECONDS, _SOON))
    with (
        patch.object(decide.decide, "__defaults__", (promotions,)),
        patch("workers.registrar.handler.MAX_ITEMS", items),
        patch("workers.registrar.plan.RECEIVES_BEFORE_PARKING", receives),
        patch("workers.domain.admission.RESEND_AFTER_MICROSECONDS", resend_after),
    ):
        return sim.run()


def _event_item(event: dict[str, Any]) -> Item:
    kinds, attributes = {bool: "BOOL", int: "N", str: "S"}, {"status": "active"} | event
    return {
        name: {kinds[type(value)]: str(value) if type(value) is int else value} for name, value in attributes.items()
    }
