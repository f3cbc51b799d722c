"""What a benchmark starts, and that it ends."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support import stacks
from tests.support.stacks import NoStack
from tests.tools.bench.setting import Setting


@pytest.mark.parametrize(("code", "told"), [(0, []), (3, []), (1, ["the local stack could not be ended: it hangs"])])
def test_a_stack_that_does_not_end_is_no_reason_to_lose_the_figures(
    monkeypatch: pytest.MonkeyPatch, code: int, told: list[str]
) -> None:
    """It is told, and nothing is raised; one that never came up needs no word."""
    asked: list[str] = []

    def turnstile(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
        assert home.is_dir()
        asked.append(arguments[0])
        failed = subprocess.CompletedProcess(arguments, code, "", "it hangs\n")
        return failed if arguments == ("down",) else subprocess.CompletedProcess(arguments, 1, "", "no room")

    monkeypatch.setattr(stacks, "turnstile", turnstile)
    said: list[str] = []
    with Setting(said.append) as setting, pytest.raises(NoStack, match="did not start"):
        _ = setting.stack
    assert asked == ["up", "down"]
    assert said[1:] == told
