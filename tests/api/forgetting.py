"""Somebody who is to be forgotten, with something at each of five events."""

from __future__ import annotations

from tests.support.canaries import person
from tests.support.pipeline import Pipeline

EVENTS = ("waited-for", "waiting", "promised", "undecided", "left")
ANN = person("ann")


def register_everywhere(pipeline: Pipeline) -> None:
    """ann has a seat for which bob waits, waits herself before bob, has a promise, another one that she is taking back,
    and gave one back long ago."""
    pipeline.request("POST", "/users", ANN)
    for user_id in ("bob", "cid"):
        pipeline.add_user(user_id)
    for event_id in EVENTS:
        pipeline.add_event(event_id, 1, hasWaitlist=True)
    for event_id, users in {"waited-for": ["ann", "bob"], "waiting": ["cid", "ann", "bob"], "left": ["ann"]}.items():
        for user_id in users:
            assert pipeline.register(event_id, user_id).status == 201
    assert pipeline.cancel("left", "ann").status == 204
    for event_id in ("promised", "undecided"):
        assert pipeline.register(event_id, "ann", Prefer="respond-async").status == 202
    assert pipeline.cancel("undecided", "ann", Prefer="respond-async").status == 202
