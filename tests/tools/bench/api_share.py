"""The API's share: how often it looks for an outcome, what it asks AWS for, and how long it takes beside the bare
pipeline."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from itertools import count

from infra.cli.function_logs import REGISTRATIONS
from tests.tools.bench.bare import bare_pipeline
from tests.tools.bench.counting_proxy import counting_proxy, operations, through
from tests.tools.bench.figures import Figure, Part, at_most
from tests.tools.bench.load import drive, percentile, registration
from tests.tools.bench.local_stack import LocalStack
from tests.tools.bench.setting import Setting

_PEOPLE = {1: 20, 20: 60}
"""How many clients at a time, and how many registrations in a run."""

_TIMED = 20
_WARMING_RUNS = 3
"""A new process of the API expects outcomes after 60 ms, and learns from some forty requests that they come sooner."""

_MOST_POLLS = 1.5
_MOST_CALLS = 4
_MOST_TIME = 1.3


def measure(setting: Setting) -> Part:
    """Polls and AWS calls per answered POST, counted; the time of a registration as a multiple of the bare one."""
    stack = LocalStack(setting)
    return Part("the API's share", [*_counted(setting, stack), *_timed(setting, stack)])


def _counted(setting: Setting, stack: LocalStack) -> list[Figure]:
    """Every registration gets a seat, so every one has to look for its outcome."""
    polls: dict[int, list[int]] = {clients: [] for clients in _PEOPLE}
    calls: dict[int, list[int]] = {clients: [] for clients in _PEOPLE}
    functions = stack.clients.functions
    with counting_proxy(stack.endpoint) as proxy, through(functions, stack.function(REGISTRATIONS), proxy):
        setting.say("the API's share: warming up behind the counting proxy")
        stack.warm_up()
        for run in range(1, setting.runs + 1):
            for clients, people in _PEOPLE.items():
                setting.say(f"the API's share: counting, run {run} of {setting.runs}, {clients} at a time")
                proxy.clear()
                stack.register(people, clients)
                asked = operations(proxy.calls)
                polls[clients] += [polls_of(each) for each in asked.values()]
                calls[clients] += [len(each) for each in asked.values()]
    return [*_means("polls", polls, _MOST_POLLS), *_means("AWS calls", calls, _MOST_CALLS)]


def polls_of(calls: Sequence[str]) -> int:
    """How many of a registration's calls look for the outcome: the reads after its message was sent."""
    return list(calls[calls.index("SendMessage") :]).count("BatchGetItem")


def _means(what: str, counted: Mapping[int, Sequence[int]], most: float) -> list[Figure]:
    return [
        Figure(
            f"{what} per registration, {clients} at a time",
            statistics.fmean(numbers),
            what,
            at_most(most),
            f"mean of {len(numbers)}, counted between the function and the emulator; the most: {max(numbers)}",
        )
        for clients, numbers in counted.items()
    ]


def _timed(setting: Setting, stack: LocalStack) -> list[Figure]:
    """One client, both pipelines in turn in the same emulator."""
    bare, ours = [], []
    names = (f"bare-{number}" for number in count())
    iam = setting.session.client("iam", endpoint_url=stack.endpoint)
    with bare_pipeline(stack.clients, iam, stack.endpoint) as bare_url:

        def bare_median() -> float:
            event_id = next(names)
            posts = [registration(event_id, f"{event_id}-{number}") for number in range(_TIMED)]
            load = drive(bare_url, posts, 1)
            load.require(201)
            return percentile(load.answers, 50)

        def our_median() -> float:
            return percentile(stack.register(_TIMED, 1).answers, 50)

        for _ in range(_WARMING_RUNS):
            bare_median()
            our_median()
        for run in range(1, setting.runs + 1):
            setting.say(f"the API's share: beside the bare pipeline, run {run} of {setting.runs}")
            bare.append(bare_median())
            ours.append(our_median())
    ratio = statistics.median(one / other for one, other in zip(ours, bare, strict=True))
    note = f"median of {setting.runs} alternated runs of {_TIMED}, one client, warm; the emulator's own waits are in it"
    return [
        Figure(
            "time of a registration, bare pipeline", statistics.median(bare), "s", note=f"{note}; no checks, no seats"
        ),
        Figure("time of a registration, Turnstile", statistics.median(ours), "s", note=note),
        Figure("Turnstile's time as a multiple of the bare one", ratio, "times", at_most(_MOST_TIME), note),
    ]
