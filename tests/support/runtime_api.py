"""Lambda as a function sees it: AWS's own runtime client loads the bundle and asks a Runtime API for events.

The API is that of https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html, on a free port of this machine. A
function has one process, which lives from event to event; it is killed when an event takes longer than the timeout,
and the next event starts another one.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from tests.support.http_server import Handler, serving

_VERSION = "/2018-06-01/runtime/"
_CLIENT = ("awslambdaric", "simplejson", "snapshot-restore-py")
"""The distributions that are the runtime client. On AWS they are in /var/runtime, beside an SDK that is not used."""
_INIT_TIMEOUT = 30.0
"""Seconds to load a function. Lambda allows 10; a test machine may be busy."""

Kind = Literal["ready", "response", "error", "init/error", "timeout", "exit"]


@dataclass(frozen=True, slots=True)
class InvocationOutcome:
    """The outcome of an invocation: the process answered, reported an error, ran out of time or ended by itself."""

    kind: Kind
    body: Any = None


@dataclass(slots=True)
class Function:
    """One function: `handler` from `bundle`, with the environment variables `settings`, killed after `timeout` seconds.

    Its log, as Lambda would send it to CloudWatch, is appended to the file `log`. `starts` counts its processes.
    """

    bundle: Path
    handler: str
    settings: Mapping[str, str]
    log: Path
    timeout: float = 30.0
    starts: int = 0
    _running: ExitStack = field(default_factory=ExitStack)
    _process: _Process | None = None

    def invoke(self, event: Any, timeout: float | None = None) -> InvocationOutcome:
        """Hand one event over. A process that did not survive it is replaced at the next call."""
        timeout = self.timeout if timeout is None else timeout
        if self._process is None:
            self.starts += 1
            self._process = self._running.enter_context(_started(self))
        outcome = self._process.invoke(json.dumps(event).encode(), timeout)
        if outcome.kind not in {"response", "error"}:
            self.close()
        return outcome

    def close(self) -> None:
        """Kill the process, if there is one."""
        self._process = None
        self._running.close()


class _Process:
    """A process of a function, and the Runtime API that it talks to."""

    def __init__(self) -> None:
        self.events: queue.SimpleQueue[tuple[dict[str, str], bytes] | None] = queue.SimpleQueue()
        self.said: queue.SimpleQueue[InvocationOutcome] = queue.SimpleQueue()
        self.popen: subprocess.Popen[bytes] | None = None

    def invoke(self, event: bytes, timeout: float) -> InvocationOutcome:
        """Wait until it asks for an event, hand this one over, and wait for its outcome."""
        state = self._hear(_INIT_TIMEOUT)
        if state.kind != "ready":
            return state
        headers = {
            "Lambda-Runtime-Aws-Request-Id": str(uuid4()),
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + timeout) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:111122223333:function:f",
            "Lambda-Runtime-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0",
        }
        self.events.put((headers, event))
        return self._hear(timeout)

    def _hear(self, timeout: float) -> InvocationOutcome:
        assert self.popen is not None
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            try:
                return self.said.get(timeout=0.05)
            except queue.Empty:
                if self.popen.poll() is not None and self.said.empty():
                    return InvocationOutcome("exit")
        return InvocationOutcome("timeout")


class _RuntimeApi(Handler):
    """The Runtime API of one process."""

    def __init__(self, process: _Process, *request: Any) -> None:
        self._process = process
        super().__init__(*request)

    def reply(self) -> None:
        """GET next, or POST the outcome of an invocation or of the start."""
        path = self.path.removeprefix(_VERSION)
        if path == "invocation/next":
            self._next()
            return
        kind: Any = path if path == "init/error" else path.rpartition("/")[2]
        assert kind in {"init/error", "response", "error"}, self.path
        outcome = InvocationOutcome(kind, json.loads(self.content()))
        self.answer(b'{"status":"OK"}', 202)
        self._process.said.put(outcome)

    def _next(self) -> None:
        self._process.said.put(InvocationOutcome("ready"))
        if (event := self._process.events.get()) is None:
            return
        headers, body = event
        self.answer(body, headers=headers)


@contextmanager
def _started(function: Function) -> Iterator[_Process]:
    process = _Process()
    with serving(partial(_RuntimeApi, process)) as url, function.log.open("ab") as log, ExitStack() as last:
        last.callback(process.events.put, None)  # whoever still waits for an event
        process.popen = subprocess.Popen(
            # Without this machine's packages: on AWS there are those of the bundle and of the runtime.
            [sys.executable, "-S", "-m", "awslambdaric", function.handler],
            cwd=function.bundle,
            env=_environment(function, url),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            process.popen.kill()
            process.popen.wait()


def _environment(function: Function, url: str) -> dict[str, str]:
    """The variables that Lambda sets (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html), then
    the settings."""
    loader = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}  # of this machine's Python
    return loader | {
        "_HANDLER": function.handler,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0123456789abcdef",
        "AWS_LAMBDA_LOG_FORMAT": "Text",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SESSION_TOKEN": "test",
        "AWS_LAMBDA_RUNTIME_API": url.removeprefix("http://"),
        "LAMBDA_TASK_ROOT": str(function.bundle),
        "LAMBDA_RUNTIME_DIR": str(function.log.parent),
        "LANG": "en_US.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": str(function.log.parent),
        "TZ": ":UTC",
        **function.settings,
    }


def install_client(directory: Path) -> None:
    """Put the runtime client, and nothing else, into a directory."""
    for name in _CLIENT:
        found = distribution(name)
        for top in {file.parts[0] for file in found.files or ()} - {".."}:
            (directory / top).symlink_to(Path(str(found.locate_file(top))))
