"""`turnstile verify` as a command: its output, its exit codes, and what an interruption leaves."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from infra.cli.commands import verify
from infra.cli.deployment import Deployment
from infra.cli.verify.end_to_end import EndToEndRun
from infra.cli.verify.result import Check, CheckError, CheckResult, NeedsOperator, NotChecked, perform
from tests.cli.command import Turnstile
from tests.cli.verify.verified_deployment import VerifiedDeployment

Results = Callable[[Deployment, EndToEndRun | None], Iterator[CheckResult]]


def _raise(error: CheckError) -> Callable[[], str]:
    def check() -> str:
        raise error

    return check


GOOD: Check = ("queue", lambda: "fine")
WARNING: Check = ("dlq", _raise(NeedsOperator("29 wait\x1b[2J", "turnstile dlq list")))
FAILURE: Check = ("table", _raise(CheckError("it is gone", "deploy it")))
SKIPPED: Check = ("end to end", _raise(NotChecked("nobody is here", "--tokens FILE")))


@pytest.fixture
def found(verified: VerifiedDeployment, monkeypatch: pytest.MonkeyPatch) -> Callable[[Results], None]:
    """Let `turnstile verify` find this deployment, and these results."""
    monkeypatch.setattr(Deployment, "resolve", lambda _stage: verified.deployment)
    return lambda results: monkeypatch.setattr(verify, "_results", results)


@pytest.mark.parametrize(
    ("checks", "code", "lines"),
    [
        ([GOOD], 0, ["ok      queue: fine", "All checks passed."]),
        (
            [WARNING],
            1,
            ["warning dlq: 29 wait\ufffd[2J", "        -> turnstile dlq list", "Some checks did not pass."],
        ),
        ([GOOD, FAILURE], 1, ["ok      queue: fine", "FAILED  table: it is gone", "        -> deploy it",
                              "Some checks did not pass."]),
        ([SKIPPED], 0, ["skipped end to end: nobody is here", "        -> --tokens FILE",
                        "All checks passed, except for skipped ones; nobody was registered."]),
    ],
)  # fmt: skip
def test_output_and_exit_code(
    found: Callable[[Results], None], turnstile: Turnstile, checks: list[Check], code: int, lines: list[str]
) -> None:
    """Each check is a line, with a line on what to do, and a sentence at the end; warnings and failures are code 1."""
    found(lambda *_: map(perform, checks))
    ended = turnstile("verify")
    assert (ended.code, ended.out.splitlines()) == (code, lines)


def test_as_json(found: Callable[[Results], None], turnstile: Turnstile) -> None:
    """One object has the verdict of each check, what to do, and whether all passed."""
    found(lambda *_: map(perform, [GOOD, WARNING, FAILURE, SKIPPED]))
    ended = turnstile("verify", "--json")
    summary = {name: value for name, value in ended.json.items() if name != "checks"}
    assert (ended.code, summary) == (1, {"stage": "local", "ok": False, "interrupted": False, "remains": []})
    assert [(check["verdict"], check["ok"], check["todo"]) for check in ended.json["checks"]] == [
        ("ok", True, ""),
        ("warning", False, "turnstile dlq list"),
        ("failed", False, "deploy it"),
        ("skipped", True, "--tokens FILE"),
    ]


@pytest.mark.usefixtures("handlers_kept")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("steps", [1, 3, 5])
def test_an_interruption_leaves_nothing(
    verified: VerifiedDeployment,
    found: Callable[[Results], None],
    turnstile: Turnstile,
    steps: int,
    number: signal.Signals,
) -> None:
    """Ctrl-C after some steps, and once more during the clean-up: everything is deleted, and the exit code is 1."""

    def results(_deployment: Deployment, run: EndToEndRun | None) -> Iterator[CheckResult]:
        assert run is not None
        yield from map(perform, run.checks()[:steps])
        verified.time.at_next_sleep(lambda: os.kill(os.getpid(), number))
        os.kill(os.getpid(), number)

    found(results)
    ended = turnstile("verify")
    assert (ended.code, ended.err) == (1, "turnstile: interrupted\n")
    assert ended.lines[-1] == "Interrupted before all checks were done."
    assert not [line for line in ended.lines if line.startswith("remains")]
    assert (verified.left(), verified.parked()) == ([], [])


@pytest.mark.usefixtures("handlers_kept")
@pytest.mark.parametrize("decided", [True, False])
def test_an_interruption_while_a_command_is_queued(
    verified: VerifiedDeployment, found: Callable[[Results], None], turnstile: Turnstile, *, decided: bool
) -> None:
    """If the command is decided during the clean-up, which no Ctrl-C ends, everything is deleted. Otherwise the output
    says what stays, and why."""

    def results(_deployment: Deployment, run: EndToEndRun | None) -> Iterator[CheckResult]:
        assert run is not None
        verified.time.on_sleep.clear()
        yield from map(perform, run.checks()[:3])  # the last one is not decided in time
        if decided:
            verified.time.on_sleep[:] = [lambda: os.kill(os.getpid(), signal.SIGINT), verified.run]
        else:
            os.kill(os.getpid(), signal.SIGINT)

    found(results)
    ended = turnstile("verify")
    assert (ended.code, ended.err) == (1, "turnstile: interrupted\n")
    remains = [line for line in ended.lines if line.startswith("remains ")]
    assert len(remains) == (0 if decided else 5)
    assert all("may still be queued" in line for line in remains)
    assert verified.parked() == []
    assert not decided or verified.left() == []
