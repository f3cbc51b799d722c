"""The hot event: everybody wants the same seats. The registrar, ten at a time, against 32 synchronous clients."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count
from statistics import median
from typing import TYPE_CHECKING, TypeVar

from tests.tools.bench.baseline import CHEAP, FAST, Pauses, TextbookResult
from tests.tools.bench.context import BenchContext
from tests.tools.bench.engine import BATCH, THREADS, Engine, batches, deliver, discarded_logs, names
from tests.tools.bench.figures import Figure, Part, at_least
from tests.tools.bench.latencies import QUEUE_TO_HANDLER_MS
from tests.tools.bench.modelled_dynamodb import ModelledDynamoDB

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_OURS = 600
_THEIRS_RAW = 400
_THEIRS_MODELLED = 160
_WARM_UP = 500


SPARING = "modelled: sparing textbook"
SPARING_ATTEMPTS = "modelled: sparing textbook, transactions tried"
WITH_QUEUE = "modelled: Turnstile with the queue's delivery"
"""Names of figures that the cost is computed from."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class HotRun:
    """Registrations a second, the median latency in ms, and transactions tried for each registration."""

    per_second: float
    latency_ms: float
    attempts: float = 1.0


def measure(context: BenchContext) -> Part:
    """Compare registrations a second of both sides, raw and with AWS's latencies and conflicts."""
    arena = Arena(context)
    with discarded_logs():
        context.say("hot event: warming up")
        arena.ours(arena.raw, _WARM_UP)
        arena.theirs(arena.raw, _WARM_UP)
        raw = arena.alternate("raw", arena.raw, _THEIRS_RAW)
        modelled = arena.alternate("modelled", arena.modelled, _THEIRS_MODELLED)
        brief = arena.alternate("modelled, items locked half as long", arena.brief, _THEIRS_MODELLED)
        context.say("hot event, modelled: the textbook with few transactions")
        sparing = _median([arena.theirs(arena.modelled, _THEIRS_MODELLED, CHEAP) for _ in range(context.runs)])
    with_queue = 1000 * BATCH / (1000 * BATCH / modelled[0].per_second + QUEUE_TO_HANDLER_MS)
    queue = f"computed: each batch waits {QUEUE_TO_HANDLER_MS} ms more for the queue and its event source mapping"
    locked = "as modelled, if a transaction locks its items for half of its time only: nobody publishes how long"
    few = f"{THREADS} threads, with longer pauses between its tries"
    figures = [
        *_figures("raw", *raw, goal=3),
        *_figures("modelled", *modelled, goal=5),
        Figure(SPARING, sparing.per_second, "registrations/s", note=few),
        Figure(SPARING_ATTEMPTS, sparing.attempts, "per registration", note=few),
        Figure(WITH_QUEUE, with_queue, "registrations/s", note=queue),
        Figure(
            "modelled: Turnstile with the queue's delivery to textbook",
            with_queue / modelled[1].per_second,
            "times",
            note=queue,
        ),
        Figure(
            "items locked half as long: Turnstile to textbook",
            brief[0].per_second / brief[1].per_second,
            "times",
            note=locked,
        ),
    ]
    return Part("hot event", figures)


class Arena:
    """Both sides on the same tables. Each run has an event of its own, with seats for all."""

    def __init__(self, context: BenchContext) -> None:
        self._context = context
        self._engine = Engine(context)
        self._users = names(max(_OURS, _THEIRS_RAW, _THEIRS_MODELLED, _WARM_UP))
        self._events = count(1)
        self._engine.add_users(self._users)
        self.raw, self.modelled, self.brief = (self._engine.client(THREADS) for _ in range(3))
        ModelledDynamoDB(self._engine.reader).attach(self.modelled)
        ModelledDynamoDB(self._engine.reader, locked=0.5).attach(self.brief)

    def alternate(self, what: str, client: DynamoDBClient, their_number: int) -> tuple[HotRun, HotRun]:
        """Return the medians of alternated runs, of ours and of theirs."""
        pairs = []
        for number in range(self._context.runs):
            self._context.say(f"hot event, {what}: run {number + 1} of {self._context.runs}")
            pairs.append((self.ours(client, _OURS), self.theirs(client, their_number)))
        ours, theirs = zip(*pairs, strict=True)
        return _median(ours), _median(theirs)

    def ours(self, client: DynamoDBClient, how_many: int) -> HotRun:
        """Deliver full batches for one event in sequence, as FIFO does."""
        registrar = self._engine.registrar(client)
        deliveries = batches(self._event(), self._users[:how_many])
        times = [_timed(partial(deliver, registrar, [delivery]))[0] for delivery in deliveries]
        return HotRun(how_many / sum(times), 1000 * median(times))

    def theirs(self, client: DynamoDBClient, how_many: int, pauses: Pauses = FAST) -> HotRun:
        """Make as many registrations for one event, with all threads at once."""
        textbook, event_id = self._engine.textbook(client, pauses), self._event()

        def one(user: str) -> tuple[float, TextbookResult]:
            return _timed(lambda: textbook.register(event_id, user))

        with ThreadPoolExecutor(THREADS) as pool:
            took, done = _timed(lambda: list(pool.map(one, self._users[:how_many])))
        assert {result.outcome for _, result in done} == {"confirmed"}
        attempts = sum(result.attempts for _, result in done) / how_many
        return HotRun(how_many / took, 1000 * median(seconds for seconds, _ in done), attempts)

    def _event(self) -> str:
        return self._engine.add_event(f"hot-{next(self._events)}", 100_000)


def _timed(act: Callable[[], Value]) -> tuple[float, Value]:
    began = time.perf_counter()
    value = act()
    return time.perf_counter() - began, value


def _median(runs: Sequence[HotRun]) -> HotRun:
    return HotRun(
        median(run.per_second for run in runs),
        median(run.latency_ms for run in runs),
        median(run.attempts for run in runs),
    )


def _figures(kind: str, ours: HotRun, theirs: HotRun, *, goal: float) -> list[Figure]:
    in_sequence, many = "ten at a time, batches in sequence", f"{THREADS} threads"
    return [
        Figure(f"{kind}: Turnstile", ours.per_second, "registrations/s", note=in_sequence),
        Figure(f"{kind}: textbook", theirs.per_second, "registrations/s", note=many),
        Figure(f"{kind}: Turnstile to textbook", ours.per_second / theirs.per_second, "times", at_least(goal)),
        Figure(f"{kind}: Turnstile, p50 of a batch", ours.latency_ms, "ms", note=in_sequence),
        Figure(f"{kind}: textbook, p50 of a registration", theirs.latency_ms, "ms", note=many),
        Figure(f"{kind}: textbook, transactions tried", theirs.attempts, "per registration", note=many),
    ]
