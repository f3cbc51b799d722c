"""The checker on whole histories of the simulation: sound ones, and those of a product with a bug."""

from __future__ import annotations

from typing import Any

import pytest

from tests.proofs.simulation.campaign import quiet
from tests.proofs.simulation.faults import Fault
from tests.proofs.simulation.scheduler import SECOND, START
from tests.proofs.simulation.seeded_bugs import SEEDED_BUGS
from tests.proofs.simulation.simulation import RunSettings, Simulation
from tests.proofs.soak.checker import violations
from tests.proofs.soak.history import CONFIGURE, Exchange, FinalState, shown
from tests.proofs.soak.load import KINDS

SEEDS = 30
WITHOUT = frozenset(Fault) & {
    Fault.DAMAGE,  # is answered with 500
    Fault.LEDGER_DAMAGE,
    Fault.DISCARD,  # breaks promises, by an operator's decision
    Fault.MOVED_BY_SQS,  # and what is replayed from the dead letters is decided late
}
_QUIET_SECONDS = 70
"""A request, with all its retries, is over by then."""


def simulated_history(seed: int) -> tuple[list[Exchange], FinalState]:
    """Run a simulation to its end and return what its clients sent and heard, and the final tables.

    As in a soak, changes of one event are sent one after the other and without a condition.
    """
    keep: set[int] = set()
    last: dict[str, int] = {}
    for step in Simulation(RunSettings(seed, without=WITHOUT)).workload.steps:
        if step.kind == "change":
            due = last.get(step.event_id, -_QUIET_SECONDS * SECOND) + _QUIET_SECONDS * SECOND
            if "if-match" in step.headers or step.at < due:
                continue
            last[step.event_id] = step.at
        keep.add(step.number)
    sim = Simulation(RunSettings(seed, frozenset(keep), WITHOUT))
    sim.broken = lambda _rule, _detail: None  # type: ignore[assignment, method-assign]  # found by the checker
    with quiet():
        sim.run()
    exchanges = [_created(number, event) for number, event in enumerate(sim.workload.events)]
    for number, sent in enumerate(sim.clients.sent, len(exchanges)):
        if sent.step.kind in KINDS:
            answer: dict[str, Any] = {}
            if sent.ended is not None:
                answer = shown(sent.status or 0, sent.body, {}) | {"end": _seconds(sent.ended)}
            answer["replayed"] = sent.replayed
            what, settings = KINDS[sent.step.kind], sent.step.changes
            who = "" if what == CONFIGURE else sent.step.user_id
            exchanges.append(
                Exchange(number, what, sent.step.event_id, who, _seconds(sent.began), settings=settings, **answer)
            )
    ledgers = {key: history.ledger for key, history in sim.histories.items()}
    records = tuple(record for history in sim.histories.values() for record in history.records.values())
    return exchanges, FinalState(records, ledgers, {key: ledger.settings for key, ledger in ledgers.items()})


def _created(number: int, event: dict[str, Any]) -> Exchange:
    settings = {"waitlistCapacity": None, "status": "active"} | event
    return Exchange(number, CONFIGURE, event["eventId"], "", -2, -1, 200, settings=settings)


def _seconds(at: int) -> float:
    return (at - START) / SECOND


def test_a_sound_history_is_not_reported() -> None:
    """Whatever overlaps, gets lost, or arrives late or twice, nothing is found in the histories of the product."""
    found = {seed: violations(*simulated_history(seed)) for seed in range(SEEDS)}
    assert {seed: sentences for seed, sentences in found.items() if sentences} == {}


@pytest.mark.parametrize(
    "bug",
    [
        "capacity-condition-dropped",
        "line-one-too-long",
        "settle-first-dropped",
        "generation-of-register-ignored",
        "fence-dropped",
        "failure-acknowledged",
        "deduplication-by-person",
        "batch-by-person",
        "change-never-sent",
    ],
)
def test_a_bug_is_reported(bug: str) -> None:
    """A product with a bug is found out within some histories."""
    with SEEDED_BUGS[bug].plant():
        assert any(violations(*simulated_history(seed)) for seed in range(SEEDS))
