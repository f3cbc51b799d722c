"""How far a long command is: a bar on a terminal, plain lines elsewhere, and never on stdout."""

from __future__ import annotations

import sys

import pytest

from infra.cli import progress as module
from infra.cli.progress import progress


class Seconds:
    """A clock in the hand, in the place of the module `time`."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        """Seconds."""
        return self.now


def test_elsewhere_it_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Elsewhere there is a line with how many of how many, the rate and the time left, not more often than every five
    seconds."""
    clock = Seconds()
    monkeypatch.setattr(module, "time", clock)
    with progress("replaying", 100) as done:
        for second in range(10):
            clock.now = 101.0 + second
            done(2 * (second + 1))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "replaying: 10 of 100, 2.0/s, 45 s left",
        "replaying: 20 of 100, 2.0/s, 40 s left",
    ]


def test_where_nobody_knows_the_total_it_says_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nobody knows how many there are, a line has the number and the rate alone."""
    clock = Seconds()
    monkeypatch.setattr(module, "time", clock)
    with progress("replaying", None) as done:
        clock.now = 110.0
        done(20)
    assert capsys.readouterr().err == "replaying: 20, 2.0/s\n"


def test_on_a_terminal_it_is_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal there is a bar with the number and the rate, and nothing on stdout."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress("replaying", 100) as done:
        done(40)
    out, err = capsys.readouterr()
    assert out == ""
    assert "40/100" in err
    assert "/s" in err
