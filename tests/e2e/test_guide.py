"""The pages for authors of clients: whoever types what they show sees what they show."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from api.contract.document import LOCAL
from infra.cli.deployment import Clients, Outputs
from tests.support.client import Front, unique
from tests.support.guide import COMMENT, Step, Tool, play, steps_of
from tests.support.guide_tools import Python, Shell
from tests.support.pages import operated, shell_blocks
from tests.support.stacks import registrar_paused, turnstile

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 30.0
"""For one snippet: generous, since the machine may be busy with other things."""

TOKEN = ".venv/bin/turnstile token"
CALL = re.compile(r"[$=]API\b")

_IDS = re.compile(r'"(?:userId|eventId)": "([A-Za-z0-9-]+)"')


def steps(page: str, api_url: str) -> list[Step]:
    """The steps of a page, at the stack under test, about people and events that nobody else has."""
    text = (ROOT / page).read_text(encoding="utf-8").replace(LOCAL, api_url)
    for word in set(_IDS.findall(text)):
        text = re.sub(rf"\b{re.escape(word)}\b", unique(word), text)
    return steps_of(text)


@pytest.fixture
def tools(stack: Outputs, aws: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Tool]]:
    """A shell and a Python in a folder of their own, which has `docs`; the queue, which comments stop and start."""
    still = ExitStack()

    def meanwhile(what: str) -> str:
        if what == "the queue stands still":
            still.enter_context(registrar_paused(aws))
        else:
            assert what == "the queue moves on"
            still.close()
        return ""

    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    shell = Shell(tmp_path, PATIENCE_SECONDS)
    try:
        yield {"sh": shell.run, "python": Python().run, COMMENT: meanwhile}
    finally:
        shell.end()
        still.close()


@pytest.mark.parametrize("page", ["docs/api.md", "docs/errors.md"])
def test_a_page(page: str, stack: Outputs, tools: dict[str, Tool]) -> None:
    """Every snippet of the guide that needs no token runs, in order, and prints what the guide says."""
    found = [step for step in steps(page, stack.api_url) if TOKEN not in step.code]
    assert any(step.answer for step in found)
    play(found, tools)


def test_the_readme(stack: Outputs, tools: dict[str, Tool]) -> None:
    """What the README has one try after `make run` runs, and prints what the README says."""
    found = [step for step in steps("README.md", stack.api_url) if CALL.search(step.code) and TOKEN not in step.code]
    assert any(step.answer for step in found)
    play(found, tools)


def operators_commands() -> list[list[str]]:
    """Return the arguments of each `turnstile` command that the README has an operator type."""
    lines = [line for block in shell_blocks(ROOT / "README.md") for line in block.splitlines() if "$(" not in line]
    return [arguments for line in lines if (arguments := operated(line)) is not None]


def test_what_an_operator_types(front: Front, guarded_home: Path) -> None:
    """Each command of the README for operators, but verify, succeeds on the stack that it is for."""
    event_id, user_id = front.event(1), front.user()
    front.seat(event_id, user_id)
    # Of this event alone: others were damaged on purpose.
    words = {"pycon": event_id, "ada": user_id, "--all": event_id}
    commands = [command for command in operators_commands() if command[0] != "verify"]
    assert {command[0] for command in commands} >= {"status", "token", "trace", "dlq", "promote", "reconcile"}
    for command in commands:
        home = guarded_home if command[0] == "token" else None
        done = turnstile(*(words.get(word, word) for word in command), home=home)
        assert done.returncode == 0, f"turnstile {' '.join(command)}: {done.stdout}{done.stderr}"


@pytest.mark.own_stack("it must have no dead letters")
def test_an_operator_verifies(guarded_home: Path) -> None:
    """The README's verify finds nothing on the stack with authorization; tests leave damaged events on the other."""
    commands = [command for command in operators_commands() if command[0] == "verify"]
    assert commands
    for command in commands:
        done = turnstile(*command, home=guarded_home)
        assert done.returncode == 0, f"turnstile {' '.join(command)}: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("page", ["README.md", "docs/api.md"])
def test_a_page_with_authorization(
    page: str, guarded_stack: Outputs, guarded_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a page has one try on a stack with authorization runs, and prints what the page says."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    monkeypatch.chdir(tmp_path)
    for name, value in {"TURNSTILE_HOME": str(guarded_home), "API": guarded_stack.api_url, "NO_PROXY": "*"}.items():
        monkeypatch.setenv(name, value)
    found = [step for step in steps(page, guarded_stack.api_url) if CALL.search(step.code) and TOKEN in step.code]
    assert any(step.answer for step in found)
    python = Python()
    python.run(f"import httpx; API = {guarded_stack.api_url!r}")  # as the first snippet of a page has it
    shell = Shell(tmp_path, PATIENCE_SECONDS)
    try:
        play(found, {"sh": shell.run, "python": python.run})
    finally:
        shell.end()
