"""Over HTTP: one event, 1, 8 and 32 clients on the local stack, beside pretix."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.tools.bench.figures import Chart, Figure, Goal, Part, at_least, at_most
from tests.tools.bench.load import Answer, Load, drive, percentile
from tests.tools.bench.local_stack import LocalStack
from tests.tools.bench.setting import Setting

_CLIENTS = {1: 20, 8: 80, 32: 160}
"""How many clients at a time, and how many of them get a seat in a run; as many again come too late."""

_SOURCE = "pretix 2026.8.0, gunicorn with 5 workers, PostgreSQL, its REST API, on a 2-core machine"
_PRETIX_ORDERS = {1: 8.6, 8: 8.8, 32: 7.9}
_PRETIX_P50_SECONDS = {1: 0.113, 8: 0.879, 32: 3.937}
_PRETIX_REFUSALS = {1: 34.0, 8: 64.0, 32: 50.0}
_ORDERS_RATIO = 5
_REFUSALS_RATIO = 3
_LONGEST_SECONDS = 2
_BURST = 8


@dataclass(slots=True)
class _Measured:
    """The loads of one kind with so many clients, one per run. `status` is that of the answers that count."""

    status: int
    loads: list[Load] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return statistics.median(load.rate(self.status) for load in self.loads)

    @property
    def answers(self) -> Sequence[Answer]:
        return [answer for load in self.loads for answer in load.answers]


def measure(setting: Setting) -> Part:
    """Registrations and refusals a second, and how long a client waits, all in wall-clock time over HTTP.

    Every event has half as many seats as people who ask: the first half get theirs, the second half are refused.
    """
    stack = LocalStack(setting)
    setting.say("over HTTP: the first burst, cold")
    stack.cool_down()
    burst = stack.register(_BURST, _BURST)
    stack.warm_up()
    seats = {clients: _Measured(201) for clients in _CLIENTS}
    refusals = {clients: _Measured(409) for clients in _CLIENTS}
    for run in range(1, setting.runs + 1):
        for clients, people in _CLIENTS.items():
            setting.say(f"over HTTP: run {run} of {setting.runs}, {clients} clients")
            posts = stack.hopeful(2 * people, seats=people)
            seats[clients].loads.append(drive(stack.api_url, posts[:people], clients))
            refusals[clients].loads.append(drive(stack.api_url, posts[people:], clients))
    figures = [
        *_figures("registrations", seats, _PRETIX_ORDERS, {8: _ORDERS_RATIO, 32: _ORDERS_RATIO}),
        *_figures("refusals", refusals, _PRETIX_REFUSALS, dict.fromkeys(_CLIENTS, _REFUSALS_RATIO)),
        *_of_pretix(),
        Figure(
            "first burst, cold, p99",
            percentile(burst.answers, 99),
            "s",
            note=f"{_BURST} clients at once, no process runs yet; answers 202: {burst.statuses[202]}",
        ),
    ]
    return Part("over HTTP", figures, _pictures(seats, refusals))


def _figures(
    what: str, measured: dict[int, _Measured], pretix: dict[int, float], ratios: dict[int, int]
) -> list[Figure]:
    figures = []
    for clients, found in measured.items():
        goal: Goal | None = at_least(ratios[clients] * pretix[clients]) if clients in ratios else None
        others = len(found.answers) - sum(load.statuses[found.status] for load in found.loads)
        note = f"median of {len(found.loads)} runs, warm; other answers: {others}; pretix: {pretix[clients]:g}"
        figures.append(Figure(f"{what}, {_times(clients)}", found.rate, "per s", goal, note))
        waited = f"of {len(found.answers)} answers"
        figures.append(Figure(f"{what}, {_times(clients)}, p50", percentile(found.answers, 50), "s", note=waited))
        slowest = percentile(found.answers, 99)
        figures.append(Figure(f"{what}, {_times(clients)}, p99", slowest, "s", at_most(_LONGEST_SECONDS), waited))
    return figures


def _of_pretix() -> list[Figure]:
    """What there is to compare with: measured once, elsewhere, and copied here."""
    columns = {"orders": (_PRETIX_ORDERS, "per s"), "orders, p50": (_PRETIX_P50_SECONDS, "s")}
    columns["refusals"] = (_PRETIX_REFUSALS, "per s")
    return [
        Figure(f"pretix: {what}, {_times(clients)}", value, unit, note=_SOURCE)
        for what, (values, unit) in columns.items()
        for clients, value in values.items()
    ]


def _times(clients: int) -> str:
    return "1 client" if clients == 1 else f"{clients} clients"


def _pictures(seats: dict[int, _Measured], refusals: dict[int, _Measured]) -> list[Chart]:
    rates = {
        "Turnstile, registrations": [(clients, found.rate) for clients, found in seats.items()],
        "Turnstile, refusals": [(clients, found.rate) for clients, found in refusals.items()],
        "pretix, orders": list(_PRETIX_ORDERS.items()),
        "pretix, refusals": list(_PRETIX_REFUSALS.items()),
    }
    waits = {
        f"Turnstile, registration, p{percent}": [
            (clients, percentile(found.answers, percent)) for clients, found in seats.items()
        ]
        for percent in (50, 99)
    }
    waits["pretix, order, p50"] = list(_PRETIX_P50_SECONDS.items())
    return [
        Chart("Throughput against clients, one event, over HTTP", "clients", "answers per s", rates),
        Chart("Latency against clients, one event, over HTTP", "clients", "s", waits),
    ]
