"""Start the AWS emulator as a child process that enforces IAM and listens on this machine only."""

from __future__ import annotations

import os
import re
import socket
import sys
import time
from typing import TYPE_CHECKING

from infra.cli import http_client
from infra.cli.deployment import REGION
from infra.cli.errors import CliError
from infra.cli.hints import suggest
from infra.cli.state_dir import LocalStackState
from infra.cli.text import decisive_lines

if TYPE_CHECKING:
    import subprocess

    from infra.cli.processes import Children
    from infra.cli.state_dir import StateDir

_START_WAIT = 30.0
_BUSY = "port {port} is used by another program; choose a free one with --port"
_TAKEN = re.compile(r":(\d+) is already in use")


def check_port(port: int) -> None:
    """Raise CliError if another program on this machine listens on `port`.

    Both addresses of `localhost` count: the emulator uses the IPv4 one, but a client may try the other first.
    """
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as probe:
                busy = probe.connect_ex((address, port)) == 0
        except OSError:
            continue  # no IPv6 here
        if busy:
            raise CliError(_BUSY.format(port=port))


def environment(home: StateDir, port: int) -> dict[str, str]:
    """Return the emulator's whole environment.

    The functions inherit it, so it must not contain the user's own AWS settings, proxies or Python path.
    """
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": str(home.temporary),
        "TMPDIR": str(home.temporary),
        "STATE_DIR": str(home.temporary / "state"),
        "S3_DATA_DIR": str(home.temporary / "s3"),
        "AUTH": "true",
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "LOG_LEVEL": "INFO",
        "MINISTACK_EDITION": _name(home),
        # Unused listeners, whose fixed ports would prevent two stacks from running side by side.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }


def _name(home: StateDir) -> str:
    """Return the emulator's name in its health report, which distinguishes it from others on the same port."""
    return f"turnstile at {home.path}"


def start(home: StateDir, port: int, children: Children, lock: int) -> tuple[subprocess.Popen[bytes], LocalStackState]:
    """Start the emulator on `port`, and pass the open descriptor `lock` on to it.

    Return the process and the stack, which is now recorded in `home`. It does not answer yet: see `wait_until_healthy`.
    """
    try:
        check_port(port)
        with home.emulator_log.open("wb") as log:
            process = children.start(
                [sys.executable, "-m", "infra.cli.local.emulator_process"],
                env=environment(home, port),
                cwd=home.temporary,
                output=log,
                keep_open=(lock,),
            )
    finally:
        os.close(lock)
    stack = LocalStackState(process.pid, port, f"http://localhost:{port}", time.time())
    home.record(stack)
    return process, stack


def wait_until_healthy(process: subprocess.Popen[bytes], stack: LocalStackState, home: StateDir) -> None:
    """Wait until the emulator answers. Raises CliError if it ends, or does not answer in time."""
    deadline = time.monotonic() + _START_WAIT
    while True:
        require_alive(process, home)
        try:
            health = http_client.call("GET", f"{stack.endpoint}/_ministack/health", timeout=1)
            if health.status == 200 and health.body["edition"] == _name(home):
                return
        except http_client.UnreachableError:
            pass
        if time.monotonic() > deadline:
            raise CliError(f"the emulator does not answer after {_START_WAIT:.0f} s; see {home.emulator_log}")
        time.sleep(0.02)


def require_alive(process: subprocess.Popen[bytes], home: StateDir) -> None:
    """Raise CliError, with the decisive lines of its log, if the emulator has ended."""
    if process.poll() is None:
        return
    if not home.recorded():
        raise CliError(f"the stack was stopped by: {suggest('down')}")
    log = home.emulator_log.read_text(errors="replace")
    if taken := _TAKEN.search(log):  # by another program since `check_port`
        raise CliError(_BUSY.format(port=taken[1]))
    lines = decisive_lines(log)
    raise CliError(f"the emulator has ended (exit code {process.returncode}):\n{lines}\nlog: {home.emulator_log}")
