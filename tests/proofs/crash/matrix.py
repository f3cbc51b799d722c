"""Each story once undisturbed, then once for each call that was made in it, with the caller killed before or after.

What is expected of a run in which somebody died is what came of the story when nobody did.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.proofs.crash.case import NO_ANSWER, PATIENT, Case
from tests.proofs.crash.state import State
from tests.proofs.crash.stories import Story
from tests.proofs.crash.target import API, Target
from tests.proofs.crash.wire import Point, Side, Step

ATTEMPTS = 3
"""How often a point is tried that does not fire: on a busy machine a call may be left out, or come in another order."""

_FIRING_SECONDS = 10.0
_STRAGGLERS_SECONDS = 0.5
"""After all is at rest the stream may still ring a bell for what is settled already: those calls are part of it."""

_BACK_SECONDS = 20.0

DID_NOT_FIRE = "nobody was killed"


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """A story in which nobody dies: its calls, how things stand before and after, what its client hears (None if it has
    none), and what it would hear if it asked the same again."""

    steps: Sequence[Step]
    before: State
    after: State
    reply: str | None
    again: str | None

    @property
    def points(self) -> list[Point]:
        """Where somebody can die in it."""
        return [Point(step, side) for step in self.steps for side in Side]

    def asked(self, point: Point) -> bool:
        """Whether what the client wants is on its way, when a function that it waits for dies there."""
        own = [step for step in self.steps if step.function == point.step.function]
        sends = next(step for step in own if step.call.startswith(("PutItem", "SendMessage")))
        return point.step.number > sends.number or (point.step == sends and point.side is Side.AFTER)


@dataclass(frozen=True, slots=True)
class Run:
    """A story in which somebody was killed at a point: how things stood at that moment (None if nobody was killed), and
    at rest; whether the function that died was run again; what the client heard, and then again; how things stood in
    the end."""

    crash: State | None
    back: bool
    rest: State
    reply: str | None
    again: str | None
    end: State


@dataclass(frozen=True, slots=True)
class Result:
    """What was found at one point of a story: nothing, if all is well. `heard` is what its client heard, if it has one;
    `log` what the functions logged, if something was found."""

    story: str
    point: Point
    attempts: int
    fired: bool
    heard: str | None
    findings: Sequence[str]
    log: Sequence[str]


def undisturbed(target: Target, story: Story) -> Undisturbed:
    """Runs the story to its end."""
    case = Case(target, PATIENT)
    telling = story(case)
    next(telling)
    before = case.settle()
    target.wire.watch(case.ids)
    next(telling, None)
    after = case.settle()
    time.sleep(_STRAGGLERS_SECONDS)
    steps = target.wire.steps
    target.wire.watch(())
    again = None if case.reply is None else case.repeat()
    return Undisturbed(steps, before, after, case.reply, again)


def results(target: Target, name: str, story: Story) -> Iterator[Result]:
    """Runs the story once for each of its points. ValueError if it is not sound when nobody dies."""
    model = undisturbed(target, story)
    if wrong := (*model.before.unrest, *model.after.broken, *model.after.unrest):
        raise ValueError(f"undisturbed: {'; '.join(wrong)}")
    for point in model.points:
        yield _try(target, name, story, model, point)


def _try(target: Target, name: str, story: Story, model: Undisturbed, point: Point) -> Result:
    began, fired, attempt = time.time(), False, 0
    while not fired and attempt < ATTEMPTS:
        attempt += 1
        case = Case(target)
        try:
            run = killed(case, story, point)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what was found here
            found = [f"the story broke off: {type(error).__name__}: {error}"]
        else:
            fired, found = run.crash is not None, findings(model, point, run)
    log = [line for event_id in case.events.values() for line in target.logged(event_id, began)] if found else []
    return Result(name, point, attempt, fired, case.reply, found, log)


def killed(case: Case, story: Story, point: Point) -> Run:
    """Runs the story, kills somebody at the point, and lets the client ask again when all is at rest."""
    wire = case.target.wire
    telling = story(case)
    next(telling)
    case.settle()
    crash: list[State] = []
    wire.watch(case.ids, point, lambda: crash.append(case.look()))
    next(telling, None)
    back = wire.fired(_FIRING_SECONDS) and (point.step.function in API or wire.back(_BACK_SECONDS))
    wire.watch(())
    rest = case.settle()
    again = None if case.reply is None else case.repeat()
    end = rest if again is None else case.settle()
    return Run(next(iter(crash), None), back, rest, case.reply, again, end)


def findings(model: Undisturbed, point: Point, run: Run) -> list[str]:
    """What is wrong with a run, in sentences."""
    if run.crash is None:
        return [DID_NOT_FIRE]
    found = [f"at the crash: {sentence}" for sentence in run.crash.broken if sentence not in model.before.broken]
    if not run.back:
        found.append(f"the {point.step.function} was not run again")
    died_on_the_client = point.step.function in API
    asked = not died_on_the_client or model.asked(point)
    found += _wrong("at rest", run.rest, model.after if asked else model.before)
    if run.end != run.rest:
        found += _wrong("in the end", run.end, model.after)
    if run.reply is None:
        return found
    if died_on_the_client and not run.reply.startswith(("5", NO_ANSWER)):
        found.append(f"the client heard {run.reply} of a function that had died")
    if not died_on_the_client and not run.reply.startswith(("202", str(model.reply))):
        found.append(f"the client heard {run.reply}; without the crash {model.reply}")
    promised = str(model.reply).startswith("202")
    expected = model.again if asked or promised else model.reply
    if run.again != expected:
        found.append(f"the client asked again and heard {run.again}; it should have been {expected}")
    return found


def _wrong(moment: str, state: State, expected: State) -> list[str]:
    """What is wrong with a state in itself, and where it is not as expected."""
    facts, others = state.facts, expected.facts
    return [f"{moment}: {sentence}" for sentence in (*state.broken, *state.unrest)] + [
        f"{moment}: {name}: {facts.get(name, 'nothing')}; it should be: {others.get(name, 'nothing')}"
        for name in sorted({*facts, *others})
        if facts.get(name) != others.get(name)
    ]
