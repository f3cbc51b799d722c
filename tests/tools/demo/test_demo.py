"""The command and its page, on a day that is written here, and one planted break of each rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from infra.cli.deployment import Deployment
from infra.cli.reconcile.findings import LedgerFinding
from tests.proofs.soak.builders import EVENT, exchanges, tables
from tests.proofs.soak.history import REGISTER, Exchange
from tests.support.browser import browsing
from tests.support.stacks import NoStack
from tests.tools.demo import __main__ as demo
from tests.tools.demo import charts
from tests.tools.demo.crowd import PersonOutcome
from tests.tools.demo.day import Chapter
from tests.tools.demo.monitor import Observation
from tests.tools.demo.report import DayReport, percentiles
from tests.tools.demo.rule_report import Evidence, check_rules
from tests.tools.demo.sizes import InvalidSizes, Sizes
from workers.domain.records import Registration, Status
from workers.domain.waitlist import Waitlist


def evidence() -> Evidence:
    """Return what is seen of a day with one seat and one place: ada cancels, and bob gets the seat."""
    limit = "waitlistCapacity=1"
    history = exchanges(
        """1-2 ada registers confirmed@100
        3-4 bob registers waitlisted@200
        5-6 eve registers waitlist-full
        7-8 ada cancels 204
        9-10 bob reads confirmed@200""",
        limit,
    )
    before = tables("ada confirmed@100, bob waitlisted@200", limit)
    final = tables("ada cancelled@100, bob confirmed@200", limit)
    observations = [
        Observation(at, state.ledgers[EVENT], 0, 0, {found.registration_id: found for found in state.registrations})
        for at, state in ((4.0, before), (10.0, final))
    ]
    return Evidence(EVENT, observations, history, final, LedgerFinding(EVENT, 1, final.ledgers[EVENT]))


def report(seen: Evidence) -> DayReport:
    """Return the report of such a day."""
    outcomes = {"ada": "confirmed", "bob": "waitlisted", "eve": "waitlist-full"}
    return DayReport(
        sizes=Sizes(people=3, seats=1, places=1, cancel=1, more_seats=0, again=0),
        chapters=[Chapter("registration opens", 0.5), Chapter("1 cancels", 7.0)],
        observations=seen.observations,
        arrived=[1, 3, 5],
        known=[PersonOutcome(user, outcome, 1, 2, 2) for user, outcome in outcomes.items()],
        promoted=[1.5],
        requests=len(seen.history),
        totals={"seats": 1},
        rules=check_rules(seen),
        seconds=12.0,
    )


def _observed(index: int, **changes: Any) -> Callable[[Evidence], Evidence]:
    """Change an observation; `ledger` and `registrations` are functions of what is there."""

    def damage(seen: Evidence) -> Evidence:
        found = list(seen.observations)
        own = {name: new(getattr(found[index], name)) if callable(new) else new for name, new in changes.items()}
        found[index] = replace(found[index], **own)
        return replace(seen, observations=found)

    return damage


def _final(*records: Registration, **ledger: Any) -> Callable[[Evidence], Evidence]:
    """Add registrations to the final ones, and change the final ledger."""

    def damage(seen: Evidence) -> Evidence:
        ledgers = {EVENT: replace(seen.ledger, **ledger)}
        return replace(
            seen,
            final=replace(seen.final, registrations=(*seen.final.registrations, *records), ledgers=ledgers),
        )

    return damage


def _each(**changes: Any) -> Callable[[dict[str, Registration]], dict[str, Registration]]:
    return lambda found: {key: replace(record, **changes) for key, record in found.items()}


def _recount(seen: Evidence) -> Evidence:
    should = replace(seen.ledger, confirmed=0, waitlist=Waitlist().join(2))
    return replace(seen, recount=replace(seen.recount, expected=should))


def _lost(seen: Evidence) -> Evidence:
    return replace(seen, history=[*seen.history, Exchange(99, REGISTER, EVENT, "lost", 20.0, 21.0, 202, "pending")])


LATE = Registration(EVENT, "late", Status.WAITLISTED, 1, 1, 150, ticket=1)
BOB_AGAIN = Registration(EVENT, "bob", Status.CONFIRMED, 1, 1, 300)

BREAKS: list[tuple[int, Callable[[Evidence], Evidence]]] = [
    (1, _observed(0, ledger=lambda ledger: replace(ledger, confirmed=2))),
    (2, _final(confirmed=0)),
    (3, _final(LATE, waitlist=Waitlist().join(1))),
    (4, _observed(0, registrations=_each(ticket=2))),
    (5, _observed(0, registrations=_each(status=Status.CANCELLED))),
    (5, _observed(1, registrations=lambda _: {})),
    (6, _final(BOB_AGAIN)),
    (7, _observed(0, ledger=lambda ledger: replace(ledger, waitlist=Waitlist().join(2).join(3)))),
    (8, _recount),
    (9, _lost),
    (10, _observed(1, queue=1)),
    (10, _observed(1, dead_letters=1)),
]


def test_every_broken_rule_is_named() -> None:
    """On a sound day each rule is kept; each planted break is found under its rule."""
    assert [rule.rule.split(" ")[0] for rule in check_rules(evidence())] == [str(number) for number in range(1, 11)]
    assert report(evidence()).kept
    for number, damage in BREAKS:
        broken = [int(rule.rule.split(" ")[0]) for rule in check_rules(damage(evidence())) if not rule.kept]
        assert number in broken, (number, damage)


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of the page. There is no stack."""

    @contextmanager
    def stack(_say: Callable[[str], None]) -> Iterator[Deployment]:
        yield cast("Deployment", None)

    monkeypatch.setattr(demo, "own_stack", stack)
    return tmp_path / "pages" / "demo.html"


