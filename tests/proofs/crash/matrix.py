"""Runs each scenario once undisturbed, then for each of its calls with the caller killed before and after it.

The result of the undisturbed run is what every other run must come to.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.proofs.crash.proxy import CallSite, KillPoint, Side
from tests.proofs.crash.scenario_run import NO_ANSWER, WAIT, Scenario, ScenarioRun
from tests.proofs.crash.stack_state import StackState
from tests.proofs.crash.tapped_stack import API, TappedStack

ATTEMPTS = 3
"""The number of times that a point is tried if it does not fire: on a busy machine calls may be missing or
reordered."""

_FIRING_SECONDS = 10.0
_STRAGGLERS_SECONDS = 0.5
"""The stream may still invoke the promoter when all is at rest; those calls belong to the scenario."""

_BACK_SECONDS = 20.0

DID_NOT_FIRE = "nobody was killed"


@dataclass(frozen=True, slots=True)
class Baseline:
    """An undisturbed run: its calls, the state before and after, the client's reply (None without a client), and the
    reply to a repeated request."""

    sites: Sequence[CallSite]
    before: StackState
    after: StackState
    reply: str | None
    again: str | None

    @property
    def points(self) -> list[KillPoint]:
        """All points at which a function can be killed."""
        return [KillPoint(site, side) for site in self.sites for side in Side]

    def is_sent(self, point: KillPoint) -> bool:
        """Return whether the client's command is stored or queued when the API's function is killed there."""
        own = [site for site in self.sites if site.function == point.site.function]
        sends = next(site for site in own if site.call.startswith(("PutItem", "SendMessage")))
        return point.site.number > sends.number or (point.site == sends and point.side is Side.AFTER)


@dataclass(frozen=True, slots=True)
class KilledRun:
    """A run with a killed function: the state at the kill (None if it did not happen) and at rest, whether the function
    ran again, the client's reply, that to a repeated request, and the final state."""

    crash: StackState | None
    back: bool
    rest: StackState
    reply: str | None
    again: str | None
    end: StackState


@dataclass(frozen=True, slots=True)
class PointResult:
    """The findings at one point; also the client's reply, and the functions' log if something is wrong."""

    scenario: str
    point: KillPoint
    attempts: int
    fired: bool
    heard: str | None
    findings: Sequence[str]
    log: Sequence[str]

    @property
    def verdict(self) -> str:
        """The result in a word."""
        return ("VIOLATED" if self.findings else "well") if self.fired else "did not fire"

    def as_json(self) -> dict[str, object]:
        """Return the result as plain values."""
        site = self.point.site
        return {
            "story": self.scenario,
            "function": site.function,
            "number": site.number,
            "call": site.call,
            "side": self.point.side,
            "fired": self.fired,
            "attempts": self.attempts,
            "heard": self.heard,
            "findings": list(self.findings),
        }


def run_baseline(stack: TappedStack, scenario: Scenario) -> Baseline:
    """Run a scenario undisturbed."""
    run = ScenarioRun(stack, WAIT)
    steps = scenario(run)
    next(steps)
    before = run.settle()
    stack.proxy.watch(run.ids)
    next(steps, None)
    after = run.settle()
    time.sleep(_STRAGGLERS_SECONDS)
    sites = stack.proxy.sites
    stack.proxy.watch(())
    again = None if run.reply is None else run.repeat()
    return Baseline(sites, before, after, run.reply, again)


def results(stack: TappedStack, name: str, scenario: Scenario) -> Iterator[PointResult]:
    """Run a scenario for each of its points. ValueError if it is wrong by itself."""
    baseline = run_baseline(stack, scenario)
    if wrong := (*baseline.before.unrest, *baseline.after.broken, *baseline.after.unrest):
        raise ValueError(f"undisturbed: {'; '.join(wrong)}")
    for point in baseline.points:
        yield _try(stack, name, scenario, baseline, point)


def _try(stack: TappedStack, name: str, scenario: Scenario, baseline: Baseline, point: KillPoint) -> PointResult:
    began, fired, attempt = time.time(), False, 0
    while not fired and attempt < ATTEMPTS:
        attempt += 1
        run = ScenarioRun(stack)
        try:
            killed = run_killed(run, scenario, point)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            found = [f"the scenario failed: {type(error).__name__}: {error}"]
        else:
            fired, found = killed.crash is not None, findings(baseline, point, killed)
    log = [line for event_id in run.events.values() for line in stack.logged(event_id, began)] if found else []
    return PointResult(name, point, attempt, fired, run.reply, found, log)


def run_killed(run: ScenarioRun, scenario: Scenario, point: KillPoint) -> KilledRun:
    """Run a scenario, kill a function at the point, and repeat the client's request at rest."""
    proxy = run.stack.proxy
    steps = scenario(run)
    next(steps)
    run.settle()
    crash: list[StackState] = []
    proxy.watch(run.ids, point, lambda: crash.append(run.state()))
    next(steps, None)
    back = proxy.fired(_FIRING_SECONDS) and (point.site.function in API or proxy.back(_BACK_SECONDS))
    proxy.watch(())
    rest = run.settle()
    again = None if run.reply is None else run.repeat()
    end = rest if again is None else run.settle()
    return KilledRun(next(iter(crash), None), back, rest, run.reply, again, end)


def findings(baseline: Baseline, point: KillPoint, run: KilledRun) -> list[str]:
    """Return a sentence for everything that is wrong with a run."""
    if run.crash is None:
        return [DID_NOT_FIRE]
    found = [f"at the crash: {sentence}" for sentence in run.crash.broken if sentence not in baseline.before.broken]
    if not run.back:
        found.append(f"the {point.site.function} was not run again")
    api_died = point.site.function in API
    sent = not api_died or baseline.is_sent(point)
    found += _wrong("at rest", run.rest, baseline.after if sent else baseline.before)
    if run.end != run.rest:
        found += _wrong("in the end", run.end, baseline.after)
    if run.reply is None:
        return found
    if api_died and not run.reply.startswith(("5", NO_ANSWER)):
        found.append(f"the client got {run.reply} from a dead function")
    if not api_died and not run.reply.startswith(("202", str(baseline.reply))):
        found.append(f"the client got {run.reply}; without the crash {baseline.reply}")
    accepted = str(baseline.reply).startswith("202")
    expected = baseline.again if sent or accepted else baseline.reply
    if run.again != expected:
        found.append(f"the client tried again and got {run.again}; it should have been {expected}")
    return found


def _wrong(moment: str, state: StackState, expected: StackState) -> list[str]:
    """Return what is wrong with a state by itself, and where it is not as expected."""
    facts, others = state.facts, expected.facts
    return [f"{moment}: {sentence}" for sentence in (*state.broken, *state.unrest)] + [
        f"{moment}: {name}: {facts.get(name, 'nothing')}; it should be: {others.get(name, 'nothing')}"
        for name in sorted({*facts, *others})
        if facts.get(name) != others.get(name)
    ]
