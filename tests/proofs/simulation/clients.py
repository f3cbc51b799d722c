"""Those who call the API: they ask again where nothing answered, and each answer is held against the truth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from api.http.routes import ROUTES
from tests.proofs.simulation.lambdas import RAISED
from tests.proofs.simulation.response_checker import Answered, ResponseChecker, Walk
from tests.proofs.simulation.scheduler import SECOND, Ended
from tests.support.http_events import http_event

if TYPE_CHECKING:
    from tests.proofs.simulation.lambdas import SimulatedFunction
    from tests.proofs.simulation.simulation import Simulation
    from tests.proofs.simulation.workload import RequestStep

_TRIES = 3


@dataclass(slots=True)
class SentRequest:
    """A request, and when it was answered; None if nobody knows what became of it."""

    step: RequestStep
    began: int
    ended: int | None = None
    status: int | None = None
    replayed: bool = False


class Clients:
    """All of them. `functions` are those of the API, by name; `asked` has every request, in order."""

    def __init__(self, sim: Simulation, functions: Mapping[str, SimulatedFunction]) -> None:
        self._sim = sim
        self._functions = functions
        self._checker = ResponseChecker(sim)
        self.asked: list[SentRequest] = []

    def send(self, step: RequestStep) -> None:
        """Somebody makes a request."""
        self._send(self._sim.changes.aimed(step), 1, Walk(self._sim.scheduler.now))

    def _send(self, step: RequestStep, tries: int, walk: Walk) -> None:
        """Of what failed or was not answered nobody can know what became of it: it is asked again."""
        sim, name = self._sim, f"{step}, try {tries}"
        sim.note("%s", step)
        asked = SentRequest(step, sim.scheduler.now)
        self.asked.append(asked)

        def ended(how: Ended) -> None:
            if how.error is not None:
                sim.broken(RAISED, f"{step}: {how.error!r}")
            elif how.killed or how.value["statusCode"] >= 500:
                sim.note("%s: %s", step, "no answer" if how.killed else how.value["statusCode"])
                if not how.killed:
                    self._check(asked, name, walk, how.value)
                if tries < _TRIES and not sim.scheduler.stopped:
                    sim.scheduler.after(SECOND * 2**tries, lambda: self._send(step, tries + 1, walk))
            else:
                asked.ended, asked.status = sim.scheduler.now, how.value["statusCode"]
                asked.replayed = "Idempotent-Replayed" in how.value["headers"]
                self._check(asked, name, walk, how.value)

        method, path, body = step.request()
        headers = {"content-type": "application/json", **step.headers}
        event = http_event(method, path, None if body is None else json.dumps(body), headers, step.query)
        named = path.replace("%20", " ")
        function = next(r.function for r in ROUTES if r.method == method and r.ids_in(named) is not None)
        self._functions[function].invoke(event, ended, name)

    def _check(self, asked: SentRequest, process: str, walk: Walk, value: Mapping[str, Any]) -> None:
        sim, step = self._sim, asked.step
        body = json.loads(value["body"]) if value["body"] else None
        sim.note("%s: %s %s", step, value["statusCode"], value["body"])
        sent, now = tuple(sim.messages.sent_by(process)), sim.scheduler.now
        answered = Answered(value["statusCode"], value["headers"], body, step, asked.began, now, process, sent, walk)
        self._checker.check(answered)
        sim.changes.seen(step.event_id, value["headers"])
        if answered.next is not None and not sim.scheduler.stopped:
            further = replace(step, query=step.query | {"cursor": answered.next})
            self._send(further, 1, walk.on(answered))
