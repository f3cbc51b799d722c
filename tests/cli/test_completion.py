"""`turnstile completion`: what bash completes with the printed script."""

from __future__ import annotations

import subprocess

import pytest

from tests.cli.command import Turnstile


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["dl"], ["dlq"]),
        (["dlq", "re"], ["replay"]),
        (["dlq", "replay", "--f"], ["--force"]),
        (["top", "--"], ["--help", "--stage", "--once", "--json", "--interval"]),
    ],
)
def test_bash_completes(turnstile: Turnstile, words: list[str], completed: list[str]) -> None:
    """Commands, subcommands and their options are completed."""
    code, script, _ = turnstile("completion", "bash")
    line = " ".join(map(repr, ["turnstile", *words]))
    run = f"COMP_WORDS=({line}); COMP_CWORD={len(words)}; _turnstile; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", f"{script}\n{run}"], capture_output=True, text=True, check=True)
    assert (code, done.stdout.split()) == (0, completed)
