"""Suggested commands reach the same stack and stage when they are pasted."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest

from infra.cli.hints import suggest, suggest_with


def test_suggested_commands_can_be_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suggestion has the path of this command, the stage of this run, and its TURNSTILE_HOME, whole and quoted."""
    program = os.path.relpath(Path(sys.prefix, "bin", "turnstile"))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("TURNSTILE_HOME", raising=False)
    suggest_with("")
    assert suggest("down") == f"{program} down"
    home = tmp_path / "a home"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setenv("TURNSTILE_HOME", ".")
    assert suggest("down").startswith(f"TURNSTILE_HOME={shlex.quote(str(home))} ")
    try:
        suggest_with("--stage prod")
        assert suggest("dlq show 1").endswith("bin/turnstile dlq show 1 --stage prod")
    finally:
        suggest_with("")
    monkeypatch.setenv("PATH", str(Path(sys.prefix, "bin")))
    assert suggest("top").endswith(" turnstile top")
