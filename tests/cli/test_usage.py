"""The command line as a whole: help, wrong usage, exit codes, and the text that `up` prints."""

from __future__ import annotations

import json
import shlex
import socket
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from botocore.exceptions import ClientError

from infra.cli import commands
from infra.cli.commands.up import explanation
from infra.cli.deployment import Deployment, Outputs
from infra.cli.main import discover
from tests.cli.command import Turnstile
from tests.support.deployment import GUARDED, OUTPUTS, deployment_of
from workers.domain.records import registration_id

ADA = registration_id("pycon", "ada")
BEARERS = [f"authorization: Bearer $(turnstile token {user})" for user in ("ada", "grace --organizer", "ada")]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state directory of each test."""
    monkeypatch.setenv("TURNSTILE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("command", [name for name, _, _ in discover()])
def test_every_command_explains_itself(command: str, turnstile: Turnstile) -> None:
    """`--help` of every command describes it with an example, and ends with exit code 0."""
    code, out, _ = turnstile(command, "--help")
    assert (code, f"usage: turnstile {command}" in out, "xample" in out) == (0, True, True)


def test_the_overview_lists_every_command(turnstile: Turnstile) -> None:
    """`turnstile --help` lists every command with a line about it, and the exit codes."""
    text = turnstile("--help").out
    for name, summary, extra in discover():
        assert f"    {name}" in text
        assert summary in text
        module = import_module(f"{commands.__name__}.{name}")
        assert (module.HELP, getattr(module, "EXTRA", "cli")) == (summary, extra)
    assert "exit codes: 0 success; 1 failure, or something remains; 2 wrong usage" in text


def test_no_command_at_all_prints_the_help(turnstile: Turnstile) -> None:
    """`turnstile` alone prints the text of `--help` on stderr, and ends with exit code 2."""
    assert turnstile() == (2, "", turnstile("--help").out)


@pytest.mark.parametrize(
    ("arguments", "usage", "complaint"),
    [
        (["rise"], "", "error: "),
        (["up", "--port", "0"], "up", "error: "),
        (["up", "--port", "http"], "up", "error: "),
        (["up", "--auth", "basic"], "up", "error: "),
        (["token", "ada", "--admin"], "token", "unrecognized arguments: --admin\n"),
        (["token", "ada", "bob"], "token", "unrecognized arguments: bob\n"),
        (["dlq", "list", "--sort"], "dlq list", "unrecognized arguments: --sort\n"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], usage: str, complaint: str, turnstile: Turnstile) -> None:
    """Wrong usage is exit code 2, with a sentence under the usage of the command that refuses it."""
    code, _, err = turnstile(*arguments)
    assert (code, complaint in err) == (2, True)
    assert err.startswith(f"usage: turnstile {usage}".rstrip() + " [-h]")


NO_EVENT = "choose what to check: one EVENT_ID, or --all for every event"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        *((["top", f"--interval={value}"], "--interval") for value in ("0", "-1", "nan", "often", "1e9")),
        *(
            (["token", "--", name], f"{name!r} is not a valid name")  # the pool would refuse it, or a shell change it
            for name in ("", "-ada", "ada@example.com", "ada lovelace", "ada\n", "ädä", "a" * 51)
        ),
        *((["trace", ADA, "--since", wrong], f"--since {wrong} is not valid: use 30m") for wrong in ("soon", "7w")),
        *((["trace", ADA, "--since", early], f"{early} is before 1970") for early in ("999999d", "1969-12-31")),
        *((["reconcile", *wrong], NO_EVENT) for wrong in ([], ["e", "--all"], [""], ["--repair"])),
        (["promote", "--event", ""], "--event is empty; omit it to request promotions for every event"),
        (["preflight"], "preflight is for stages on AWS: use --stage dev or --stage prod"),
        (["preflight", "--stage", "prod", "-c", "reserve"], "-c reserve: use -c NAME=VALUE"),
        (["verify", "--stage", "prod", "--tokens", "/nowhere"], "--tokens /nowhere cannot be read: No such file"),
        (["dlq", "discard", "abcdef", "--why", "  "], "--why is empty"),
        *(
            (["dlq", command, "--why=it"][: 3 if command == "discard" else 2] + selection, complaint)
            for command in ("replay", "discard")
            for selection, complaint in (
                ([], "--all for everything"),
                (["--all", "--event", "e1"], "--all and --event exclude each other"),
            )
        ),
        *(
            (["dlq", "replay", "--all", f"--rate={rate}"], f"--rate {rate} must be")
            for rate in ("0", "-1", "nan", "inf", "x")
        ),
    ],
)
def test_an_unusable_argument_is_exit_code_2(arguments: list[str], complaint: str, turnstile: Turnstile) -> None:
    """A value that makes no sense is wrong usage before anything is asked, with a sentence that says what to do."""
    code, out, err = turnstile(*arguments)
    assert (code, out, complaint in err) == (2, "", True)


@pytest.mark.parametrize(
    "command",
    ["down", "status", "status --json", "verify", "top", "trace e u", "promote", "reconcile --all", "token ada"],
)
def test_without_a_stack_is_exit_code_3(command: str, turnstile: Turnstile) -> None:
    """Commands that need a stack end with exit code 3 without one, with a sentence on stderr."""
    code, out, err = turnstile(*command.split())
    assert (code, out, err.startswith("turnstile: there is no local stack")) == (3, "", True)


class RefusingClient:
    """A client of AWS to which every request is denied."""

    exceptions = SimpleNamespace(UsernameExistsException=KeyError)

    def __getattr__(self, operation: str) -> Callable[..., NoReturn]:
        """Return an operation that AWS refuses."""

        def refuse(*_: object, **__: object) -> NoReturn:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not today"}}, operation)

        return refuse


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        *(
            (command, "an AWS request failed: ")
            for command in ("dlq list", "dlq show abcdef", "dlq discard abcdef --why it", "reconcile e")
        ),
        *((f"trace {which}", f"cannot read the history of {ADA}: ") for which in (ADA, "pycon ada")),
        ("promote", "not all promotions could be requested: "),
        ("token ada", "cannot sign ada in: "),
    ],
)
def test_a_refusal_by_aws_is_one_sentence(
    command: str, sentence: str, turnstile: Turnstile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal by AWS is one sentence with its reason and exit code 1, not a traceback."""
    client: Any = RefusingClient()
    deployment = deployment_of(client, sqs=client, dynamodb=client, cognito=client)
    deployment.outputs = GUARDED
    monkeypatch.setattr(Deployment, "resolve", lambda *_: deployment)
    code, out, err = turnstile(*command.split())
    assert (code, out, err.startswith(f"turnstile: {sentence}An error occurred (AccessDenied")) == (1, "", True)
    assert err.count("\n") == 1


