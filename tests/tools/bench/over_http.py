"""Over HTTP: one event, 1, 8 and 32 clients on the local stack, beside pretix."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from tests.tools.bench.context import BenchContext
from tests.tools.bench.figures import Figure, Part, at_least, at_most
from tests.tools.bench.load import LocalStack, Responses, percentile, register_all

_CLIENTS = {1: 20, 8: 80, 32: 160}
"""Concurrent clients, and how many people get a seat in a run; as many again come too late."""

_PRETIX_ORDERS = {1: 8.6, 8: 8.8, 32: 7.9}
_PRETIX_REFUSALS = {1: 34.0, 8: 64.0, 32: 50.0}
"""A second, by clients: pretix 2026.8.0, gunicorn with 5 workers, PostgreSQL, its REST API, on a 2-core machine."""

_LONGEST_SECONDS = 2
_BURST = 8


def measure(context: BenchContext) -> Part:
    """Measure registrations and refusals a second, and response times, in wall-clock time over HTTP.

    Every event has half as many seats as people: the first half get one, the second half are refused.
    """
    stack = LocalStack(context)
    context.say("over HTTP: the first burst, cold")
    stack.cool_down()
    burst = stack.register(_BURST, _BURST)
    stack.warm_up()
    seats: dict[int, list[Responses]] = {clients: [] for clients in _CLIENTS}
    refusals: dict[int, list[Responses]] = {clients: [] for clients in _CLIENTS}
    for run in range(1, context.runs + 1):
        for clients, people in _CLIENTS.items():
            context.say(f"over HTTP: run {run} of {context.runs}, {clients} clients")
            requests = stack.requests(2 * people, seats=people)
            seats[clients].append(register_all(stack.api_url, requests[:people], clients))
            refusals[clients].append(register_all(stack.api_url, requests[people:], clients))
    cold = f"{_BURST} clients at once, no process runs yet; answered 202: {burst.statuses[202]}"
    return Part(
        "over HTTP",
        [
            *_figures("registrations", 201, seats, _PRETIX_ORDERS, {8: 5, 32: 5}),
            *_figures("refusals", 409, refusals, _PRETIX_REFUSALS, {1: 3, 8: 3, 32: 3}),
            Figure("first burst, cold, p99", percentile(burst.all, 99), "s", note=cold),
        ],
    )


def _figures(
    what: str,
    status: int,
    measured: Mapping[int, Sequence[Responses]],
    pretix: Mapping[int, float],
    ratios: Mapping[int, int],
) -> list[Figure]:
    """Return rate and response times by clients; the goals are multiples of pretix's rates."""
    figures = []
    for clients, runs in measured.items():
        responses = [response for run in runs for response in run.all]
        others = sum(response.status != status for response in responses)
        rate = statistics.median(run.rate(status) for run in runs)
        goal = at_least(ratios[clients] * pretix[clients]) if clients in ratios else None
        note = f"median of {len(runs)} runs, warm; other responses: {others}; pretix: {pretix[clients]:g}"
        name, waited = f"{what}, {_named(clients)}", f"of {len(responses)} responses"
        figures += [
            Figure(name, rate, "per s", goal, note),
            Figure(f"{name}, p50", percentile(responses, 50), "s", note=waited),
            Figure(f"{name}, p99", percentile(responses, 99), "s", at_most(_LONGEST_SECONDS), waited),
        ]
    return figures


def _named(clients: int) -> str:
    return "1 client" if clients == 1 else f"{clients} clients"
