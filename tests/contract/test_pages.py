"""The pages: links lead somewhere, code that is named exists, commands are commands, decisions say what they must."""

from __future__ import annotations

import argparse
import re
import shlex
from contextlib import suppress
from pathlib import Path

import pytest

from infra.cli.main import build_parser
from tests.support.pages import (
    FIRST,
    FOLDERS,
    ROOT,
    anchors,
    code_words,
    defined,
    links,
    operated,
    pages,
    prose,
    python_files,
    shell_blocks,
    text,
)

DECISIONS = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
ELSEWHERE = {
    *("PIP_CERT", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"),  # pip's, uv's and npm's
    # Cognito's.
    *("NEW_PASSWORD_REQUIRED", "PASSWORD_VERIFIER", "REFRESH_TOKEN_AUTH", "USER_SRP_AUTH"),
    # What the owner's tasks call their helpers (docs/requirements.md).
    *("check_user_exists", "check_event_exists", "check_already_registered", "check_event_capacity"),
    *("get_waitlist_position", "create_registration_id", "get_first_waitlisted_user", "promote_from_waitlist"),
    "update_waitlist_positions",
}
"""Names like ours that are somebody else's."""
_OURS = re.compile(r"[A-Z]\w+\.[a-z_]\w+|_[a-z]+(_[a-z]+)*|[a-z]+(_[a-z]+)+|[A-Z]+(_[A-Z]+)+")


def relative(page: Path) -> str:
    """A page by its path in the project."""
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", pages(), ids=relative)
def test_links_lead_somewhere(page: Path) -> None:
    """Each link to a file, or to a heading of a page, finds it; links elsewhere are https."""
    for target, anchor in links(page):
        if re.match(r"\w+:", target):
            assert target.startswith("https://"), target
            continue
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), f"{target}#{anchor}"


@pytest.mark.parametrize("page", pages(), ids=relative)
def test_lines_are_wrapped(page: Path) -> None:
    """Prose is wrapped at 100 columns; tables, blocks of code and lines with a URL may be longer."""
    lines = [line for line in prose(page).splitlines() if not line.startswith("|") and "https://" not in line]
    assert [line for line in lines if len(line) > 100] == []


def test_every_page_can_be_reached() -> None:
    """From the README links lead to every page."""
    known = set(pages())
    reached: set[Path] = set()
    ahead = [FIRST]
    while ahead:
        page = ahead.pop()
        if page in reached or page not in known:
            continue
        reached.add(page)
        ahead += [(page.parent / target).resolve() for target, _ in links(page) if target]
    assert [relative(page) for page in sorted(known - reached)] == []


@pytest.mark.parametrize("page", pages(), ids=relative)
def test_code_that_is_named_exists(page: Path) -> None:
    """Each file that a page names is there, and what it says is in a file is defined there: `name` in `file.py`."""
    for path in code_words(page):
        for part in path.split():
            if re.fullmatch(r"(api|workers|infra|tests|docs)/[\w./-]*\w(\.\w+|/)", part):
                assert (ROOT / part).exists(), part
    for name, path in re.findall(r"`([\w.]+)`(?:,? in| of) `([\w/]+\.py)`", text(page)):
        assert name in defined(ROOT / path), f"{name} in {path}"


def test_pages_that_code_names_exist() -> None:
    """Each page that a docstring, a comment or a message of the code names is there."""
    sources = {path: path.read_text(encoding="utf-8") for path in python_files(*FOLDERS)}
    named = {page: path for path, source in sources.items() for page in re.findall(r"docs/[\w/-]+\.md\b", source)}
    assert len(named) > 5
    assert {page: relative(path) for page, path in named.items() if not (ROOT / page).exists()} == {}


def test_functions_that_are_named_exist() -> None:
    """What a page calls like a function, a constant or a `Class.member` of ours is defined somewhere in the code; above
    all on the page that follows a request through it."""
    here = Path(__file__).resolve()  # names every name of ELSEWHERE
    known = frozenset().union(*(defined(path) for path in python_files(*FOLDERS) if path != here))
    named = {page: [word for word in code_words(page) if _OURS.fullmatch(word)] for page in pages()}
    assert len(named[ROOT / "docs" / "architecture.md"]) > 10
    lost = {relative(page): sorted(set(words) - known - ELSEWHERE) for page, words in named.items()}
    assert {page: words for page, words in lost.items() if words} == {}
    assert {word for words in named.values() for word in words} - known == ELSEWHERE


