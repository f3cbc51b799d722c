"""The hot event: everybody wants the same seats. The registrar, ten at a time, against 32 synchronous clients."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from statistics import median
from typing import TYPE_CHECKING

from tests.tools.bench.baseline import CHEAP, FAST, Answer, Pauses
from tests.tools.bench.engine import BATCH, THREADS, Engine, batches, deliver, logs_to_nowhere, names
from tests.tools.bench.figures import Bars, Figure, Part, at_least
from tests.tools.bench.latencies import QUEUE_TO_HANDLER_MS
from tests.tools.bench.service import Service
from tests.tools.bench.setting import Setting

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_OURS = 600
_THEIRS_RAW = 400
_THEIRS_MODELLED = 160
_WARM_UP = 500


@dataclass(frozen=True, slots=True)
class Run:
    """One run: registrations a second, the median latency of one in ms, transactions tried for each."""

    per_second: float
    latency_ms: float
    attempts: float = 1.0


Side = Callable[[], Run]


def measure(setting: Setting) -> Part:
    """Registrations a second of both sides, raw and with the times and conflicts of AWS; medians of alternated runs."""
    arena = Arena(setting)
    with logs_to_nowhere():
        setting.say("hot event: warming up")
        arena.ours(arena.raw, _WARM_UP)
        arena.theirs(arena.raw, _WARM_UP)
        raw = _alternate(
            setting,
            "hot event, raw",
            lambda: arena.ours(arena.raw, _OURS),
            lambda: arena.theirs(arena.raw, _THEIRS_RAW),
        )
        modelled = _alternate(
            setting,
            "hot event, modelled",
            lambda: arena.ours(arena.modelled, _OURS),
            lambda: arena.theirs(arena.modelled, _THEIRS_MODELLED),
        )
        brief = _alternate(
            setting,
            "hot event, modelled, items held for half the time",
            lambda: arena.ours(arena.brief, _OURS),
            lambda: arena.theirs(arena.brief, _THEIRS_MODELLED),
        )
        setting.say("hot event, modelled: the textbook with few transactions")
        sparing = _middle([arena.theirs(arena.modelled, _THEIRS_MODELLED, CHEAP) for _ in range(setting.runs)])
    figures = [*_figures("raw", *raw, goal=3), *_figures("modelled", *modelled, goal=5), *_sparing(sparing)]
    cycle = 1000 * BATCH / modelled[0].per_second
    with_queue = 1000 * BATCH / (cycle + QUEUE_TO_HANDLER_MS)
    note = f"computed: each batch waits {QUEUE_TO_HANDLER_MS} ms more for the queue and its event source mapping"
    theirs = modelled[1].per_second
    held = "as modelled, if a transaction is in others' way for half of its time only: nobody publishes how long"
    figures += [
        Figure("modelled: Turnstile with the queue's hand-over", with_queue, "registrations/s", note=note),
        Figure("modelled: Turnstile with the hand-over to textbook", with_queue / theirs, "times", note=note),
        Figure(
            "items held for half: Turnstile to textbook", brief[0].per_second / brief[1].per_second, "times", note=held
        ),
    ]
    bars = {
        "Turnstile, raw": raw[0].per_second,
        "textbook, raw": raw[1].per_second,
        "Turnstile, modelled": modelled[0].per_second,
        "textbook, modelled": modelled[1].per_second,
    }
    return Part("hot event", figures, [Bars("One event, registrations a second", "registrations/s", bars)])


class Arena:
    """Both sides on the same tables. A run has an event of its own, with seats for all."""

    def __init__(self, setting: Setting) -> None:
        self._engine = Engine(setting)
        self._users = names(max(_OURS, _THEIRS_RAW, _THEIRS_MODELLED, _WARM_UP))
        self._events = count(1)
        self._engine.add_users(self._users)
        self.raw = self._engine.client(THREADS)
        self.modelled = self._engine.client(THREADS)
        Service(self._engine.reader).attach(self.modelled)
        self.brief = self._engine.client(THREADS)
        Service(self._engine.reader, held=0.5).attach(self.brief)

    def ours(self, client: DynamoDBClient, how_many: int) -> Run:
        """Full batches for one event, one after the other, as FIFO delivers them."""
        registrar = self._engine.registrar(client)
        deliveries = batches(self._event(), self._users[:how_many])
        times = []
        for delivery in deliveries:
            began = time.perf_counter()
            deliver(registrar, [delivery])
            times.append(time.perf_counter() - began)
        return Run(how_many / sum(times), 1000 * median(times))

    def theirs(self, client: DynamoDBClient, how_many: int, pauses: Pauses = FAST) -> Run:
        """As many registrations for one event, by all threads at once."""
        textbook, event_id = self._engine.textbook(client, pauses), self._event()

        def one(user: str) -> tuple[float, Answer]:
            began = time.perf_counter()
            answer = textbook.register(event_id, user)
            return time.perf_counter() - began, answer

        with ThreadPoolExecutor(THREADS) as pool:
            began = time.perf_counter()
            done = list(pool.map(one, self._users[:how_many]))
            took = time.perf_counter() - began
        assert {answer.outcome for _, answer in done} == {"confirmed"}
        attempts = sum(answer.attempts for _, answer in done) / how_many
        return Run(how_many / took, 1000 * median(seconds for seconds, _ in done), attempts)

    def _event(self) -> str:
        return self._engine.add_event(f"hot-{next(self._events)}", 100_000)


def _alternate(setting: Setting, what: str, ours: Side, theirs: Side) -> tuple[Run, Run]:
    """The medians of alternated runs: of ours and of theirs."""
    pairs = []
    for number in range(setting.runs):
        setting.say(f"{what}: run {number + 1} of {setting.runs}")
        pairs.append((ours(), theirs()))
    return _middle([pair[0] for pair in pairs]), _middle([pair[1] for pair in pairs])


def _middle(runs: Sequence[Run]) -> Run:
    return Run(
        median(run.per_second for run in runs),
        median(run.latency_ms for run in runs),
        median(run.attempts for run in runs),
    )


def _sparing(run: Run) -> list[Figure]:
    """The peer as one would run it to save money."""
    note = f"{THREADS} threads, with longer pauses between its tries"
    return [
        Figure("modelled: sparing textbook", run.per_second, "registrations/s", note=note),
        Figure("modelled: sparing textbook, transactions tried", run.attempts, "per registration", note=note),
    ]


def _figures(kind: str, ours: Run, theirs: Run, *, goal: float) -> list[Figure]:
    one_by_one, many = "ten at a time, one batch after the other", f"{THREADS} threads"
    return [
        Figure(f"{kind}: Turnstile", ours.per_second, "registrations/s", note=one_by_one),
        Figure(f"{kind}: textbook", theirs.per_second, "registrations/s", note=many),
        Figure(f"{kind}: Turnstile to textbook", ours.per_second / theirs.per_second, "times", at_least(goal)),
        Figure(f"{kind}: Turnstile, p50 of a batch", ours.latency_ms, "ms", note=one_by_one),
        Figure(f"{kind}: textbook, p50 of a registration", theirs.latency_ms, "ms", note=many),
        Figure(f"{kind}: textbook, transactions tried", theirs.attempts, "per registration", note=many),
    ]
