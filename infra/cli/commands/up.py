"""`turnstile up`: run the whole stack on this machine."""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from infra.cli import http_client
from infra.cli.deployment import LOCAL, REGION, Deployment, emulator_clients
from infra.cli.errors import CliError
from infra.cli.hints import suggest
from infra.cli.local import emulator
from infra.cli.local.assembly import Cdk, bootstrap, check_tools
from infra.cli.local.steps import step
from infra.cli.processes import Children, Interrupts
from infra.cli.state_dir import StateDir
from infra.cli.user_pool import UserPoolClient

if TYPE_CHECKING:
    import subprocess

    from infra.cli.deployment import Outputs
    from infra.cli.state_dir import LocalStackState

EXTRA = "local"
HELP = "start the stack on this machine"
DESCRIPTION = """\
Start the whole stack on this machine: an AWS emulator that enforces IAM, into which the CDK deploys the
same stack as to AWS. Nothing leaves the machine, and nothing listens on other interfaces.

examples:
  turnstile up                 stay in the foreground; Ctrl-C stops the stack
  turnstile up --detach        return when the first request has succeeded
  turnstile up --port 4600     when port 4566 is taken
  turnstile up --auth jwt      with authorization, as on AWS; `turnstile token` issues tokens

State and logs are in .turnstile/ (see TURNSTILE_HOME in `turnstile --help`)."""

EXPLANATION = """
Turnstile is up after {seconds:.1f} s:  {api}

{access}

Paste these commands to create a user and an event, and to register the user:

  curl -w '\\n' {api}/users{ada} -H 'content-type: application/json' -d '{{"userId": "ada", "name": "Ada Lovelace"}}'
  curl -w '\\n' {api}/events{grace} -H 'content-type: application/json' -d '{{"eventId": "pycon", "title": "PyCon", \
"date": "2030-05-17", "location": "Berlin", "organizer": "PSF", "capacity": 1, "hasWaitlist": true}}'
  curl -w '\\n' {api}/events/pycon/registrations{ada} -H 'content-type: application/json' -H 'prefer: wait=10' \
-d '{{"userId": "ada"}}'

Try every route in the browser (API reference):  {docs}

Check it:  {command} verify
Stop it:   {end}"""
"""The text that `up` prints at the end. Each curl command is one line."""

OPEN = """\
Anyone on this machine can call every route without a token. To require tokens: {command} up --auth jwt"""
GUARDED = "Callers need a token. To get one for any user: {command} token NAME [--organizer] [--operator]"
_BEARER = """ -H "authorization: Bearer $({command} token {who})\""""
_CONTEXT = {"none": "none", "jwt": "cognito"}  # from `--auth` to the CDK's context

_WARM_UP_USER = "warm-up"  # in the user pool until the functions are warm
_REQUEST_WAIT = 20.0
_WARM_WAIT = 60.0  # all functions start at once, on a machine that may be busy with other things
_WATCH_INTERVAL = 0.25
_EXIT_WAIT = 0.2  # seconds; a connection may break a moment before its process has ended


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--port", type=_port, default=4566, help="port of the emulator (default: 4566)")
    parser.add_argument("--detach", action="store_true", help="return and leave the stack running")
    parser.add_argument(
        "--auth",
        choices=("jwt", "none"),
        default="none",
        help="who may call the API: anyone on this machine (none, the default), or callers with a token (jwt)",
    )