@pytest.mark.parametrize("page", DECISIONS, ids=relative)
def test_decisions_are_complete(page: Path) -> None:
    """Each decision has a date, context, decision, consequences and what was rejected; the index lists it."""
    heading, status, *_ = text(page).splitlines()
    title = heading.removeprefix("# ")
    assert page.name.startswith(f"{title[:4]}-")
    assert f"- [{title}]({page.name})" in re.sub(r"\s+", " ", text(page.parent / "README.md"))
    assert re.fullmatch(r"Accepted, \d+ \w+ 20\d\d\.", status)
    places = [text(page).find(f"\n**{part}.** ") for part in ("Context", "Decision", "Consequences", "Rejected")]
    assert -1 not in places
    assert places == sorted(places)


def test_make_targets_exist() -> None:
    """Each `make TARGET` on a page is one of the Makefile's."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        target
        for page in pages()
        for code in [*code_words(page), *shell_blocks(page)]
        for target in re.findall(r"(?:^|\n)make ([a-z][a-z-]*)", code)
    }
    assert {"run", "test", "demo"} <= named
    assert named - targets == set()


def commands(page: Path) -> list[str]:
    """The `turnstile` commands that a page has one type, in blocks and in sentences."""
    lines = [line for code in [*code_words(page), *shell_blocks(page)] for line in code.splitlines()]
    found = [re.match(r"(?:\.venv/bin/)?turnstile( .+)?$", line) for line in lines]
    inner = [inside for line in lines for inside in re.findall(r"\$\(\.venv/bin/turnstile( [^)]+)\)", line)]
    return [match[1] or "" for match in found if match] + inner


@pytest.mark.parametrize("page", pages(), ids=relative)
def test_turnstile_takes_its_commands(page: Path) -> None:
    """Each `turnstile` command on a page is one that the command line takes."""
    parser = build_parser()
    for command in commands(page):
        words = [word for word in shlex.split(command.translate(_OPTIONAL), comments=True) if word != "|"]
        arguments = words if len(words) > 1 or words[:1] in (["up"], ["down"]) else [*words, "--help"]
        with suppress(_Help), pytest.MonkeyPatch.context() as patch:
            patch.setattr(argparse.ArgumentParser, "print_help", _stop)
            patch.setattr(argparse.ArgumentParser, "error", _refuse)
            with suppress(SystemExit):  # of --version
                parser.parse_args(arguments)


def test_commands_are_found() -> None:
    """The search for commands finds those that an operator needs in the runbook."""
    found = {command.split()[0] for command in commands(ROOT / "docs" / "runbook.md") if command}
    assert {"top", "trace", "dlq", "promote", "reconcile"} <= found


_OPTIONAL = str.maketrans("", "", "[]")
"""The part that need not be typed is in brackets."""


class _Help(Exception):
    """The command is one, and would now say what it can do."""


def _stop(*_: object) -> None:
    raise _Help


def _refuse(_parser: argparse.ArgumentParser, message: str) -> None:
    pytest.fail(f"it refuses that: {message}")


RUN_WHOLE = {"docs/api.md", "docs/errors.md"}
"""Pages whose blocks `tests/e2e/test_guide.py` runs; of the README it runs requests and operators' commands."""
LEFT_OUT = {
    "make run": "as turnstile up, by every end-to-end test",
    "make test": "it runs this",
    "make demo": "a small one, by tests/e2e/test_demo.py",
    "make setup": "make test begins with it",
    "make hooks": "by tests/repo_checks/test_hooks.py, in a clone",
    "make": "by tests/repo_checks/test_help.py",
    "export": "the shell's",
    "cd": "the shell's",
    "API=": "the tests have another address",
    "npx cdk": "it needs an account of AWS",
    ".venv/bin/turnstile verify --stage": "it needs an account of AWS",
    ".venv/bin/turnstile preflight --stage": "it needs an account of AWS",
    "aws": "those that clean up by tests/infra/first_deployment; the others need an account of AWS",
    "status()": "it needs an account of AWS, as do the next five",
    "send()": "the same",
    "TOKEN=": "the same",
    "EVENT=": "the same",
    "send": "the same",
    "for": "the same",
    ".venv/bin/turnstile up": "every end-to-end test does it",
    ".venv/bin/turnstile down": "every end-to-end test does it",
    ".venv/bin/turnstile top": "goes on until Ctrl-C; tests/e2e/test_operations.py has it once",
    "TURNSTILE_STACK=running": "by tests/e2e/test_running_stack.py",
}
"""Commands that no test types, and why."""


@pytest.mark.parametrize("page", [page for page in pages() if relative(page) not in RUN_WHOLE], ids=relative)
def test_commands_are_typed(page: Path) -> None:
    """Each command in a block of a page is run by a test, or is in the table of those that cannot be."""
    for block in shell_blocks(page):
        if page == FIRST and "$API" in block:
            continue  # tests/e2e/test_guide.py
        for line in filter(None, block.splitlines()):
            typed = page == FIRST and operated(line) is not None
            assert typed or any(re.match(rf"{re.escape(known)}(\s|$|(?<==))", line) for known in LEFT_OUT), line
