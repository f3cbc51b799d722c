"""The command line as people meet it: help, wrong usage, exit codes."""

from __future__ import annotations

import json
import shlex
import socket
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import pytest

from infra.cli import commands
from infra.cli.commands.up import explanation
from infra.cli.deployment import Outputs
from infra.cli.main import discover, main
from tests.support.deployment import GUARDED, OUTPUTS

BEARERS = [f"authorization: Bearer $(turnstile token {who})" for who in ("ada", "grace --organizer", "ada")]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of its own for each test's stack."""
    monkeypatch.setenv("TURNSTILE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("command", [name for name, _, _ in discover()])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` of every command says what it does, and ends with exit code 0."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"usage: turnstile {command}" in (text := capsys.readouterr().out)
    assert "xample" in text or "Exit code" in text


def test_the_overview_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`turnstile --help` lists every command with a line about it, and the exit codes."""
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    for name, summary, extra in discover():
        assert f"    {name}" in text
        assert summary in text
        module = import_module(f"{commands.__name__}.{name}")
        assert (module.HELP, getattr(module, "EXTRA", "cli")) == (summary, extra)
    assert "exit codes: 0 fine; 1 failed, or something remains; 2 wrong usage" in text


def test_no_command_at_all_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """`turnstile` alone prints what `--help` does, on stderr, and ends with exit code 2."""
    with pytest.raises(SystemExit):
        main(["--help"])
    asked = capsys.readouterr().out
    assert main([]) == 2
    assert capsys.readouterr() == ("", asked)


@pytest.mark.parametrize(
    "arguments", [["rise"], ["up", "--port", "0"], ["up", "--port", "http"], ["up", "--auth", "basic"]]
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage ends with exit code 2 and a sentence on stderr."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["token", "ada", "--admin"], "token"),
        (["token", "ada", "bob"], "token"),
        (["dlq", "list", "--sort"], "dlq list"),
    ],
)
def test_what_is_not_known_shows_the_usage_of_its_command(
    arguments: list[str], command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An option or argument too many is named, under the usage of the very command that does not take it."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"usage: turnstile {command} [-h]")
    assert said.endswith(f"unrecognized arguments: {arguments[-1]}\n")


@pytest.mark.parametrize(
    "command",
    [
        ["down"],
        ["status"],
        ["status", "--json"],
        ["verify"],
        ["top"],
        ["trace", "e", "u"],
        ["promote"],
        ["reconcile", "--all"],
        ["token", "ada"],
    ],
)
def test_without_a_stack_is_exit_code_3(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Commands that need a stack end with exit code 3 when there is none, a sentence on stderr, nothing on stdout."""
    assert main(command) == 3
    said = capsys.readouterr()
    assert said.err.startswith("turnstile: there is no local stack")
    assert said.out == ""


def _say(_args: object) -> int:
    print("fine")
    return 0


def _fail(error: Exception) -> NoReturn:
    raise error


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Output that cannot be written is one sentence and exit code 1, and Python says nothing more at its end."""
    monkeypatch.setattr("infra.cli.commands.status.run", _say)
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert main(["status"]) == 1
        full.flush()
    assert capsys.readouterr().err == "turnstile: No space left on device\n"


def test_a_reader_that_left_is_no_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe whose reader has left ends the command with exit code 1 and without a word."""
    monkeypatch.setattr("infra.cli.commands.status.run", lambda _args: _fail(BrokenPipeError()))
    assert main(["status"]) == 1
    assert capsys.readouterr() == ("", "")


def test_a_file_that_cannot_be_opened_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the operating system refuses is one sentence with the file's name."""
    refusal = PermissionError(13, "Permission denied", "/locked")
    monkeypatch.setattr("infra.cli.commands.status.run", lambda _args: _fail(refusal))
    assert main(["status"]) == 1
    assert capsys.readouterr().err == "turnstile: Permission denied: /locked\n"


def test_a_busy_port_is_one_sentence_and_leaves_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`up` on a port that another program uses fails with one sentence, and starts nothing."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["up", "--port", str(port)]) == 1
    expected = f"turnstile: port {port} is used by another program; choose a free one with --port\n"
    assert capsys.readouterr().err == expected
    assert {path.name for path in home.iterdir()} <= {"lock"}


@pytest.mark.parametrize("outputs", [OUTPUTS, GUARDED], ids=["none", "jwt"])
def test_the_printed_curl_lines_can_be_pasted(outputs: Outputs) -> None:
    """The three curl lines are single lines that a shell splits into a URL, headers and a JSON body."""
    api = outputs.api_url
    text = explanation(outputs, 1.0, command="turnstile", end="Ctrl-C")
    lines = [shlex.split(line) for line in text.splitlines() if line.strip().startswith("curl")]
    assert [line[3] for line in lines] == [f"{api}/users", f"{api}/events", f"{api}/events/pycon/registrations"]
    user, event, registration = (json.loads(line[line.index("-d") + 1]) for line in lines)
    assert registration["userId"] == user["userId"]
    assert event["eventId"] == "pycon"
    assert event["capacity"] > 0
    bearers = [header for line in lines for header in line if header.startswith("authorization:")]
    assert bearers == ([] if outputs is OUTPUTS else BEARERS)


def test_up_says_who_may_call() -> None:
    """Without authorization `up` says, in one line, that anybody may do anything and how to switch it on; with it,
    where tokens come from."""
    unguarded, guarded = (
        explanation(outputs, 1.0, command="turnstile", end="Ctrl-C") for outputs in (OUTPUTS, GUARDED)
    )
    (line,) = [
        line for line in unguarded.splitlines() if line.startswith("Anyone on this machine can call every route")
    ]
    assert line.endswith("turnstile up --auth jwt")
    assert "Anyone" not in guarded
    assert "turnstile token NAME [--organizer] [--operator]" in guarded