def _port(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port number (1 to 65535)")


def run(args: argparse.Namespace) -> int:
    """Start the stack. Unless it is detached, nothing of it outlives this call."""
    check_tools()
    home = StateDir()
    with Interrupts() as interrupts:
        lock = home.acquire()
        try:
            with Children(interrupts) as children:
                return _start(home, args, children, lock)
        except KeyboardInterrupt:
            raise CliError("interrupted before the stack was up; nothing is left running") from None
        finally:
            with interrupts.hold():
                home.clear_if_dead()


def _start(home: StateDir, args: argparse.Namespace, children: Children, lock: int) -> int:
    began = time.monotonic()
    print("Starting Turnstile on this machine", flush=True)
    with step("emulator, with IAM enforced"):
        process, stack = emulator.start(home, args.port, children, lock)
        cdk = Cdk(home, stack.endpoint, children, auth=_CONTEXT[args.auth])
        cdk.begin_synthesis()  # takes longest if something changed, so it runs while the emulator starts
        emulator.wait_until_healthy(process, stack, home)
    try:
        outputs = _deploy(cdk, stack, home)
    except (CliError, BotoCoreError, ClientError) as error:
        with suppress(TimeoutExpired):
            process.wait(_EXIT_WAIT)
        emulator.require_alive(process, home)  # if it has ended, that is the cause
        raise CliError(str(error)) from error
    home.mark_ready()
    _explain(outputs, time.monotonic() - began, detached=args.detach)
    if args.detach:
        children.release(process)
        return 0
    return _watch(process, home)


def _deploy(cdk: Cdk, stack: LocalStackState, home: StateDir) -> Outputs:
    """Deploy the stack into the emulator, and return its outputs when the API has answered a request."""
    clients = emulator_clients(stack.endpoint)
    with step("CDK bootstrap"):
        bootstrap(clients)
    with step(
        "synthesis and Lambda bundles" if cdk.synthesizing else "synthesis (unchanged, so the last one is reused)"
    ):
        cdk.finish_synthesis()
    with step("deployment"):
        cdk.deploy()
    with step("first request"):
        deployment = Deployment.of(LOCAL, clients, stack.endpoint, REGION)
        _wait_for_request(deployment.outputs.api_url, home)
    with step("warm functions"):
        _warm(deployment)
    return deployment.outputs


def _wait_for_request(api_url: str, home: StateDir) -> None:
    """Wait until the API lists events: then gateway, function, permissions and table work together."""
    deadline = time.monotonic() + _REQUEST_WAIT
    while True:
        try:
            answer = http_client.call("GET", f"{api_url}/events")
        except http_client.UnreachableError as error:
            last = str(error)
        else:
            if answer.status == 200:
                return
            last = f"GET {api_url}/events answers {answer.status}: {str(answer.body)[:500]}"
        if time.monotonic() > deadline:
            raise CliError(f"the stack is deployed but does not answer requests: {last}\nlog: {home.emulator_log}")
        time.sleep(0.2)


def _warm(deployment: Deployment) -> None:
    """Start every function, so that the first registration is answered with its outcome instead of "pending"."""
    api_url, invoke = deployment.outputs.api_url, deployment.clients.functions.invoke
    pool = UserPoolClient(deployment.clients, deployment.outputs) if deployment.outputs.user_pool_id else None
    token = pool.sign_in(_WARM_UP_USER).access if pool else None
    workers = [r for r in deployment.resources if r["LogicalResourceId"].startswith("Workers")]
    names = [r["PhysicalResourceId"] for r in workers if r["ResourceType"] == "AWS::Lambda::Function"]
    with ThreadPoolExecutor() as threads:
        paths = ("/users/-", "/events/-/registrations/-")
        calls = [
            threads.submit(http_client.call, "GET", api_url + path, token=token, timeout=_WARM_WAIT) for path in paths
        ]
        invocations = [threads.submit(invoke, FunctionName=name, Payload=b'{"Records": []}') for name in names]
    for call in calls:
        call.result()
    for invocation in invocations:
        invocation.result()
    if pool:
        pool.remove(_WARM_UP_USER)


def _watch(process: subprocess.Popen[bytes], home: StateDir) -> int:
    """Wait until the stack is stopped. Raises CliError if it ends by itself."""
    try:
        while True:
            time.sleep(_WATCH_INTERVAL)
            if process.poll() is not None and not home.recorded():
                print(f"The stack was stopped by: {suggest('down')}")
                return 0
            emulator.require_alive(process, home)
    except KeyboardInterrupt:
        print("\nStopping the stack")
        return 0


def _explain(outputs: Outputs, seconds: float, *, detached: bool) -> None:
    end = suggest("down") if detached else f"Ctrl-C, or in another terminal: {suggest('down')}"
    print(explanation(outputs, seconds, command=suggest(""), end=end), flush=True)


def explanation(outputs: Outputs, seconds: float, *, command: str, end: str) -> str:
    """Explain how to call the running stack.

    `command` is this command as it can be pasted, and `end` says how to stop the stack.
    """
    guarded = outputs.user_pool_id is not None
    return EXPLANATION.format(
        seconds=seconds,
        api=outputs.api_url,
        docs=outputs.docs_url,
        access=(GUARDED if guarded else OPEN).format(command=command),
        ada=_BEARER.format(command=command, who="ada") if guarded else "",
        grace=_BEARER.format(command=command, who="grace --organizer") if guarded else "",
        end=end,
        command=command,
    )
