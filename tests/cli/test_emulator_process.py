"""The emulator runs few processes for each function, from one copy of its code, with complete log lines."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import ANY

import pytest
from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from infra.cli.local import emulator_process

HANDLER = """
def handle(event, _):
    for number in range(2):
        print(event, number)
    if event == "...":
        print("to be continued", end="")
    if event == "!":
        raise ValueError
"""


class Process:
    """A process of a function, as the emulator sees it."""

    func_name = "users"


@pytest.mark.parametrize("event", [Process(), None, "died"])
def test_a_burst_waits_for_a_few_processes(monkeypatch: pytest.MonkeyPatch, event: Process | str | None) -> None:
    """If all processes are busy, a request starts no other. It takes the first that is released or could not be
    started, and looks for itself now and then, because a process that has died is never released."""
    idle: list[Process] = []

    def lease(_: str, max_concurrency: int) -> tuple[Process | None, str]:
        assert max_concurrency == emulator_process.PROCESSES_PER_FUNCTION
        return (idle.pop(), "reused") if idle else (None, "func_cap")

    monkeypatch.setattr(emulator_process, "_acquire_worker", lease)
    monkeypatch.setattr(emulator_process, "_release_worker", lambda given: idle.append(given or Process()))
    monkeypatch.setattr(emulator_process, "_LONGEST_WAIT", 0.05 if event == "died" else 60)
    leased: list[object] = []
    request = threading.Thread(target=lambda: leased.append(emulator_process.acquire_worker("users")), daemon=True)
    request.start()
    time.sleep(0.05)
    assert leased == []
    if event == "died":
        idle.append(Process())
    else:
        emulator_process.release_worker(event)
    request.join(10)
    assert leased == [(ANY, "reused")]


def test_code_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes with the same code share one copy; other code is another copy. An incomplete copy is not used."""
    monkeypatch.setattr(emulator_process, "gettempdir", lambda: str(tmp_path))
    extract = zipfile.ZipFile._extract_member  # type: ignore[attr-defined]  # of the standard library

    def fail(archive: Any, member: Any, *where: Any) -> Any:
        if "data" in str(member):
            raise OSError("no space left")
        return extract(archive, member, *where)

    for name, text in (("first", "same"), ("second", "same"), ("third", "other")):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            archive.writestr("code.py", text)
            archive.writestr("data", "")
        (tmp_path / name).mkdir()
    with monkeypatch.context() as patch, emulator_process.SharedZip(tmp_path / "first.zip") as archive:
        patch.setattr(zipfile.ZipFile, "_extract_member", fail)
        with pytest.raises(OSError, match="no space"):
            archive.extractall(tmp_path / "first")
    for name in ("first", "second", "third"):
        with emulator_process.SharedZip(tmp_path / f"{name}.zip") as archive:
            archive.extractall(tmp_path / name)
    texts = [(tmp_path / name / "code.py").read_text() for name in ("first", "second", "third")]
    assert texts == ["same", "same", "other"]
    assert (tmp_path / "first" / "data").exists()
    assert (tmp_path / "first").resolve() == (tmp_path / "second").resolve()
    assert len(list(tmp_path.glob("code-*"))) == 2


def test_a_process_marks_the_end_of_its_lines(tmp_path: Path) -> None:
    """All lines about an event are there when the function has answered or failed, and none of the next event."""
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
    for message in (
        {"code_dir": str(tmp_path), "module": "code", "handler": "handle"},
        *({"event": payload, "ctx": {}} for payload in ("a", "...", "!")),
    ):
        print(json.dumps(message), file=stdin, flush=True)
        answers.append(json.loads(stdout.readline())["status"])
        if len(answers) > 1:
            process_of = SimpleNamespace(_stderr_queue=lines, _stderr_thread=reader)
            answers.append(emulator_process.lines_of_event(process_of))
    process.communicate()
    reader.join()
    assert answers == ["ready", "ok", "a 0\na 1", "ok", "... 0\n... 1\nto be continued", "error", "! 0\n! 1"]


def test_an_unknown_emulator_is_refused() -> None:
    """A version that runs functions in another way is refused at the start."""
    with pytest.raises(ValueError, match="in an unknown way"):
        emulator_process.program("another program")


def test_an_emulator_without_these_functions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replaced function must exist; otherwise the change would have no effect, unnoticed."""
    for owner in (lambda_runtime, lambda_svc, lambda_runtime.Worker):
        for name, value in list(vars(owner).items()):
            if not name.startswith("__"):
                monkeypatch.setattr(owner, name, value)  # so that it is restored
    emulator_process.fit()
    assert lambda_svc.acquire_worker is lambda_runtime.acquire_worker is emulator_process.acquire_worker
    assert lambda_svc.release_worker is lambda_runtime.release_worker is emulator_process.release_worker
    assert lambda_runtime.zipfile.ZipFile is emulator_process.SharedZip
    assert emulator_process._END in lambda_runtime._PYTHON_WORKER_SCRIPT
    monkeypatch.delattr(lambda_runtime.Worker, "_drain_stderr_bounded")
    with pytest.raises(AttributeError, match="_drain_stderr_bounded"):
        emulator_process.fit()


@pytest.mark.parametrize(
    ("written", "text"), [(("late", emulator_process._END), "late"), (("last words",), "last words")]
)
def test_late_lines_are_waited_for(written: tuple[str, ...], text: str) -> None:
    """On a busy machine a line or the mark may come late. A dead process prints no mark: nothing is waited for."""
    lines = queue.Queue[str]()

    def write() -> None:
        for line in written:
            lines.put(line)

    late = threading.Timer(0.3, write)
    late.start()
    process = SimpleNamespace(_stderr_queue=lines, _stderr_thread=late)
    assert emulator_process.lines_of_event(process) == text
    assert not late.is_alive()
