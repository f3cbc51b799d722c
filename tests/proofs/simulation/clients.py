"""SimulatedClients of the API: they repeat what failed or was not answered, and every answer is checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from api.http.routes import ROUTES
from tests.proofs.simulation.lambdas import RAISED
from tests.proofs.simulation.response_checker import Answered, ResponseChecker, Walk
from tests.proofs.simulation.scheduler import SECOND, ProcessEnd
from tests.support.http_events import http_event

if TYPE_CHECKING:
    from tests.proofs.simulation.lambdas import SimulatedFunction
    from tests.proofs.simulation.simulation import Simulation
    from tests.proofs.simulation.workload import RequestStep

_TRIES = 3


@dataclass(slots=True)
class SentRequest:
    """A request, and its answer below 500; `ended` is None as long as there is none."""

    step: RequestStep
    began: int
    ended: int | None = None
    status: int | None = None
    body: Any = None
    replayed: bool = False


class SimulatedClients:
    """All clients. `functions` are those of the API, by name; `sent` has every request, in order."""

    def __init__(self, sim: Simulation, functions: Mapping[str, SimulatedFunction]) -> None:
        self._sim = sim
        self._functions = functions
        self._checker = ResponseChecker(sim)
        self.sent: list[SentRequest] = []

    def send(self, step: RequestStep) -> None:
        """Send a request."""
        self._send(self._sim.changes.aimed(step), 1, Walk(self._sim.scheduler.now))

    def _send(self, step: RequestStep, tries: int, walk: Walk) -> None:
        sim, name = self._sim, f"{step}, try {tries}"
        sim.note("%s", step)
        sent = SentRequest(step, sim.scheduler.now)
        self.sent.append(sent)

        def ended(how: ProcessEnd) -> None:
            if how.error is not None:
                sim.broken(RAISED, f"{step}: {how.error!r}")
                return
            status, body = (None, None) if how.killed else (how.value["statusCode"], how.value["body"])
            sim.note("%s: %s %s", step, status or "no answer", body)
            if status is not None and status < 500:
                sent.ended, sent.status = sim.scheduler.now, status
                sent.body, sent.replayed = json.loads(body or "null"), "Idempotent-Replayed" in how.value["headers"]
            if not how.killed:
                self._check(sent, name, walk, how.value)
            if sent.ended is None and tries < _TRIES and not sim.scheduler.stopped:
                sim.scheduler.after(SECOND * 2**tries, lambda: self._send(step, tries + 1, walk))

        method, path, body = step.request()
        headers = {"content-type": "application/json", **step.headers}
        event = http_event(method, path, None if body is None else json.dumps(body), headers, step.query)
        named = path.replace("%20", " ")
        function = next(r.function for r in ROUTES if r.method == method and r.ids_in(named) is not None)
        self._functions[function].invoke(event, ended, name)

    def _check(self, sent: SentRequest, process: str, walk: Walk, value: Mapping[str, Any]) -> None:
        sim, step = self._sim, sent.step
        body = json.loads(value["body"]) if value["body"] else None
        commands, now = tuple(sim.messages.sent_by(process)), sim.scheduler.now
        answered = Answered(value["statusCode"], value["headers"], body, step, sent.began, now, process, commands, walk)
        self._checker.check(answered)
        sim.changes.seen(step.event_id, value["headers"])
        if answered.next is not None and not sim.scheduler.stopped:
            self._send(replace(step, query=step.query | {"cursor": answered.next}), 1, walk.on(answered))
