"""Sold out is cheap: 1,000 people for 100 seats, and how many messages the queue gets.

They share 32 connections: 1,000 opened at once overflow the emulator's backlog of 100, and with 250 it is so busy that
some registrations are answered 202.
"""

from __future__ import annotations

from infra.cli.function_logs import REGISTRATIONS
from infra.cli.local.emulator_process import PROCESSES_PER_FUNCTION
from tests.tools.bench.context import BenchContext
from tests.tools.bench.counting_proxy import counted
from tests.tools.bench.figures import Figure, Part, at_most, exactly
from tests.tools.bench.load import LocalStack, register_all

PEOPLE = 1000
SEATS = 100
CONNECTIONS = 32


def measure(context: BenchContext) -> Part:
    """Count messages, seats given and AWS calls per refusal, each the worst of the runs.

    Between reading the ledger and the outcome there can be as many requests as the emulator runs processes of a
    function; on AWS as many as arrive within that time.
    """
    stack = LocalStack(context)
    messages, seats, calls, others = list[int](), list[int](), list[int](), 0
    with counted(stack.clients.functions, stack.function(REGISTRATIONS), stack.endpoint) as proxy:
        context.say("sold out: warming up behind the counting proxy")
        stack.warm_up()
        for run in range(1, context.runs + 1):
            context.say(f"sold out: {PEOPLE} people for {SEATS} seats, run {run} of {context.runs}")
            requests = stack.requests(PEOPLE, seats=SEATS)
            proxy.clear()
            responses = register_all(stack.api_url, requests, CONNECTIONS)
            responses.require(201, 202, 409)
            found = proxy.operations().values()
            refused = [operations for operations in found if "SendMessage" not in operations]
            messages.append(len(found) - len(refused))
            calls += map(len, refused)
            others += sum(operations != ["BatchGetItem"] for operations in refused)
            seats.append(responses.statuses[201])
    worst = f"{PEOPLE} people over {CONNECTIONS} connections, the worst of {context.runs} runs"
    wrong = max(seats, key=lambda given: abs(given - SEATS))
    counts = f"mean of {len(calls)} refused without a message; the most: {max(calls)}"
    return Part(
        "sold out",
        [
            Figure("messages to the queue", max(messages), "messages", at_most(SEATS + PROCESSES_PER_FUNCTION), worst),
            Figure("seats given at once (201)", wrong, "seats", exactly(SEATS), worst),
            Figure("AWS calls per refusal", sum(calls) / len(calls), "calls", exactly(1), counts),
            Figure("refusals by anything but one BatchGetItem", others, "refusals", exactly(0), counts),
        ],
    )
