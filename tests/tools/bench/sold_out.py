"""Sold out is cheap: 1,000 people for 100 seats, and how many of them the queue hears of.

They come over 32 connections that take turns: 1,000 opened at once overflow the emulator's backlog of 100, and with 250
it is so busy that a few registrations are answered 202. It runs six requests at a time in any case.
"""

from __future__ import annotations

from infra.cli.function_logs import REGISTRATIONS
from tests.tools.bench.counting_proxy import counting_proxy, operations, through
from tests.tools.bench.figures import Figure, Part, at_most, exactly
from tests.tools.bench.load import drive
from tests.tools.bench.local_stack import LocalStack
from tests.tools.bench.setting import Setting

PEOPLE = 1000
SEATS = 100
CONNECTIONS = 32
IN_FLIGHT = 6
"""How many requests can be between their look at the ledger and the outcome at one time: as many as the emulator runs
processes of a function (`infra.cli.local.emulator_process`). On AWS it is as many as arrive within that time."""


def measure(setting: Setting) -> Part:
    """Messages, seats given and AWS calls per refusal, each the worst of the runs."""
    stack = LocalStack(setting)
    messages, seats, calls, otherwise = [], [], [], 0
    functions = stack.clients.functions
    with counting_proxy(stack.endpoint) as proxy, through(functions, stack.function(REGISTRATIONS), proxy):
        setting.say("sold out: warming up behind the counting proxy")
        stack.warm_up()
        for run in range(1, setting.runs + 1):
            setting.say(f"sold out: {PEOPLE} people for {SEATS} seats, run {run} of {setting.runs}")
            posts = stack.hopeful(PEOPLE, seats=SEATS)
            proxy.clear()
            load = drive(stack.api_url, posts, CONNECTIONS)
            load.require(201, 202, 409)
            asked = operations(proxy.calls).values()
            refused = [each for each in asked if "SendMessage" not in each]
            messages.append(len(asked) - len(refused))
            calls += [len(each) for each in refused]
            otherwise += sum(each != ["BatchGetItem"] for each in refused)
            seats.append(load.statuses[201])
    worst = f"{PEOPLE} people over {CONNECTIONS} connections, the worst of {setting.runs} runs"
    wrong = max(seats, key=lambda given: abs(given - SEATS))
    counted = f"mean of {len(calls)} refused without a message; the most: {max(calls)}"
    return Part(
        "sold out",
        [
            Figure("messages to the queue", max(messages), "messages", at_most(SEATS + IN_FLIGHT), worst),
            Figure("seats given at once (201)", wrong, "seats", exactly(SEATS), worst),
            Figure("AWS calls per refusal", sum(calls) / len(calls), "calls", exactly(1), counted),
            Figure("refusals by anything but one BatchGetItem", otherwise, "refusals", exactly(0), counted),
        ],
    )
