"""The API's share of a registration: how often it polls for the outcome, and how many calls to AWS it makes."""

from __future__ import annotations

import statistics

from infra.cli.function_logs import REGISTRATIONS
from tests.tools.bench.context import BenchContext
from tests.tools.bench.counting_proxy import counted, polls_of
from tests.tools.bench.figures import Figure, Part, at_most
from tests.tools.bench.load import LocalStack

_PEOPLE = {1: 20, 20: 60}
"""Concurrent clients, and registrations in a run."""

_MOST_POLLS = 1.5
_MOST_CALLS = 4


def measure(context: BenchContext) -> Part:
    """Count polls and calls per registration. Everybody gets a seat, so every request has to poll."""
    stack = LocalStack(context)
    polls: dict[int, list[int]] = {clients: [] for clients in _PEOPLE}
    calls: dict[int, list[int]] = {clients: [] for clients in _PEOPLE}
    with counted(stack.clients.functions, stack.function(REGISTRATIONS), stack.endpoint) as proxy:
        context.say("the API's share: warming up behind the counting proxy")
        stack.warm_up()
        for run in range(1, context.runs + 1):
            for clients, people in _PEOPLE.items():
                context.say(f"the API's share: run {run} of {context.runs}, {clients} at a time")
                proxy.clear()
                stack.register(people, clients)
                found = proxy.operations().values()
                polls[clients] += map(polls_of, found)
                calls[clients] += map(len, found)
    return Part(
        "the API's share",
        [
            Figure(
                f"{what} per registration, {clients} at a time",
                statistics.fmean(numbers),
                what,
                at_most(most),
                f"mean of {len(numbers)}, counted between the function and the emulator; the most: {max(numbers)}",
            )
            for what, found, most in (("polls", polls, _MOST_POLLS), ("AWS calls", calls, _MOST_CALLS))
            for clients, numbers in found.items()
        ],
    )
