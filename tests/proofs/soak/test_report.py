"""The figures of a run, of a made-up history."""

from __future__ import annotations

from tests.proofs.soak.faults import Tally
from tests.proofs.soak.history import READ, REGISTER, Exchange
from tests.proofs.soak.made_up import EVERY_FAULT
from tests.proofs.soak.report import report_of


def test_the_figures() -> None:
    """Rate and times are of all answers, unknown are those without one and the 5xx; what the run lacked fails it."""
    history = [Exchange(number, READ, "event", "ada", 0, number / 100, 200) for number in range(1, 100)]
    history += [Exchange(100, REGISTER, "event", "ada", 0), Exchange(101, REGISTER, "event", "ada", 0, 1, 503)]
    report = report_of(history, 10, Tally(200, EVERY_FAULT), 0.4, 0, [])
    assert (report.requests, report.unknown, report.rate, report.p50, report.p99) == (101, 2, 10.1, 0.51, 0.99)
    assert report.answers == {"read 200": 99, "register 503": 1, "register no answer": 1}
    assert report.ok
    assert not report_of(history, 10, Tally(1000, EVERY_FAULT), 0.4, 0, []).ok
    assert not report_of(history, 10, Tally(200, EVERY_FAULT), 0.4, 0, ["somebody is lost"]).ok
