"""Conditional changes of events (`If-Match`): who wrote what, and whether the answers agree."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from api.http.etag import revision_of
from tests.proofs.simulation.state_history import Timeline, between
from tests.proofs.simulation.workload import LATEST
from workers.aws.items import Item

if TYPE_CHECKING:
    from tests.proofs.simulation.response_checker import Answered
    from tests.proofs.simulation.workload import RequestStep


_TAG = re.compile(r'"(\d+)\.\d+"')


@dataclass(frozen=True, slots=True)
class EventWrite:
    """A change that was made: when (microseconds since 1970), over which revision, and its id."""

    at: int
    over: int
    change_id: str


class ConditionalChanges:
    """The changes of all events."""

    def __init__(self) -> None:
        self._made_by: dict[str, str] = {}
        self._written: dict[str, list[EventWrite]] = {}
        self._revisions: dict[str, Timeline[int]] = {}
        self._tags: dict[str, str] = {}

    def begins(self, process: str, change_id: str) -> str:
        """Record which process has this id for its change."""
        self._made_by[change_id] = process
        return change_id

    def wrote(self, now: int, before: Item | None, after: Item) -> None:
        """Record a write of an event, by a PATCH or with its seats."""
        event_id, over = after["eventId"]["S"], revision_of(before or {})
        if revision_of(after) != over:
            self._revisions.setdefault(event_id, []).append((now, revision_of(after)))
            self._written.setdefault(event_id, []).append(EventWrite(now, over, after["changeId"]["S"]))

    def seen(self, event_id: str, headers: Mapping[str, str]) -> None:
        """Record the entity tag of an answer, if any."""
        if "ETag" in headers:
            self._tags[event_id] = headers["ETag"]

    def aimed(self, step: RequestStep) -> RequestStep:
        """Return the request with the latest entity tag, or without a condition if there is none yet."""
        if step.headers.get("if-match") != LATEST:
            return step
        tag = self._tags.get(step.event_id)
        others = {name: value for name, value in step.headers.items() if name != "if-match"}
        return replace(step, headers=others | ({"if-match": tag} if tag else {}))

    def hold(self, answered: Answered) -> bool:
        """Return whether a 412 wrote nothing and found another revision, and a success replaced the right one."""
        event_id, wanted = answered.step.event_id, _TAG.fullmatch(answered.step.headers.get("if-match", ""))
        if wanted is None:
            return answered.status != 412
        own = [
            written
            for written in self._written.get(event_id, [])
            if self._made_by[written.change_id] == answered.process and written.at <= answered.ended
        ]
        if answered.status != 412:
            return [written.over for written in own] == [int(wanted[1])]
        found = between(self._revisions.get(event_id, []), answered.began, answered.ended)
        return not own and not answered.sent and any((revision or 0) != int(wanted[1]) for revision in found)
