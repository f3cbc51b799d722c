"""The emulator as a child process: told apart from others on the same port, and what it sees of its user's AWS."""

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


class Somebody:
    """Something that answers health checks on a port of its own, under a name."""

    def __init__(self) -> None:
        self.edition = ""
        self.port = 0


@pytest.fixture
def somebody() -> Iterator[Somebody]:
    """It is there."""
    somebody = Somebody()

    class Health(Handler):
        def reply(self) -> None:
            self.answer(json.dumps({"edition": somebody.edition}).encode())

    with serving(Health) as url:
        somebody.port = int(url.rpartition(":")[2])
        yield somebody


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives as long as the test."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.communicate(b"\n")


def stack_at(port: int, pid: int) -> LocalStackState:
    """What is written down of a stack whose emulator should answer at this port."""
    return LocalStackState(pid, port, f"http://127.0.0.1:{port}", 0.0)


def test_its_own_name_is_recognised(tmp_path: Path, somebody: Somebody, child: subprocess.Popen[bytes]) -> None:
    """An emulator that reports this home's name is the one that was started here."""
    home = StateDir(tmp_path)
    somebody.edition = emulator.environment(home, somebody.port)["MINISTACK_EDITION"]
    emulator.wait_until_healthy(child, stack_at(somebody.port, child.pid), home)
    assert child.poll() is None


def test_another_emulator_on_the_port_is_not_taken_for_ours(
    tmp_path: Path, somebody: Somebody, child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A healthy emulator of somebody else on the same port does not count as ours."""
    somebody.edition = emulator.environment(StateDir(tmp_path / "other"), somebody.port)["MINISTACK_EDITION"]
    monkeypatch.setattr(emulator, "_START_WAIT", 0.2)
    with pytest.raises(CliError, match="does not answer"):
        emulator.wait_until_healthy(child, stack_at(somebody.port, child.pid), StateDir(tmp_path))


def test_losing_the_race_for_a_port_is_told_as_such(tmp_path: Path) -> None:
    """An emulator that ended because its port was taken meanwhile is told in the same words as a busy port."""
    home = StateDir(tmp_path)
    home.emulator_log.write_text("ERROR: 127.0.0.1:4600 is already in use. Is MiniStack already running?\n")
    home.record(LocalStackState(1, 4600, "http://localhost:4600", 0.0))
    ended = subprocess.Popen([sys.executable, "-c", "raise SystemExit(1)"])
    ended.wait()
    with pytest.raises(CliError, match="port 4600 is used by another program"):
        emulator.require_alive(ended, home)


def test_the_emulator_sees_nothing_of_the_users_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Profile, proxies and Python path of the user do not reach the emulator, hence not the functions."""
    foreign = {
        "AWS_PROFILE": "work",
        "AWS_ENDPOINT_URL": "x",
        "HTTP_PROXY": "x",
        "PYTHONPATH": "x",
        "NODE_OPTIONS": "x",
    }
    for name, value in foreign.items():
        monkeypatch.setenv(name, value)
    environment = emulator.environment(StateDir(tmp_path), 4566)
    assert not foreign.keys() & environment.keys()
    assert environment["AUTH"] == "true"
    assert environment["BIND_HOST"] == "127.0.0.1"
