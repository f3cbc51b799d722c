"""What one invocation of a function met, and whether that explains what it answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.proofs.simulation.scheduler import SECOND
from workers.aws.messages import group_of
from workers.domain.commands import Cancel, Register

if TYPE_CHECKING:
    from tests.proofs.simulation.dynamodb.fake import Change
    from tests.proofs.simulation.simulation import Simulation

_PATIENCE = 5 * SECOND
"""Whoever has worked for so long may leave the rest for the next time."""
_MEMORY = 60 * SECOND


@dataclass(slots=True)
class InvocationLog:
    """One invocation, known by the `name` of its process. `troubles` are calls that failed, left something out, or
    asked an index that lagged: operation and request. `hidden` are the messages that it let wait, by receipt handle,
    and for how many seconds."""

    function: str
    name: str
    began: int = 0
    troubles: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    hidden: dict[str, int] = field(default_factory=dict)

    def met(self, operation: str, request: dict[str, Any]) -> None:
        """A call did not go as it should."""
        self.troubles.append((operation, request))

    def called(self, operation: str, request: dict[str, Any]) -> None:
        """A call is about to be made; what becomes of it is another matter."""
        if operation == "change_message_visibility_batch":
            self.hidden |= {entry["ReceiptHandle"]: entry["VisibilityTimeout"] for entry in request["Entries"]}


class RetryReasons:
    """Why a registrar may want the messages of a group again."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._writes: deque[tuple[int, str | None, str]] = deque()

    def wrote(self, changes: list[Change]) -> None:
        """Something was committed: remembers when, by whom and for which group."""
        now, writer = self._sim.scheduler.now, self._sim.scheduler.turn
        while self._writes and self._writes[0][0] < now - _MEMORY:
            self._writes.popleft()
        for change in changes:
            if "eventId" in change.after:
                self._writes.append((now, writer, group_of(change.after["eventId"]["S"])))

    def has(self, invocation: InvocationLog, group: str, messages: list[dict[str, Any]]) -> bool:
        """Whether something stood in the way of this group. What stood in the way of several at once is none: then each
        of them is to be tried alone, and either that went wrong too, or it went well."""
        now = self._sim.scheduler.now
        return (
            now - invocation.began > _PATIENCE
            or any(
                at >= invocation.began and who != invocation.name and whose == group for at, who, whose in self._writes
            )
            or self._damaged(group, invocation.began, now)
            or any(named <= {group} for named in self._named(invocation, messages))
        )

    def _damaged(self, group: str, began: int, ended: int) -> bool:
        """Somebody's record could not be read: of whom a command is about, or at the head of the line."""
        histories = (history for history in self._sim.histories.values() if group_of(history.event_id) == group)
        return any(history.damaged(key, began, ended) for history in histories for key in history.damages)

    def _named(self, invocation: InvocationLog, messages: list[dict[str, Any]]) -> Iterator[set[str]]:
        """The groups that each trouble is about."""
        events = {key: history.event_id for history in self._sim.histories.values() for key in history.records}
        for message in messages:
            if isinstance(command := self._sim.messages.command(message["Body"]), Register | Cancel):
                events[command.registration_id] = command.event_id
        for operation, request in invocation.troubles:
            if operation == "send_message":
                yield {request["MessageGroupId"]}
            elif operation != "change_message_visibility_batch":
                yield set(map(group_of, _events(operation, request, events)))


def _events(operation: str, request: dict[str, Any], events: dict[str, str]) -> Iterator[str]:
    """The events that a request is about; `events` has those of registrations."""
    if operation == "query":
        yield request["ExpressionAttributeValues"][":event"]["S"]
    elif operation == "transact_write_items":
        for item in request["TransactItems"]:
            (write,) = item.values()
            yield write.get("Item", write.get("Key"))["eventId"]["S"]
    else:
        for asked in request["RequestItems"].values():
            for key in asked["Keys"]:
                yield key["eventId"]["S"] if "eventId" in key else events[key["registrationId"]["S"]]
