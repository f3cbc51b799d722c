"""Local stacks that tests and proofs start with the real command, and pauses of their functions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from infra.cli.deployment import LOCAL, Clients, Deployment, Outputs, emulator_clients
from infra.cli.state_dir import StateDir
from tests.support.owned import WATCHDOG, owned
from tests.support.pii_canaries import watch

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient

_PORTS = range(4640, 4680)
"""The ports of `own_stack`, tried in order: what was synthesized for a port is used again."""
_TAKEN = "is used by another program"
_NO_STACK = 3
"""The exit code of `turnstile down` without a stack."""


class NoStack(Exception):
    """A local stack did not start; the message has the output."""


def turnstile(*arguments: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the real command, for the stack of `home` if it is given; its output may not have personal data.

    It has a session of its own: a Ctrl-C at the terminal must not reach the command that ends a stack.
    """
    command = [str(Path(sys.executable).parent / "turnstile"), *arguments]
    environment = os.environ if home is None else os.environ | {"TURNSTILE_HOME": str(home)}
    with owned(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        stdout, stderr = process.communicate(timeout=180)
    watch(f"what turnstile {' '.join(arguments)} says", stdout + stderr)
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def printed(*arguments: str, home: Path | None = None) -> Any:
    """Return what the real command prints with `--json`; it must succeed."""
    done = turnstile(*arguments, "--json", home=home)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


@contextmanager
def stack_in(home: Path, ports: range, not_ended: Callable[[str], None], *options: str) -> Iterator[Outputs]:
    """Run a stack in `home`, on the first free port, while the block runs; yield its outputs.

    `options` are those of `turnstile up`. NoStack if it does not start; `not_ended` is called if it does not stop.
    """
    emulator: int | None = None
    try:
        for port in ports:
            started = turnstile("up", "--detach", "--port", str(port), *options, home=home)
            if _TAKEN not in started.stderr:
                break
        if started.returncode != 0:
            raise NoStack(f"the local stack did not start:\n{started.stdout}{started.stderr}")
        emulator = StateDir(home).ready().pid
        WATCHDOG.toggle(emulator)
        yield Outputs.from_json(json.loads(turnstile("status", "--json", home=home).stdout))
    finally:
        with _undisturbed():
            ended = turnstile("down", home=home)
            if emulator is not None:
                WATCHDOG.toggle(emulator)
        if ended.returncode not in {0, _NO_STACK}:
            not_ended(f"the local stack could not be ended: {ended.stderr.strip()}")


@contextmanager
def own_stack(say: Callable[[str], None], *options: str) -> Iterator[Deployment]:
    """Run a stack of its own, which `turnstile` uses meanwhile. NoStack if it does not start."""
    say("bringing up the local stack")
    with (
        tempfile.TemporaryDirectory(prefix="turnstile-") as home,
        patch.dict(os.environ, TURNSTILE_HOME=home),
        stack_in(Path(home), _PORTS, say, *options) as outputs,
    ):
        yield local_deployment(outputs)


def local_deployment(outputs: Outputs) -> Deployment:
    """Return a local stack with clients, by its outputs."""
    assert outputs.endpoint_url is not None
    return Deployment(LOCAL, outputs, emulator_clients(outputs.endpoint_url))


def registrar_paused(aws: Clients) -> AbstractContextManager[None]:
    """Pause the registrar while the block runs: what is accepted meanwhile stays undecided."""
    return _unread(aws, "QueuesCommands")


def promoter_paused(aws: Clients) -> AbstractContextManager[None]:
    """Pause the promoter while the block runs."""
    return _unread(aws, "/stream/")


@contextmanager
def _unread(aws: Clients, source: str) -> Iterator[None]:
    mappings = aws.functions.list_event_source_mappings()["EventSourceMappings"]
    (mapping,) = [found["UUID"] for found in mappings if source in found["EventSourceArn"]]
    aws.functions.update_event_source_mapping(UUID=mapping, Enabled=False)
    try:
        yield
    finally:
        aws.functions.update_event_source_mapping(UUID=mapping, Enabled=True)


def set_variables(functions: LambdaClient, function: str, variables: Mapping[str, str]) -> None:
    """Restart a function with these environment variables, and wait for it."""
    functions.update_function_configuration(FunctionName=function, Environment={"Variables": variables})
    functions.get_waiter("function_updated_v2").wait(FunctionName=function)


def queue_depth(aws: Clients, url: str) -> int:
    """Return how many messages a queue has, visible or not."""
    found = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(found["ApproximateNumberOfMessages"]) + int(found["ApproximateNumberOfMessagesNotVisible"])


def take_dead_letters(outputs: Outputs) -> None:
    """Read all dead letters of a local stack, so that they are searched for personal data, and delete them."""
    sqs = local_deployment(outputs).clients.sqs
    for url in (outputs.dead_letter_queue_url, outputs.failed_promotions_queue_url):
        while messages := sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=600
        ).get("Messages"):
            watch(f"the messages in {url}", str(messages))
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def function_logs(outputs: Outputs) -> str:
    """Return what the functions of a local stack have logged, in order of time."""
    deployment, lines = local_deployment(outputs), []
    for group in deployment.physical_ids("AWS::Logs::LogGroup"):
        lines += [(at, group, message) for at, message in whole_log(deployment.clients.logs, group)]
    return "".join(
        f"{timestamp} {group.rpartition('/')[2]} {message.rstrip()}\n" for timestamp, group, message in sorted(lines)
    )


def whole_log(logs: CloudWatchLogsClient, group: str) -> list[tuple[int, str]]:
    """Return every line of a log group of the emulator, with its time in milliseconds since 1970, oldest first.

    The emulator returns at most 10,000 and no token: so ask again from the last moment on, until nothing is new.
    """
    found: list[tuple[int, str]] = []
    while True:
        since = found[-1][0] if found else 0
        known = sum(at == since for at, _ in found)
        events = logs.filter_log_events(logGroupName=group, startTime=since)["events"][known:]
        if not events:
            return found
        found += [(event["timestamp"], event["message"]) for event in events]


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Delay Ctrl-C until the block is over."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
