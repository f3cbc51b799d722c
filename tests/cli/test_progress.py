"""The progress of a long command: a bar on a terminal, plain lines elsewhere, and never on stdout."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from infra.cli import progress as module
from infra.cli.progress import progress


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (100, "replaying: 10 of 100, 2.0/s, 45 s left\nreplaying: 20 of 100, 2.0/s, 40 s left\n"),
        (None, "replaying: 10, 2.0/s\nreplaying: 20, 2.0/s\n"),
    ],
)
def test_elsewhere_it_is_a_line_now_and_then(
    total: int | None, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every five seconds there is a line with the number and the rate, and with the time left if that is known."""
    now = 100.0
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    with progress("replaying", total) as done:
        for second in range(10):
            now = 101.0 + second
            done(2 * (second + 1))
    assert capsys.readouterr() == ("", expected)


def test_on_a_terminal_it_is_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal shows a bar with the number and the rate."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress("replaying", 100) as done:
        done(40)
    out, err = capsys.readouterr()
    assert (out, "40/100" in err, "/s" in err) == ("", True, True)
