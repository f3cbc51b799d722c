"""Checks what a registrar reports as failed and what it parks: both need a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.proofs.simulation.scheduler import SECOND
from workers.aws.messages import event_group
from workers.domain.commands import Cancel, Recount, Register

if TYPE_CHECKING:
    from tests.proofs.simulation.invocation_log import InvocationLog
    from tests.proofs.simulation.simulation import Simulation

REPORTED = "a failed message takes the later ones of its group with it"
NEEDLESS = "nothing is delivered again without a reason"
HIDDEN = "failed messages are retried soon"

_LONGEST_WAIT, _LONGEST_WAIT_LATE = 30, 900
"""The longest wait of a failed message in seconds, and that from the 21st delivery on."""
_QUICK_RECEIVES = 20
_HELD = 40 * SECOND
"""The longest time from a read to the parking of a message: a registrar's timeout and a late effect."""


class DeliveryChecker:
    """Checks a registrar's answers against the faults that it met."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim

    def answered(self, messages: list[dict[str, Any]], answer: dict[str, Any], invocation: InvocationLog) -> set[str]:
        """Return the ids that are reported as failed: only received messages, from a message to the end of its group,
        with a reason."""
        failed = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
        ids = {message["MessageId"] for message in messages}
        stopped: set[str] = set()
        for message in messages:
            group = message["Attributes"]["MessageGroupId"]
            if message["MessageId"] in failed:
                stopped.add(group)
            elif group in stopped:
                self._sim.broken(REPORTED, f"{message['MessageId']} is behind one that failed")
        if not ids.issuperset(failed):
            self._sim.broken(REPORTED, f"{set(failed) - ids} were not received")
        for group in sorted(stopped):
            own = [message for message in messages if message["Attributes"]["MessageGroupId"] == group]
            if not self._sim.retry_reasons.has(invocation, self._event_group(group, own), messages):
                self._sim.broken(NEEDLESS, f"{invocation.name} wants {group} again without a reason")
        self._check_hidden([message for message in messages if message["MessageId"] in failed], invocation)
        return set(failed)

    def _event_group(self, group: str, messages: list[dict[str, Any]]) -> str:
        """Return a group, or for a group of recounts that of the event's other commands."""
        command = self._sim.messages.command(messages[0]["Body"])
        return event_group(command.event_id) if isinstance(command, Recount) else group

    def _check_hidden(self, failed: list[dict[str, Any]], invocation: InvocationLog) -> None:
        """Check that failed messages wait for some seconds, not for the queue's visibility timeout."""
        for message in failed:
            seconds = invocation.hidden.get(message["ReceiptHandle"])
            late = int(message["Attributes"]["ApproximateReceiveCount"]) > _QUICK_RECEIVES
            if seconds is None or not 0 < seconds <= (_LONGEST_WAIT_LATE if late else _LONGEST_WAIT):
                self._sim.broken(HIDDEN, f"{invocation.name} lets {message['MessageId']} wait for {seconds}")

    def may_be_parked(self, reason: str, body: str, group: str) -> bool:
        """Return whether a message may be parked: it is no command, in a wrong group, about no event, or about an
        undecodable record. Every command here can be decided, so `failed` is no reason."""
        if reason.startswith("failed"):
            return False
        command, now = self._sim.messages.command(body, group), self._sim.scheduler.now
        if command is None or command.event_id not in self._sim.histories:
            return True
        if not isinstance(command, Register | Cancel):
            return False
        return self._sim.histories[command.event_id].damaged(command.registration_id, now - _HELD, now)
