"""Those who call the API: they ask again where nothing answered, and each answer is held against the truth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from api.http.routes import ROUTES
from tests.proofs.simulation.engine import SECOND, Ended
from tests.proofs.simulation.lambdas import RAISED
from tests.proofs.simulation.response_checker import Answered, Truth, Walk
from tests.support.http_events import http_event

if TYPE_CHECKING:
    from tests.proofs.simulation.lambdas import Function
    from tests.proofs.simulation.workload import Step
    from tests.proofs.simulation.world import World

_TRIES = 3


@dataclass(slots=True)
class Asked:
    """A request, and when it was answered; None if nobody knows what became of it."""

    step: Step
    began: int
    ended: int | None = None
    status: int | None = None
    replayed: bool = False


class Callers:
    """All of them. `functions` are those of the API, by name; `asked` has every request, in order."""

    def __init__(self, world: World, functions: Mapping[str, Function]) -> None:
        self._world = world
        self._functions = functions
        self._truth = Truth(world)
        self.asked: list[Asked] = []

    def send(self, step: Step) -> None:
        """Somebody makes a request."""
        self._send(self._world.changes.aimed(step), 1, Walk(self._world.engine.now))

    def _send(self, step: Step, tries: int, walk: Walk) -> None:
        """Of what failed or was not answered nobody can know what became of it: it is asked again."""
        world, name = self._world, f"{step}, try {tries}"
        world.note("%s", step)
        asked = Asked(step, world.engine.now)
        self.asked.append(asked)

        def ended(how: Ended) -> None:
            if how.error is not None:
                world.broken(RAISED, f"{step}: {how.error!r}")
            elif how.killed or how.value["statusCode"] >= 500:
                world.note("%s: %s", step, "no answer" if how.killed else how.value["statusCode"])
                if not how.killed:
                    self._check(asked, name, walk, how.value)
                if tries < _TRIES and not world.engine.stopped:
                    world.engine.after(SECOND * 2**tries, lambda: self._send(step, tries + 1, walk))
            else:
                asked.ended, asked.status = world.engine.now, how.value["statusCode"]
                asked.replayed = "Idempotent-Replayed" in how.value["headers"]
                self._check(asked, name, walk, how.value)

        method, path, body = step.request()
        headers = {"content-type": "application/json", **step.headers}
        event = http_event(method, path, None if body is None else json.dumps(body), headers, step.query)
        named = path.replace("%20", " ")
        function = next(r.function for r in ROUTES if r.method == method and r.ids_in(named) is not None)
        self._functions[function].invoke(event, ended, name)

    def _check(self, asked: Asked, process: str, walk: Walk, value: Mapping[str, Any]) -> None:
        world, step = self._world, asked.step
        body = json.loads(value["body"]) if value["body"] else None
        world.note("%s: %s %s", step, value["statusCode"], value["body"])
        sent, now = tuple(world.messages.sent_by(process)), world.engine.now
        answered = Answered(value["statusCode"], value["headers"], body, step, asked.began, now, process, sent, walk)
        self._truth.check(answered)
        world.changes.seen(step.event_id, value["headers"])
        if answered.next is not None and not world.engine.stopped:
            further = replace(step, query=step.query | {"cursor": answered.next})
            self._send(further, 1, walk.on(answered))
