"""`turnstile verify` as a command: what it prints, what it ends with, and what a Ctrl-C leaves."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator

import pytest

from infra.cli.commands import verify
from infra.cli.deployment import Deployment
from infra.cli.main import main
from infra.cli.verify.end_to_end import EndToEndRun
from infra.cli.verify.result import CheckError, CheckResult, NeedsOperator, NotChecked, perform
from tests.cli.verify.world import VerifiedDeployment

Results = Callable[[Deployment, EndToEndRun | None], Iterator[CheckResult]]


def _good() -> str:
    return "fine"


def _raise(error: CheckError) -> Callable[[], str]:
    def check() -> str:
        raise error

    return check


WARNING = ("letters", _raise(NeedsOperator("29 wait\x1b[2J", "turnstile dlq list")))
FAILURE = ("table", _raise(CheckError("it is gone", "deploy it")))
SKIPPED = ("registration", _raise(NotChecked("nobody is here", "--tokens FILE")))
GOOD = ("queue", _good)
_NOBODY = "All checks passed, except for skipped ones; nobody was registered.\n"
CASES = {
    "good": ([GOOD], 0, "ok      queue: fine\nAll checks passed.\n"),
    "warning": (
        [GOOD, WARNING],
        1,
        (
            "ok      queue: fine\nwarning letters: 29 wait\ufffd[2J\n        -> turnstile dlq list\n"
            "Some checks did not pass.\n"
        ),
    ),
    "failure": ([FAILURE], 1, "FAILED  table: it is gone\n        -> deploy it\nSome checks did not pass.\n"),
    "skipped": (
        [SKIPPED],
        0,
        f"skipped registration: nobody is here\n        -> --tokens FILE\n{_NOBODY}",
    ),
}


@pytest.fixture
def found(world: VerifiedDeployment, monkeypatch: pytest.MonkeyPatch) -> Callable[[Results], None]:
    """Has `turnstile verify` find this deployment, and these results."""
    monkeypatch.setattr(Deployment, "resolve", lambda _stage: world.deployment)
    return lambda results: monkeypatch.setattr(verify, "_results", results)


@pytest.mark.parametrize("case", CASES)
def test_what_it_says_and_ends_with(
    case: str, found: Callable[[Results], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each check, one more with what to do, and a sentence; exit code 1 for warnings and failures."""
    checks, code, expected = CASES[case]
    found(lambda *_: map(perform, checks))
    assert main(["verify"]) == code
    assert capsys.readouterr().out == expected


def test_as_json(found: Callable[[Results], None], capsys: pytest.CaptureFixture[str]) -> None:
    """One object has all of it: the verdict of each check, what to do, and whether all is well."""
    found(lambda *_: map(perform, [GOOD, WARNING, FAILURE, SKIPPED]))
    assert main(["verify", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert {key: said[key] for key in ("stage", "ok", "interrupted", "remains")} == {
        "stage": "local",
        "ok": False,
        "interrupted": False,
        "remains": [],
    }
    assert [(check["verdict"], check["ok"], check["todo"]) for check in said["checks"]] == [
        ("ok", True, ""),
        ("warning", False, "turnstile dlq list"),
        ("failed", False, "deploy it"),
        ("skipped", True, "--tokens FILE"),
    ]


@pytest.mark.usefixtures("handlers_kept")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("steps", [1, 3, 5])
def test_an_interruption_leaves_nothing(
    world: VerifiedDeployment,
    found: Callable[[Results], None],
    capsys: pytest.CaptureFixture[str],
    steps: int,
    number: signal.Signals,
) -> None:
    """Ctrl-C after some steps, and once more during the clean-up: everything is deleted, and the exit code is 1."""

    def results(_deployment: Deployment, journey: EndToEndRun | None) -> Iterator[CheckResult]:
        assert journey is not None
        yield from map(perform, journey.checks()[:steps])
        world.time.at_next_sleep(lambda: os.kill(os.getpid(), number))
        os.kill(os.getpid(), number)

    found(results)
    assert main(["verify"]) == 1
    said = capsys.readouterr()
    lines = [line for line in said.out.splitlines() if not line.startswith("{")]  # the handlers' log
    assert (lines[-1], said.err) == ("Interrupted before all checks were done.", "turnstile: interrupted\n")
    assert not [line for line in lines if line.startswith("remains")]
    assert (world.left(), world.parked()) == ([], [])


@pytest.mark.usefixtures("handlers_kept")
def test_a_ctrl_c_during_the_clean_up_waits_for_its_end(
    world: VerifiedDeployment, found: Callable[[Results], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything is deleted all the same; only then the command ends as interrupted."""

    def results(_deployment: Deployment, journey: EndToEndRun | None) -> Iterator[CheckResult]:
        assert journey is not None
        world.time.on_sleep.clear()
        yield from map(perform, journey.checks()[:3])  # the last one is not decided in time
        world.time.on_sleep[:] = [lambda: os.kill(os.getpid(), signal.SIGINT), world.run]

    found(results)
    assert main(["verify"]) == 1
    assert capsys.readouterr().err == "turnstile: interrupted\n"
    assert (world.left(), world.parked()) == ([], [])


@pytest.mark.usefixtures("handlers_kept")
def test_an_interruption_says_what_remains(
    world: VerifiedDeployment, found: Callable[[Results], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """If a command of it is still queued, it says what stays, and why."""

    def results(_deployment: Deployment, journey: EndToEndRun | None) -> Iterator[CheckResult]:
        assert journey is not None
        world.time.on_sleep.clear()
        yield from map(perform, journey.checks()[:3])
        os.kill(os.getpid(), signal.SIGINT)

    found(results)
    assert main(["verify"]) == 1
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("remains ")]
    assert len(said) == 5
    assert all("may still be queued" in line for line in said)


def test_bad_tokens_end_it_before_it_begins(capsys: pytest.CaptureFixture[str]) -> None:
    """Tokens that cannot be used are wrong usage, whatever there is to verify."""
    assert main(["verify", "--stage", "prod", "--tokens", "/nowhere/tokens.json"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("turnstile: --tokens /nowhere/tokens.json cannot be read: No such file")
    assert said.out == ""