def test_a_stack_without_a_pool(turnstile: Turnstile, monkeypatch: pytest.MonkeyPatch) -> None:
    """`token` says how to start a stack with a user pool."""
    monkeypatch.setattr(Deployment, "resolve", deployment_of)
    code, out, err = turnstile("token", "ada")
    assert (code, out, err.endswith("turnstile up --auth jwt\n")) == (1, "", True)
    assert err.startswith("turnstile: the local stack has no user pool")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_one_sentence(monkeypatch: pytest.MonkeyPatch, turnstile: Turnstile) -> None:
    """Output that cannot be written is one sentence and exit code 1, and Python prints nothing else at its end."""

    def say(_args: object) -> int:
        print("fine")
        return 0

    monkeypatch.setattr("infra.cli.commands.status.run", say)
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        code, _, err = turnstile("status")
        full.flush()
    assert (code, err) == (1, "turnstile: No space left on device\n")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (BrokenPipeError(), ""),  # the reader of a pipe has left
        (PermissionError(13, "Permission denied", "/locked"), "turnstile: Permission denied: /locked\n"),
    ],
)
def test_an_error_of_the_operating_system(
    error: OSError, sentence: str, monkeypatch: pytest.MonkeyPatch, turnstile: Turnstile
) -> None:
    """It is one sentence with the file's name, and exit code 1."""

    def fail(_args: object) -> NoReturn:
        raise error

    monkeypatch.setattr("infra.cli.commands.status.run", fail)
    assert turnstile("status") == (1, "", sentence)


def test_a_busy_port_is_one_sentence_and_leaves_nothing(home: Path, turnstile: Turnstile) -> None:
    """`up` on a port of another program fails with one sentence, and starts nothing."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, _, err = turnstile("up", "--port", str(port))
    sentence = f"turnstile: port {port} is used by another program; choose a free one with --port\n"
    assert (code, err) == (1, sentence)
    assert {path.name for path in home.iterdir()} <= {"lock"}


@pytest.mark.parametrize("outputs", [OUTPUTS, GUARDED], ids=["none", "jwt"])
def test_the_explanation_of_up(outputs: Outputs) -> None:
    """Each curl command is one line that a shell splits into a URL, headers and a JSON body. One line explains how to
    require tokens, or where to get them."""
    api, guarded = outputs.api_url, outputs is GUARDED
    text = explanation(outputs, 1.0, command="turnstile", end="Ctrl-C")
    lines = [shlex.split(line) for line in text.splitlines() if line.strip().startswith("curl")]
    assert [line[3] for line in lines] == [f"{api}/users", f"{api}/events", f"{api}/events/pycon/registrations"]
    user, event, registration = (json.loads(line[line.index("-d") + 1]) for line in lines)
    assert registration["userId"] == user["userId"]
    assert (event["eventId"], event["capacity"] > 0) == ("pycon", True)
    bearers = [header for line in lines for header in line if header.startswith("authorization:")]
    assert bearers == (BEARERS if guarded else [])
    open_to_all = [line for line in text.splitlines() if line.startswith("Anyone on this machine can call every route")]
    assert [line.endswith("turnstile up --auth jwt") for line in open_to_all] == ([] if guarded else [True])
    assert ("turnstile token NAME [--organizer] [--operator]" in text) is guarded
