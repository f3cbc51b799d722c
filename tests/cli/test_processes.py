"""Nothing that the command line starts outlives it by accident."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from infra.cli.errors import CliError, NoStackError
from infra.cli.processes import Children, Interrupts
from infra.cli.state_dir import LocalStackState, StateDir
from tests.support.http_server import free_port

pytestmark = pytest.mark.usefixtures("handlers_kept")

OWNER = """
import os, pathlib, signal, sys
from infra.cli.processes import Children, Interrupts
with Interrupts() as interrupts, Children(interrupts) as children, open("log", "wb") as log:
    child = children.start([sys.executable, "-c", sys.argv[1]], env=os.environ, cwd=pathlib.Path.cwd(), output=log)
    while not pathlib.Path("ready").exists():
        pass
    if sys.argv[2] == "release":
        children.release(child)
    os.kill(os.getpid(), signal.SIGKILL)
"""
PARENT_OF_A_CHILD = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path("ready").write_text(str(child.pid))
time.sleep(60)
"""


def _wait_for(path: Path) -> str:
    deadline = time.monotonic() + 10
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline, f"{path} does not appear"
        time.sleep(0.01)
    return path.read_text()


def _ends(pid: int) -> bool:
    """Return whether the process ends within two seconds. A zombie counts as ended."""
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        with suppress(OSError):  # in a container nobody may ever collect it
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        time.sleep(0.01)
    return False


def _start(children: Children, tmp_path: Path, keep_open: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", PARENT_OF_A_CHILD]
    with (tmp_path / "log").open("wb") as log:
        return children.start(command, env=os.environ, cwd=tmp_path, output=log, keep_open=keep_open)


def test_children_and_their_children_end_with_the_command(tmp_path: Path) -> None:
    """At the end of the block a child is ended together with the processes it started."""
    with Interrupts() as interrupts, Children(interrupts) as children:
        child = _start(children, tmp_path)
        grandchild = int(_wait_for(tmp_path / "ready"))
    assert child.returncode == -signal.SIGKILL
    assert _ends(grandchild)


@pytest.mark.parametrize("kept", [False, True])
def test_children_end_with_a_command_that_is_killed(tmp_path: Path, *, kept: bool) -> None:
    """If the command gets a SIGKILL, its children and theirs end within moments, unless they were released."""
    command = [sys.executable, "-c", OWNER, PARENT_OF_A_CHILD, "release" if kept else "keep"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run(command, cwd=tmp_path, env=environment, timeout=20, check=False)
    grandchild = int(_wait_for(tmp_path / "ready"))
    try:
        assert _ends(grandchild) is not kept
    finally:
        if kept:
            os.killpg(os.getpgid(grandchild), signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_waits_for_the_end_of_a_hold(number: signal.Signals) -> None:
    """A signal that arrives inside a hold interrupts at its end, not within."""
    reached = False

    def interrupted() -> None:
        nonlocal reached
        with Interrupts() as interrupts, interrupts.hold():
            signal.raise_signal(number)
            reached = True

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert reached


class _Interrupted:
    """Something whose end is just the moment at which somebody presses Ctrl-C."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def test_a_signal_inside_a_destructor_is_not_lost() -> None:
    """Python throws away what a destructor raises; the interrupt comes once more, right behind it, and only once."""
    interrupted = 0
    with Interrupts():
        try:
            _Interrupted()
            time.sleep(5)
        except KeyboardInterrupt:
            interrupted += 1
        time.sleep(0.01)
    assert interrupted == 1


def test_a_second_signal_does_not_disturb_the_clean_up() -> None:
    """After the first interrupt, further signals are ignored."""
    cleaned = False
    with suppress(KeyboardInterrupt), Interrupts():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
            cleaned = True
    signal.raise_signal(signal.SIGTERM)
    assert cleaned


def test_a_home_takes_one_stack(tmp_path: Path) -> None:
    """While a stack lives, another `up` with the same home is refused with the address of the first."""
    home = StateDir(tmp_path / "home")
    lock = home.acquire()
    home.record(LocalStackState(os.getpid(), 4566, "http://localhost:4566", 0))
    with pytest.raises(CliError, match="already running at http://localhost:4566"):
        StateDir(tmp_path / "home").acquire()
    os.close(lock)
    os.close(StateDir(tmp_path / "home").acquire())


def test_down_ends_the_whole_stack_and_clears_up(tmp_path: Path) -> None:
    """`end` ends the recorded process with all it started, and leaves only logs behind."""
    home = StateDir(tmp_path / "home")
    lock = home.acquire()
    with Interrupts() as interrupts, Children(interrupts) as children:
        child = _start(children, tmp_path, keep_open=(lock,))
        os.close(lock)
        home.record(LocalStackState(child.pid, 4566, "http://localhost:4566", 0))
        with pytest.raises(NoStackError, match="still starting"):
            home.ready()
        home.mark_ready()
        assert home.ready().port == 4566
        grandchild = int(_wait_for(tmp_path / "ready"))
        assert StateDir(tmp_path / "home").end().pid == child.pid
        assert _ends(grandchild)
    assert [path.name for path in home.path.iterdir()] == ["lock"]


def test_a_dead_stacks_process_id_is_never_used(tmp_path: Path) -> None:
    """When the stack has died, its recorded process id is taken for nothing: it may belong to somebody else by now."""
    home = StateDir(tmp_path / "home")
    os.close(home.acquire())
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True) as bystander:
        home.record(LocalStackState(bystander.pid, 4566, "http://localhost:4566", 0, ready=True))
        with pytest.raises(NoStackError):
            home.ready()
        with pytest.raises(NoStackError):
            home.end()
        assert bystander.poll() is None
        bystander.kill()


@pytest.mark.e2e
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_up_leaves_nothing_running(number: signal.Signals, tmp_path: Path) -> None:
    """`up` interrupted while it starts ends everything, says so, and ends with exit code 1."""
    home = tmp_path / "home"
    command = [str(Path(sys.executable).parent / "turnstile"), "up", "--port", str(free_port())]
    environment = os.environ | {"TURNSTILE_HOME": str(home)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as up:
        emulator = json.loads(_wait_for(home / "state.json"))["pid"]
        up.send_signal(number)
        _, errors = up.communicate(timeout=10)
    assert up.returncode == 1, errors
    assert b"nothing is left running" in errors
    assert _ends(emulator)
    assert not (home / "state.json").exists()
    assert not (home / "tmp").exists()
