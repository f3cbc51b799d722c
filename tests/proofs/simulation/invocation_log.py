"""The faults that an invocation met, and whether they explain its answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.proofs.simulation.scheduler import SECOND
from workers.aws.messages import event_group
from workers.domain.commands import Cancel, Register

if TYPE_CHECKING:
    from tests.proofs.simulation.dynamodb.fake import Change
    from tests.proofs.simulation.simulation import Simulation

_PATIENCE = 5 * SECOND
"""After this time an invocation may leave the rest for the next one."""
_MEMORY = 60 * SECOND


@dataclass(slots=True)
class InvocationLog:
    """An invocation, by the `name` of its process. `troubles` are the calls (operation, request) that failed, were
    incomplete or read a lagging index; `hidden` are the visibility timeouts in seconds that it set, by receipt handle.
    """

    function: str
    name: str
    began: int = 0
    troubles: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    hidden: dict[str, int] = field(default_factory=dict)

    def met(self, operation: str, request: dict[str, Any]) -> None:
        """Record a call that failed or was incomplete."""
        self.troubles.append((operation, request))

    def called(self, operation: str, request: dict[str, Any]) -> None:
        """Record a call that is about to be made."""
        if operation == "change_message_visibility_batch":
            self.hidden |= {entry["ReceiptHandle"]: entry["VisibilityTimeout"] for entry in request["Entries"]}


class RetryReasons:
    """The reasons for which a registrar may want the messages of a group again."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._writes: deque[tuple[int, str | None, str]] = deque()

    def wrote(self, changes: list[Change]) -> None:
        """Record a committed write: when, by which process, of which group."""
        now, writer = self._sim.scheduler.now, self._sim.scheduler.turn
        while self._writes and self._writes[0][0] < now - _MEMORY:
            self._writes.popleft()
        for change in changes:
            if "eventId" in change.after:
                self._writes.append((now, writer, event_group(change.after["eventId"]["S"])))

    def has(self, invocation: InvocationLog, group: str, messages: list[dict[str, Any]]) -> bool:
        """Return whether there is a reason for this group. A fault of several groups at once is none: each of them must
        be tried alone."""
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
        """Return whether a record of the group could not be decoded."""
        histories = (history for history in self._sim.histories.values() if event_group(history.event_id) == group)
        return any(history.damaged(key, began, ended) for history in histories for key in history.damages)

    def _named(self, invocation: InvocationLog, messages: list[dict[str, Any]]) -> Iterator[set[str]]:
        """Yield the groups that each trouble concerns."""
        events = {key: history.event_id for history in self._sim.histories.values() for key in history.records}
        for message in messages:
            if isinstance(command := self._sim.messages.command(message["Body"]), Register | Cancel):
                events[command.registration_id] = command.event_id
        for operation, request in invocation.troubles:
            if operation == "send_message":
                yield {request["MessageGroupId"]}
            elif operation != "change_message_visibility_batch":
                yield set(map(event_group, _events(operation, request, events)))


def _events(operation: str, request: dict[str, Any], events: dict[str, str]) -> Iterator[str]:
    """Yield the events that a request is about; `events` has those of registrations."""
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
