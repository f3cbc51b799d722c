"""The emulator as a child process: told apart from others on the same port, and isolated from the user's settings."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.cli.errors import CliError
from infra.cli.local import emulator
from infra.cli.state_dir import LocalStackState, StateDir
from tests.support.http_server import Handler, serving


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives as long as the test."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.communicate(b"\n")


@pytest.mark.parametrize("ours", [True, False])
def test_another_emulator_on_the_port_is_recognized(
    tmp_path: Path, child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, *, ours: bool
) -> None:
    """A healthy emulator counts only if it reports the name of this state directory."""
    home = StateDir(tmp_path)
    edition = emulator.environment(home if ours else StateDir(tmp_path / "other"), 4566)["MINISTACK_EDITION"]
    monkeypatch.setattr(emulator, "_START_WAIT", 0.2)

    class Health(Handler):
        def reply(self) -> None:
            self.answer(json.dumps({"edition": edition}).encode())

    with serving(Health) as url:
        stack = LocalStackState(child.pid, 4566, url, 0.0)
        if ours:
            emulator.wait_until_healthy(child, stack, home)
        else:
            with pytest.raises(CliError, match="does not answer"):
                emulator.wait_until_healthy(child, stack, home)


def test_losing_the_race_for_a_port(tmp_path: Path) -> None:
    """If the port was taken while the emulator started, the error is that of a busy port."""
    home = StateDir(tmp_path)
    home.emulator_log.write_text("ERROR: 127.0.0.1:4600 is already in use. Is MiniStack already running?\n")
    home.record(LocalStackState(1, 4600, "http://localhost:4600", 0.0))
    ended = subprocess.Popen([sys.executable, "-c", "raise SystemExit(1)"])
    ended.wait()
    with pytest.raises(CliError, match="port 4600 is used by another program"):
        emulator.require_alive(ended, home)


def test_the_emulator_is_isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's profile, proxies and Python path do not reach the emulator, and so not the functions."""
    foreign = {"AWS_PROFILE", "AWS_ENDPOINT_URL", "HTTP_PROXY", "PYTHONPATH", "NODE_OPTIONS"}
    for name in foreign:
        monkeypatch.setenv(name, "x")
    environment = emulator.environment(StateDir(tmp_path), 4566)
    assert not foreign & environment.keys()
    assert (environment["AUTH"], environment["BIND_HOST"]) == ("true", "127.0.0.1")
