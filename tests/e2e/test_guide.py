"""Run the commands of the pages for users, and compare what they print with what the pages show."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from api.contract.document import LOCAL
from infra.cli.deployment import Clients, Outputs
from tests.support.client import ApiClient, unique
from tests.support.guide import COMMENT, Step, Tool, play, steps_of
from tests.support.guide_tools import Python, Shell
from tests.support.pages import operated, shell_blocks
from tests.support.stacks import registrar_paused, turnstile

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
FIRST = "README.md"
PATIENCE_SECONDS = 30.0
"""For one snippet: generous, because the machine may be busy."""

TOKEN = ".venv/bin/turnstile token"
CALL = re.compile(r"[$=]API\b")

_IDS = re.compile(r'"(?:userId|eventId)": "([A-Za-z0-9-]+)"')


def steps(page: str, api_url: str, ids: dict[str, str]) -> list[Step]:
    """Return a page's requests, for the stack under test and with unique ids for its people and events.

    `ids` maps the ids of the page to unique ones, and is extended: pages that share it are about the same people."""
    text = (ROOT / page).read_text(encoding="utf-8").replace(LOCAL, api_url)
    ids |= {word: unique(word) for word in set(_IDS.findall(text)) - ids.keys()}
    for word, replacement in ids.items():
        text = re.sub(rf"\b{re.escape(word)}\b", replacement, text)
    return [step for step in steps_of(text) if page != FIRST or CALL.search(step.code)]


@pytest.fixture
def tools(stack: Outputs, aws: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Tool]]:
    """Return a shell and a Python in a folder of their own, with `docs`, and what pauses the queue."""
    paused = ExitStack()

    def meanwhile(what: str) -> str:
        if what == "the queue is paused":
            paused.enter_context(registrar_paused(aws))
        else:
            assert what == "the queue resumes"
            paused.close()
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
        paused.close()


@pytest.mark.parametrize("page", ["docs/api.md", "docs/errors.md"])
def test_a_page(page: str, stack: Outputs, tools: dict[str, Tool]) -> None:
    """The README's requests, and then a page's that need no token, print what the pages show."""
    ids: dict[str, str] = {}
    for part in (FIRST, page):
        found = [step for step in steps(part, stack.api_url, ids) if TOKEN not in step.code]
        assert any(step.answer for step in found), part
        play(found, tools)


def operators_commands() -> list[list[str]]:
    """Return the arguments of each `turnstile` command that the README shows operators."""
    lines = [line for block in shell_blocks(ROOT / "README.md") for line in block.splitlines() if "$(" not in line]
    return [arguments for line in lines if (arguments := operated(line)) is not None]


def test_the_operators_commands(front: ApiClient, guarded_home: Path) -> None:
    """Each of the README's commands for operators, except verify, succeeds on its stack."""
    event_id, user_id = front.event(1), front.user()
    front.seat(event_id, user_id)
    # Only this event: other tests damage theirs on purpose.
    words = {"pycon": event_id, "ada": user_id, "--all": event_id}
    commands = [command for command in operators_commands() if command[0] != "verify"]
    assert {command[0] for command in commands} >= {"status", "token", "trace", "dlq", "promote", "reconcile"}
    for command in commands:
        home = guarded_home if command[0] == "token" else None
        done = turnstile(*(words.get(word, word) for word in command), home=home)
        assert done.returncode == 0, f"turnstile {' '.join(command)}: {done.stdout}{done.stderr}"


@pytest.mark.own_stack("it must have no dead letters")
def test_the_operators_verify(guarded_home: Path) -> None:
    """The README's verify finds nothing on the stack with authorization; tests leave damaged events on the other."""
    commands = [command for command in operators_commands() if command[0] == "verify"]
    assert commands
    for command in commands:
        done = turnstile(*command, home=guarded_home)
        assert done.returncode == 0, f"turnstile {' '.join(command)}: {done.stdout}{done.stderr}"


def test_with_authorization(
    guarded_stack: Outputs, guarded_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guide's requests with a token print what it shows, on a stack with authorization."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    monkeypatch.chdir(tmp_path)
    for name, value in {"TURNSTILE_HOME": str(guarded_home), "API": guarded_stack.api_url, "NO_PROXY": "*"}.items():
        monkeypatch.setenv(name, value)
    found = [step for step in steps("docs/api.md", guarded_stack.api_url, {}) if TOKEN in step.code]
    assert any(step.answer for step in found)
    shell = Shell(tmp_path, PATIENCE_SECONDS)
    try:
        play(found, {"sh": shell.run})
    finally:
        shell.end()
