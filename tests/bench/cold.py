"""Cold start: the processor time of a process from nothing to its first handled event.

It is compared with a process that only makes the AWS clients that the function needs, from the same bundle: what that
costs is boto3's, and nothing that a function does can be had without it. Processor time, because the machine's other
work does not count towards it; pairs of processes by turns, because its clock speed changes.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.bundles import BundleError, Package, bundle
from infra.cli.deployment import Deployment, emulator_clients
from infra.cli.emulator import REGION, ROOT_KEYS
from infra.stage import StageName
from tests.bench.figures import Bars, Figure, Part, at_most
from tests.bench.setting import BenchError, Setting
from tests.support.client import unique
from tests.support.pipeline import http_event
from workers.aws.items import timestamp
from workers.aws.messages import encode
from workers.domain.commands import Register

_PAIRS_PER_RUN = 3
_STAGE: StageName = "local"

_START = """
import sys, time
"""
_END = 'print("\\ncpu", time.process_time())'
_HANDLE = """
sys.path[:] = [sys.argv[1], *(path for path in sys.path if "site-packages" not in path)]
import importlib, json
module, _, name = sys.argv[2].rpartition(".")
getattr(importlib.import_module(module), name)(json.loads(sys.argv[3]), None)
"""
# The bundles have botocore, but no boto3: that comes from where the benchmark runs.
_MAKE_CLIENTS = """
sys.path.insert(0, sys.argv[1])
import boto3
for service in sys.argv[2].split(): boto3.client(service)
"""


@dataclass(frozen=True, slots=True)
class Start:
    """A function, the services that it talks to, an event for it, and how much dearer than its clients it may be."""

    handler: str
    services: str
    event: Mapping[str, Any]
    bound: float

    @property
    def package(self) -> Package:
        """The bundle that it runs from."""
        return "api" if self.handler.startswith("api.") else "workers"


def measure(setting: Setting) -> Part:
    """Processor time of the five functions that somebody waits for, and the size of their bundles."""
    environments = _environments(setting)
    figures: list[Figure] = []
    bars: dict[str, float] = {}
    for start in _starts(setting):
        setting.say(f"cold start of {start.handler}")
        ours, clients = _by_turns(start, environments[start.handler], setting.runs * _PAIRS_PER_RUN)
        name = start.handler.replace(".entry", "")
        ratio = statistics.median(one / other for one, other in zip(ours, clients, strict=True))
        figures += [
            Figure(f"{name}: until the first event is handled", _ms(ours), "ms of processor"),
            Figure(f"{name}: its clients alone ({start.services})", _ms(clients), "ms of processor"),
            Figure(f"{name}: ratio", round(ratio, 2), "x", at_most(start.bound), f"median of {len(ours)} pairs"),
        ]
        bars |= {name: _ms(ours), f"{name}: clients": _ms(clients)}
    figures += [_bundle_size("workers", 30), _bundle_size("api", 40)]
    return Part("cold start", figures, [Bars("Cold start: processor time to the first handled event", "ms", bars)])


def _starts(setting: Setting) -> list[Start]:
    """An event for each function, as AWS would deliver it."""
    clients = emulator_clients(setting.stack.endpoint_url or "")
    event_id, user_id = unique("cold"), unique("user")
    plain = {name: {"S": name} for name in ("title", "date", "location", "organizer")}
    item: dict[str, Any] = {"eventId": {"S": event_id}, **plain, "capacity": {"N": "1000000"}}
    clients.dynamodb.put_item(TableName=setting.stack.events_table, Item=item)
    clients.dynamodb.put_item(
        TableName=setting.stack.users_table,
        Item={"userId": {"S": user_id}, "name": {"S": "n"}, "createdAt": {"S": timestamp(0)}},
    )
    json_type = {"content-type": "application/json"}
    register = http_event("POST", f"/events/{event_id}/registrations", json.dumps({"userId": user_id}), json_type)
    user = http_event("POST", "/users", json.dumps({"userId": unique("user"), "name": "n"}), json_type)
    attributes = {"MessageGroupId": f"{event_id}-2", "ApproximateReceiveCount": "1"}
    clients.dynamodb.put_item(TableName=setting.stack.events_table, Item=item | {"eventId": {"S": f"{event_id}-2"}})
    command = Register("cold", f"{event_id}-2", user_id, 1, accepted_at=0)
    letter = {"messageId": "m", "receiptHandle": "r", "body": encode(command), "attributes": attributes}
    image = {"eventId": {"S": event_id}, "version": {"N": "1"}, "promotable": {"S": "yes"}}
    return [
        Start("api.entry.registrations", "dynamodb sqs", register, 1.5),
        Start("api.entry.events", "dynamodb sqs", http_event("GET", f"/events/{event_id}", None, {}), 1.5),
        Start("api.entry.users", "dynamodb", user, 1.5),
        Start("workers.entry.registrar", "dynamodb sqs", {"Records": [letter]}, 1.3),
        Start("workers.entry.promoter", "sqs", {"Records": [{"dynamodb": {"NewImage": image}}]}, 1.3),
    ]


def _environments(setting: Setting) -> dict[str, dict[str, str]]:
    """By handler, the environment that the stack gives to a function."""
    endpoint = setting.stack.endpoint_url or ""
    deployment = Deployment.of(_STAGE, emulator_clients(endpoint), endpoint, REGION)
    common = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": endpoint,
        **ROOT_KEYS,
    }
    found: dict[str, dict[str, str]] = {}
    for name in deployment.physical_ids("AWS::Lambda::Function"):
        configuration = deployment.clients.functions.get_function_configuration(FunctionName=name)
        found[configuration["Handler"]] = common | configuration.get("Environment", {}).get("Variables", {})
    return found


def _by_turns(start: Start, environment: Mapping[str, str], pairs: int) -> tuple[list[float], list[float]]:
    """Seconds of processor time, of the function and of its clients alone."""
    directory = _bundle(start.package, "host")
    _cpu(environment, _MAKE_CLIENTS, str(directory), start.services)  # not counted: it may have to compile boto3
    ours: list[float] = []
    clients: list[float] = []
    for _ in range(pairs):
        ours.append(_cpu(environment, _HANDLE, str(directory), start.handler, json.dumps(start.event)))
        clients.append(_cpu(environment, _MAKE_CLIENTS, str(directory), start.services))
    return ours, clients


def _cpu(environment: Mapping[str, str], program: str, *arguments: str) -> float:
    command = [sys.executable, "-c", _START + program + _END, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    word, _, seconds = done.stdout.splitlines()[-1].partition(" ") if done.stdout else ("", "", "")
    if done.returncode != 0 or word != "cpu":
        raise BenchError(f"{' '.join(arguments[1:2])} could not be started: {done.stderr[-500:]}")
    return float(seconds)


def _bundle_size(package: Package, bound: int) -> Figure:
    """Without boto3 and botocore, which Lambda has in any case."""
    directory = _bundle(package, "lambda-arm64")
    files = (path for path in directory.rglob("*") if path.is_file())
    size = sum(p.stat().st_size for p in files if p.relative_to(directory).parts[0] not in {"boto3", "botocore"})
    return Figure(
        f"bundle {package}", round(size / 1e6, 1), "MB", at_most(bound), "unzipped, without boto3 and botocore"
    )


def _bundle(package: Package, platform: Any) -> Path:
    try:
        return bundle(package, platform)
    except BundleError as error:
        raise BenchError(str(error)) from error


def _ms(seconds: list[float]) -> float:
    return round(statistics.median(seconds) * 1000)