def test_the_command(out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """0 with a table and a page; 1 for a broken rule, or a day that ends early; 2 for sizes that do not fit; 130."""
    seen = evidence()
    monkeypatch.setattr(demo, "play", lambda *_: report(seen))
    assert demo.main(["--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("✓ kept") == 10
    assert f"Every rule was kept. Charts: {out}" in printed
    seen = _observed(1, queue=3)(seen)
    assert demo.main(["--out", str(out)]) == 1
    assert "rule 10 the queues are empty: 3 messages are in the queue" in capsys.readouterr().out
    assert "A rule was broken." in out.read_text(encoding="utf-8")
    for fault, code, sentence in (
        (NoStack("it did not start"), 1, "demo: the day could not be played to its end: it did not start"),
        (KeyboardInterrupt(), 130, "demo: interrupted; all that was started is stopped"),
    ):
        monkeypatch.setattr(demo, "play", _raising(fault))
        assert demo.main(["--out", str(out)]) == code
        assert sentence in capsys.readouterr().err
    assert demo.main(["--cancel", "101", "--out", str(out)]) == 2
    assert demo.main(["--out", str(out / "file")]) == 2
    assert "demo: --out: cannot write" in capsys.readouterr().err


def _raising(fault: BaseException) -> Callable[..., DayReport]:
    def play(*_: object) -> DayReport:
        raise fault

    return play


def test_the_page_in_a_browser(tmp_path: Path) -> None:
    """Chromium shows four charts with lines and the chapters, without scripts, requests or
    complaints; a picture of it can be saved."""
    path, picture = tmp_path / "demo.html", tmp_path / "demo.png"
    path.write_text(charts.page(report(evidence())), encoding="utf-8")
    requests, complaints = list[str](), list[str]()
    with browsing() as browser:
        shown = browser.new_page()
        shown.on("request", lambda request: requests.append(request.url))
        shown.on("console", lambda message: complaints.append(message.text))
        shown.goto(path.as_uri())
        drawn = shown.locator("figure svg").all()
        assert [chart.locator("path.line").count() for chart in drawn] == [4, 1, 3, 3]
        assert all(chart.get_attribute("aria-label") for chart in drawn)
        assert shown.locator("ol li").count() == 2
        assert shown.locator("script").count() == 0
    assert (requests, complaints) == ([path.as_uri()], [])
    demo.take_picture(path, picture)
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("sizes", "option"),
    [
        ({"people": 0}, "--people must be at least 1"),
        ({"people": 2001}, "--people must be at most 2000"),
        ({"more_seats": -1}, "--more-seats must be at least 0"),
        ({"within": float("nan")}, "--within must be a number of seconds above 0"),
        ({"people": 50, "again": 0, "cancel": 51}, "--cancel 51: only 50 can have a seat"),
        ({"people": 155}, "--again 10: only 5 of 155 will find the event full"),
    ],
)
def test_sizes_that_do_not_fit(sizes: dict[str, Any], option: str) -> None:
    """Sizes that do not fit together are refused with the name of the option."""
    with pytest.raises(InvalidSizes, match=option):
        Sizes(**sizes)


def test_the_seed_decides() -> None:
    """The same seed is the same people at the same times, of whom the same cancel; percentiles are measured times."""
    one, same, other = Sizes(within=3), Sizes(within=3), Sizes(seed=2)
    assert (one.names, one.arrivals, one.cancelling(one.names)) == (
        same.names, same.arrivals, same.cancelling(same.names),
    )  # fmt: skip
    assert one.names != other.names
    assert list(one.arrivals) == sorted(one.arrivals)
    assert 0 <= one.arrivals[0] <= one.arrivals[-1] <= 3
    assert len(set(one.names)) == len(one.arrivals) == 400
    assert percentiles([float(number) for number in range(1, 101)]) == {"p50": 50, "p90": 90, "p99": 99, "p100": 100}
