"""Where the parts of the benchmark run: AWS's DynamoDB Local and the local stack, each started when first asked for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import boto3

from infra.cli.deployment import Outputs
from infra.cli.local.emulator import REGION
from tests.support.dynamodb_local import dynamodb_local

_PORTS = range(4640, 4660)
_NO_STACK = 3
"""What `turnstile down` ends with when there is nothing to end."""


class BenchError(Exception):
    """The benchmark cannot go on; the message is for the person at the terminal."""


class Setting:
    """What a part may use. `say` tells the person at the terminal what goes on; `runs` is how often to repeat; `auth`
    is that of `turnstile up`."""

    def __init__(self, say: Callable[[str], None], runs: int = 5, auth: str = "none") -> None:
        self.say = say
        self.runs = runs
        self._auth = auth
        self._running = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends what was started. A Ctrl-C meanwhile waits until that is done."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            self._running.close()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    @cached_property
    def session(self) -> boto3.Session:
        """A session with keys that only emulators take."""
        return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)

    @cached_property
    def dynamodb_url(self) -> str:
        """The address of a DynamoDB Local of its own, in memory, compiled to the last."""
        self.say("starting DynamoDB Local")
        return self._running.enter_context(dynamodb_local(thorough=True))

    @cached_property
    def stack(self) -> Outputs:
        """The local stack, brought up for the benchmark alone."""
        self.say("bringing up the local stack")
        home = self._running.enter_context(tempfile.TemporaryDirectory(prefix="turnstile-bench-"))
        self._running.callback(self._down, home)
        for port in _PORTS:
            started = _turnstile(home, "up", "--detach", "--port", str(port), "--auth", self._auth)
            if "is used by another program" not in started.stderr:
                break
        if started.returncode != 0:
            raise BenchError(f"the local stack did not start:\n{started.stdout}{started.stderr}")
        return Outputs.from_json(json.loads(_turnstile(home, "status", "--json").stdout))

    def _down(self, home: str) -> None:
        ended = _turnstile(home, "down")
        if ended.returncode not in {0, _NO_STACK}:  # no reason to lose what was measured
            self.say(f"the local stack could not be ended: {ended.stderr.strip()}")


def _turnstile(home: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).parent / "turnstile"
    environment = os.environ | {"TURNSTILE_HOME": home}
    # A Ctrl-C at the terminal goes to everybody there. It has to end what is coming up, and not what ends it.
    apart = arguments == ("down",)
    return subprocess.run(
        [command, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        start_new_session=apart,
    )
