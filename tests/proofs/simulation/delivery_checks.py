"""What a registrar gives back to the queue, and what it gives up: neither without a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.proofs.simulation.scheduler import SECOND
from workers.aws.messages import group_of
from workers.domain.commands import Cancel, Recount, Register

if TYPE_CHECKING:
    from tests.proofs.simulation.invocation_log import InvocationLog
    from tests.proofs.simulation.simulation import Simulation

REPORTED = "a failed message takes the later ones of its group with it"
NEEDLESS = "nothing is delivered again without need"
HIDDEN = "what failed is tried again soon"

_LONGEST_WAIT, _LONGEST_WAIT_LATE = 30, 900
"""Seconds that a failed message waits for its next delivery at most, and from the 21st delivery on."""
_QUICK_RECEIVES = 20
_HELD = 40 * SECOND
"""At most so long after it was read a message arrives among the dead letters: a registrar's time and a late effect."""


class DeliveryChecker:
    """Holds what a registrar answers to the queue's poller against what it met."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim

    def answered(self, messages: list[dict[str, Any]], answer: dict[str, Any], invocation: InvocationLog) -> set[str]:
        """The ids that the registrar wants again; it may name only what it got, and a group from there to its end, and
        only for a reason."""
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
                self._sim.broken(NEEDLESS, f"{invocation.name} wants {group} again, which nothing stood in the way of")
        self._check_hidden([message for message in messages if message["MessageId"] in failed], invocation)
        return set(failed)

    def _event_group(self, group: str, messages: list[dict[str, Any]]) -> str:
        """A group, or if it is one of recounts, that of the event's other commands."""
        command = self._sim.messages.command(messages[0]["Body"])
        return group_of(command.event_id) if isinstance(command, Recount) else group

    def _check_hidden(self, failed: list[dict[str, Any]], invocation: InvocationLog) -> None:
        """What failed waits for some seconds, not for the timeout of the queue: the registrar has asked for that."""
        for message in failed:
            seconds = invocation.hidden.get(message["ReceiptHandle"])
            late = int(message["Attributes"]["ApproximateReceiveCount"]) > _QUICK_RECEIVES
            if seconds is None or not 0 < seconds <= (_LONGEST_WAIT_LATE if late else _LONGEST_WAIT):
                self._sim.broken(HIDDEN, f"{invocation.name} lets {message['MessageId']} wait for {seconds}")

    def may_be_parked(self, reason: str, body: str, group: str) -> bool:
        """Whether a message may be given up: it is no command, or in a wrong group, or about no event; or its record
        could not be read while it was held. That it `failed` is no reason: here every command can be decided."""
        if reason.startswith("failed"):
            return False
        command, now = self._sim.messages.command(body, group), self._sim.scheduler.now
        if command is None or command.event_id not in self._sim.histories:
            return True
        if not isinstance(command, Register | Cancel):
            return False
        return self._sim.histories[command.event_id].damaged(command.registration_id, now - _HELD, now)
