"""The emulator as a child process: told apart from others on the same port, and bounded in what it starts."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from ministack.core import lambda_runtime

from infra.cli import emulator, emulator_process
from infra.cli.errors import CliError
from infra.cli.home import Home, LocalStack


class Health(BaseHTTPRequestHandler):
    """Answers as an emulator does, under the name that the server has."""

    def do_GET(self) -> None:
        """One health report."""
        body = json.dumps({"edition": getattr(self.server, "edition", "")}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the tests' output is not a log."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """Something that answers health checks on a port of its own."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Health) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield http
        http.shutdown()


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives as long as the test."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.communicate(b"\n")


def stack_at(server: ThreadingHTTPServer, pid: int) -> LocalStack:
    """What is written down of a stack whose emulator should answer at the server's port."""
    return LocalStack(pid, server.server_port, f"http://127.0.0.1:{server.server_port}", 0.0)


def test_its_own_name_is_recognised(
    tmp_path: Path, server: ThreadingHTTPServer, child: subprocess.Popen[bytes]
) -> None:
    """An emulator that reports this home's name is the one that was started here."""
    home = Home(tmp_path)
    vars(server)["edition"] = emulator.environment(home, server.server_port)["MINISTACK_EDITION"]
    emulator.wait_until_healthy(child, stack_at(server, child.pid), home)
    assert child.poll() is None


def test_another_emulator_on_the_port_is_not_taken_for_ours(
    tmp_path: Path, server: ThreadingHTTPServer, child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A healthy emulator of somebody else on the same port does not count as ours."""
    vars(server)["edition"] = emulator.environment(Home(tmp_path / "other"), server.server_port)["MINISTACK_EDITION"]
    monkeypatch.setattr(emulator, "_START_WAIT", 0.2)
    with pytest.raises(CliError, match="does not answer"):
        emulator.wait_until_healthy(child, stack_at(server, child.pid), Home(tmp_path))


def test_losing_the_race_for_a_port_is_told_as_such(tmp_path: Path) -> None:
    """An emulator that ended because its port was taken meanwhile is told in the same words as a busy port."""
    home = Home(tmp_path)
    home.emulator_log.write_text("ERROR: 127.0.0.1:4600 is already in use. Is MiniStack already running?\n")
    home.record(LocalStack(1, 4600, "http://localhost:4600", 0.0))
    ended = subprocess.Popen([sys.executable, "-c", "raise SystemExit(1)"])
    ended.wait()
    with pytest.raises(CliError, match="port 4600 is used by another program"):
        emulator.require_alive(ended, home)


class Process:
    """A process of a function, as the emulator knows it."""

    func_name = "users"


def test_a_burst_waits_for_a_few_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """When all processes of a function are busy, a request waits until one is given back, and starts no other."""
    idle: list[Process] = []
    asked: list[dict[str, object]] = []

    def lease(_: str, **options: object) -> tuple[Process | None, str]:
        asked.append(options)
        return (idle.pop(), "reused") if idle else (None, "func_cap")

    monkeypatch.setattr(emulator_process, "_acquire_worker", lease)
    monkeypatch.setattr(emulator_process, "_release_worker", idle.append)
    leased: list[object] = []
    request = threading.Thread(target=lambda: leased.append(emulator_process.acquire_worker("users")))
    request.start()
    process = Process()
    emulator_process.release_worker(process)
    request.join(10)
    assert leased == [(process, "reused")]
    assert asked[0] == {"max_concurrency": emulator_process.PROCESSES_PER_FUNCTION}


def test_code_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that run the same code share one copy of it; other code is another copy."""
    monkeypatch.setattr(emulator_process, "gettempdir", lambda: str(tmp_path))
    for name, text in (("first", "same"), ("second", "same"), ("third", "other")):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            archive.writestr("code.py", text)
        (tmp_path / name).mkdir()
        with emulator_process.SharedZip(tmp_path / f"{name}.zip") as archive:
            archive.extractall(tmp_path / name)
    assert [(tmp_path / name / "code.py").read_text() for name in ("first", "second", "third")] == [
        "same",
        "same",
        "other",
    ]
    assert (tmp_path / "first").resolve() == (tmp_path / "second").resolve()
    assert len(list(tmp_path.glob("code-*"))) == 2


def test_a_process_says_when_its_lines_are_complete(tmp_path: Path) -> None:
    """All that a function writes about an event is there when it has answered or failed, and nothing of the next."""
    (tmp_path / "code.py").write_text(HANDLER)
    script = emulator_process.program(lambda_runtime._PYTHON_WORKER_SCRIPT)
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", script], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    assert stdin is not None
    assert stdout is not None
    lines = queue.Queue[str]()

    def read() -> None:
        for line in stderr or ():
            lines.put(line.rstrip("\n"))

    reader = threading.Thread(target=read)
    reader.start()
    answers = []
    for message in ({"code_dir": str(tmp_path), "module": "code", "handler": "handle"}, *map(event, ("a", "b", "!"))):
        print(json.dumps(message), file=stdin, flush=True)
        answers.append(json.loads(stdout.readline())["status"])
        if len(answers) > 1:
            answers.append(emulator_process.lines_of_event(SimpleNamespace(_stderr_queue=lines)))
    process.communicate()
    reader.join()
    assert answers == ["ready", "ok", "a 0\na 1", "ok", "b 0\nb 1", "error", "! 0\n! 1"]


HANDLER = """
def handle(event, _):
    for number in range(2):
        print(event, number)
    if event == "!":
        raise ValueError
"""


def event(payload: str) -> dict[str, object]:
    """What the emulator tells a process to handle."""
    return {"event": payload, "ctx": {}}


def test_an_unknown_emulator_is_refused() -> None:
    """A version that runs functions otherwise is found out at the start, not by its waits."""
    with pytest.raises(ValueError, match="not known here"):
        emulator_process.program("another program")


def test_a_dead_process_has_said_all_that_it_will(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the mark, what is there is taken after a moment."""
    monkeypatch.setattr(emulator_process, "_LONGEST_WAIT_FOR_LINES", 0.05)
    lines = queue.Queue[str]()
    lines.put("last words")
    assert emulator_process.lines_of_event(SimpleNamespace(_stderr_queue=lines)) == "last words"
