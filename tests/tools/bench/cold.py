"""Cold start: the processor time of a process from its start to its first handled event.

It is compared with a process that only creates the AWS clients that the function needs, from the same bundle: that cost
is boto3's, and no function can avoid it. Processor time, because it excludes the machine's other work; alternating
pairs of processes, because the clock speed changes.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.build.bundles import Package, bundle
from infra.cli.deployment import REGION, ROOT_KEYS, Deployment
from infra.cli.function_logs import configurations
from tests.support.builders import register
from tests.support.client import unique
from tests.support.deliveries import batch
from tests.support.http_events import http_event
from tests.tools.bench.context import BenchContext, BenchError
from tests.tools.bench.figures import Figure, Part, at_most
from tests.tools.bench.load import LocalStack

_PAIRS_PER_RUN = 3

_START = """
import json, sys, time
answer = None
"""
_END = 'print("\\ncpu", time.process_time(), json.dumps(answer))'
_HANDLE = """
sys.path[:] = [sys.argv[1], *(path for path in sys.path if "site-packages" not in path)]
import importlib
module, _, name = sys.argv[2].rpartition(".")
answer = getattr(importlib.import_module(module), name)(json.loads(sys.argv[3]), None)
"""
# The bundles have botocore, but no boto3: it comes from the benchmark's environment.
_MAKE_CLIENTS = """
sys.path.insert(0, sys.argv[1])
import boto3
for service in sys.argv[2].split(): boto3.client(service)
"""


@dataclass(frozen=True, slots=True)
class Start:
    """A function, the services that it calls, an event for it, what its response must contain, and the largest ratio to
    its clients alone."""

    handler: str
    services: str
    event: Callable[[], Mapping[str, Any]]
    answer: Mapping[str, Any]
    bound: float

    @property
    def package(self) -> Package:
        """The bundle that it is in."""
        return "api" if self.handler.startswith("api.") else "workers"


def measure(context: BenchContext) -> Part:
    """Measure the processor time of the five functions that a person waits for, and the size of their bundles."""
    environments = _environments(context.stack)
    figures: list[Figure] = []
    for start in _starts(LocalStack(context)):
        context.say(f"cold start of {start.handler}")
        ours, clients = _by_turns(start, environments[start.handler], context.runs * _PAIRS_PER_RUN)
        name = start.handler.replace(".entry", "")
        ratio = statistics.median(one / other for one, other in zip(ours, clients, strict=True))
        figures += [
            Figure(f"{name}: until the first event is handled", _ms(ours), "ms of processor"),
            Figure(f"{name}: its clients alone ({start.services})", _ms(clients), "ms of processor"),
            Figure(f"{name}: ratio", ratio, "times", at_most(start.bound), f"median of {len(ours)} pairs"),
        ]
    figures += [_bundle_size("workers", 30), _bundle_size("api", 40)]
    return Part("cold start", figures)


def _starts(stack: LocalStack) -> list[Start]:
    """Return an event for each function, as AWS would deliver it; each concerns a new user."""
    ((event_id, _),) = stack.requests(1, seats=1_000_000)
    image: Any = {"eventId": {"S": event_id}, "version": {"N": "1"}, "promotable": {"S": "yes"}}
    promote = {"Records": [{"dynamodb": {"NewImage": image}}]}

    def register_user() -> Mapping[str, Any]:
        ((event_id, user_id),) = stack.requests(1, seats=1)
        return _post(f"/events/{event_id}/registrations", {"userId": user_id})

    def new_user() -> Mapping[str, Any]:
        return _post("/users", {"userId": unique("user"), "name": "n"})

    def new_message() -> Mapping[str, Any]:
        return batch(register(unique("user"), event=event_id))

    return [
        Start("api.entry.registrations", "dynamodb sqs", register_user, {"statusCode": 201}, 1.5),
        Start(
            "api.entry.events",
            "dynamodb sqs",
            lambda: http_event("GET", f"/events/{event_id}", None, {}),
            {"statusCode": 200},
            1.5,
        ),
        Start("api.entry.users", "dynamodb", new_user, {"statusCode": 201}, 1.5),
        Start("workers.entry.registrar", "dynamodb sqs", new_message, {"batchItemFailures": []}, 1.3),
        Start("workers.entry.promoter", "sqs", lambda: promote, {}, 1.3),
    ]


def _post(path: str, body: Mapping[str, str]) -> dict[str, Any]:
    return http_event("POST", path, json.dumps(body), {"content-type": "application/json"})


def _environments(stack: Deployment) -> dict[str, dict[str, str]]:
    """Return the environment that the stack gives to each function, by handler."""
    common = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": stack.outputs.endpoint_url or "",
        **ROOT_KEYS,
    }
    return {
        function["Handler"]: common | function.get("Environment", {}).get("Variables", {})
        for function in configurations(stack)
    }


def _by_turns(start: Start, environment: Mapping[str, str], pairs: int) -> tuple[list[float], list[float]]:
    """Return seconds of processor time, of the function and of its clients alone."""
    directory = bundle(start.package, "host")
    _cpu(environment, _MAKE_CLIENTS, str(directory), start.services)  # does not count: it may have to compile boto3
    ours: list[float] = []
    clients: list[float] = []
    for _ in range(pairs):
        seconds, answer = _cpu(environment, _HANDLE, str(directory), start.handler, json.dumps(start.event()))
        if not start.answer.items() <= (answer or {}).items():
            raise BenchError(f"{start.handler} answered {answer}, not {start.answer}")
        ours.append(seconds)
        clients.append(_cpu(environment, _MAKE_CLIENTS, str(directory), start.services)[0])
    return ours, clients


def _cpu(environment: Mapping[str, str], program: str, *arguments: str) -> tuple[float, Any]:
    """Return seconds, and the response that the program prints."""
    command = [sys.executable, "-c", _START + program + _END, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    word, seconds, answer = (
        (done.stdout.splitlines() or [""])[-1].split(" ", 2) if done.returncode == 0 else ("", "", "")
    )
    if word != "cpu":
        raise BenchError(f"{' '.join(arguments[1:2])} could not be started: {done.stderr[-500:]}")
    return float(seconds), json.loads(answer)


def _bundle_size(package: Package, bound: int) -> Figure:
    """Return the size without boto3 and botocore, which Lambda provides."""
    directory = bundle(package, "lambda-arm64")
    files = (path for path in directory.rglob("*") if path.is_file())
    size = sum(p.stat().st_size for p in files if p.relative_to(directory).parts[0] not in {"boto3", "botocore"})
    return Figure(f"bundle {package}", size / 1e6, "MB", at_most(bound), "unzipped, without boto3 and botocore")


def _ms(seconds: list[float]) -> float:
    return round(statistics.median(seconds) * 1000)
