"""The network between a function and AWS: latency and faults.

`FaultyClient` replaces the SDK's client: it makes three attempts, as `workers.aws.clients` configures, and all attempts
of one transaction carry the same ClientRequestToken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from tests.proofs.simulation.dynamodb.fake import Paginator
from tests.proofs.simulation.faults import BEFORE, Fault
from tests.proofs.simulation.invocation_log import InvocationLog
from tests.proofs.simulation.scheduler import SECOND, SimulatedProcess

if TYPE_CHECKING:
    from tests.proofs.simulation.simulation import Simulation

_ATTEMPTS = 3
_READ_TIMEOUT = 3 * SECOND
_WRITES = frozenset(
    {"put_item", "update_item", "transact_write_items", "send_message", "send_message_batch", "delete_message_batch"}
)
_CONFLICTING = frozenset({"put_item", "update_item", "transact_write_items"})
_CODES = {
    "dynamodb": ("ProvisionedThroughputExceededException", "InternalServerError"),
    "sqs": ("RequestThrottled", "ServiceUnavailable"),
}


class _TryAgain(Exception):
    """An attempt failed, and the SDK retries it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class _Call:
    """One call of a client, and the faults that it can meet."""

    operation: str
    request: dict[str, Any]
    perform: Callable[..., Any]
    likely: Sequence[Fault]


class FaultyClient:
    """A client of `service` whose calls go to `target`, in memory."""

    def __init__(self, sim: Simulation, service: str, target: Any) -> None:
        self._sim = sim
        self._service = service
        self._target = target
        self.exceptions = getattr(target, "exceptions", None)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        perform = getattr(self._target, operation)
        likely = _likely(operation)

        def call(**request: Any) -> Any:
            return self._call(_Call(operation, request, perform, likely))

        self.__dict__[operation] = call
        return call

    def get_paginator(self, operation: str) -> Paginator:
        """Return a paginator whose pages are calls."""
        return Paginator(getattr(self, operation))

    def _call(self, call: _Call) -> Any:
        process = self._sim.scheduler.current
        invocation = self._invocation(process)
        if call.operation == "transact_write_items":
            call.request.setdefault("ClientRequestToken", self._sim.new_id())
        invocation.called(call.operation, call.request)
        for attempt in range(_ATTEMPTS):
            if attempt:
                process.pause(int(process.chance.random() * 2 ** (attempt - 1) * SECOND))
            try:
                return self._attempt(process, call)
            except _TryAgain as failed:
                error = failed.error
            except ClientError as refusal:
                refusal.response["ResponseMetadata"]["RetryAttempts"] = attempt
                invocation.met(call.operation, call.request)
                raise
        invocation.met(call.operation, call.request)
        self._sim.failed[invocation.function, call.operation] += 1
        raise error

    def _invocation(self, process: SimulatedProcess) -> InvocationLog:
        """Return the log of a process; one that nobody reads for the operator's."""
        return self._sim.invocations.get(process.name) or InvocationLog("operator", process.name)

    def _attempt(self, process: SimulatedProcess, call: _Call) -> Any:
        sim = self._sim
        fault = sim.faults.one_of(call.likely, process.chance)
        sim.steps += 1
        process.pause(self._travel(process, fault))
        if outage := sim.outages.met(self._service, call.operation, call.request, sim.scheduler.now):
            raise self._out_of_breath(call, throttled=outage.throttled)
        if fault is not None and (refused := self._on_the_way(process, fault, call)):
            raise refused
        answer, refusal = None, None
        try:
            answer = self._perform(process, fault, call)
        except ClientError as error:
            refusal = error
        sim.note("%s: %s%s", process.name, call.operation, f" -> {_code(refusal)}" if refusal else "")
        process.pause(self._travel(process, None))
        if fault is Fault.CRASH:
            sim.count(fault, process.name, "behind", call.operation)
            process.die()
        if fault is Fault.ANSWER_LOST and refusal is None:
            sim.count(fault, process.name, call.operation)
            raise _TryAgain(EndpointConnectionError(endpoint_url=self._service))
        if refusal is not None:
            raise refusal
        return answer

    def _on_the_way(self, process: SimulatedProcess, fault: Fault, call: _Call) -> Exception | None:
        """Return the error if the request does not get through."""
        sim = self._sim
        if fault is Fault.CRASH and process.chance.random() < 0.5:
            sim.count(fault, process.name, "in front of", call.operation)
            process.die()
        if fault in {*BEFORE, Fault.CONFLICT, Fault.TIMEOUT}:
            sim.count(fault, process.name, call.operation)
        match fault:
            case Fault.RESET:
                return _TryAgain(EndpointConnectionError(endpoint_url=self._service))
            case Fault.THROTTLE | Fault.SERVER_ERROR:
                return self._out_of_breath(call, throttled=fault is Fault.THROTTLE)
            case Fault.CONFLICT:
                return self._conflict(call)
            case Fault.TIMEOUT:
                self._lose(process, call)
                process.pause(_READ_TIMEOUT)
                return _TryAgain(ReadTimeoutError(endpoint_url=self._service))
            case _:
                return None

    def _out_of_breath(self, call: _Call, *, throttled: bool) -> _TryAgain:
        code = _CODES[self._service][0 if throttled else 1]
        return _TryAgain(ClientError(_response(code, 400 if throttled else 503), call.operation))

    def _lose(self, process: SimulatedProcess, call: _Call) -> None:
        """Let the request take effect now, late or never, without an answer."""
        when = process.chance.choice((0, 0, None, process.chance.randrange(20 * SECOND)))
        if when is None or call.operation not in _WRITES:
            return

        def arrive() -> None:
            try:
                call.perform(**call.request)
            except ClientError as error:
                self._sim.note("%s, late: %s -> %s", process.name, call.operation, _code(error))
            else:
                self._sim.count(Fault.LATE_EFFECT, process.name, call.operation)

        self._sim.scheduler.after(when, arrive)

    def _perform(self, process: SimulatedProcess, fault: Fault | None, call: _Call) -> Any:
        match fault:
            case Fault.PARTIAL_BATCH:
                return self._partly(process, call)
            case Fault.UNPROCESSED_KEYS:
                return self._leave_keys(process, call)
            case Fault.TORN_READ:
                return self._tear(process, call)
            case Fault.LATENCY:
                self._sim.count(fault, process.name, call.operation)
        if call.operation == "query" and self._sim.index_lag.is_met():
            self._invocation(process).met(call.operation, call.request)
        return self._perhaps_old(process, call, call.perform(**call.request))

    def _perhaps_old(self, process: SimulatedProcess, call: _Call, answer: Any) -> Any:
        """Answer an eventually consistent read with older items."""
        if call.operation == "get_item":
            return self._sim.stale_reads.get_item(call.request, answer, process.chance)
        if call.operation == "batch_get_item":
            return self._sim.stale_reads.batch_get_item(call.request, answer, process.chance)
        return answer

    def _partly(self, process: SimulatedProcess, call: _Call) -> Any:
        entries = call.request["Entries"]
        refused = [entry for entry in entries if process.chance.random() < 0.5] or entries[:1]
        self._sim.count(Fault.PARTIAL_BATCH, process.name, f"{len(refused)} of {len(entries)}")
        taken = [entry for entry in entries if entry not in refused]
        answer = call.perform(**call.request | {"Entries": taken}) if taken else {"Successful": []}
        failed = [{"Id": entry["Id"], "Code": "InternalError", "SenderFault": False} for entry in refused]
        return {"Successful": answer["Successful"], "Failed": failed}

    def _leave_keys(self, process: SimulatedProcess, call: _Call) -> Any:
        left, asked = _parted(process, call.request["RequestItems"], 0.4)
        if left:
            count = sum(len(wanted["Keys"]) for wanted in left.values())
            self._sim.count(Fault.UNPROCESSED_KEYS, process.name, str(count))
            self._invocation(process).met(call.operation, {"RequestItems": left})
        answer = call.perform(RequestItems=asked) if asked else {"Responses": {}}
        return {"Responses": answer["Responses"], "UnprocessedKeys": left}

    def _tear(self, process: SimulatedProcess, call: _Call) -> Any:
        """Answer a BatchGetItem, which is no snapshot, with items of two moments."""
        late, early = _parted(process, call.request["RequestItems"], 0.5)
        if not late or not early:
            return call.perform(**call.request)
        found, was = call.perform(RequestItems=early)["Responses"], call.perform(RequestItems=late)["Responses"]
        process.pause(process.chance.randrange(2 * SECOND))
        then = call.perform(RequestItems=late)["Responses"]
        if then != was:
            self._sim.count(Fault.TORN_READ, process.name, ", ".join(then))
        return {"Responses": {table: found.get(table, []) + then.get(table, []) for table in found | then}}

    def _conflict(self, call: _Call) -> Exception:
        refused: type[ClientError] = self._target.exceptions.TransactionConflictException
        response = _response("TransactionConflictException", 400)
        if call.operation == "transact_write_items":
            refused = self._target.exceptions.TransactionCanceledException
            reasons = [{"Code": "TransactionConflict"}] + [{"Code": "None"}] * (len(call.request["TransactItems"]) - 1)
            response = _response("TransactionCanceledException", 400) | {"CancellationReasons": reasons}
        return refused(response, call.operation)

    def _travel(self, process: SimulatedProcess, fault: Fault | None) -> int:
        """Return half a round trip in microseconds: mostly short, sometimes long, so that all orders occur."""
        if fault is Fault.LATENCY:
            return process.chance.randrange(SECOND // 10, 2 * SECOND)
        return int(500 + 4000 * process.chance.random() ** 4 * 10)


def _likely(operation: str) -> list[Fault]:
    """Return the faults that a call of this operation can meet."""
    faults = [Fault.CRASH, *BEFORE, Fault.LATENCY, Fault.TIMEOUT]
    if operation in _WRITES:
        faults.append(Fault.ANSWER_LOST)
    if operation in _CONFLICTING:
        faults.append(Fault.CONFLICT)
    if operation == "send_message_batch":
        faults.append(Fault.PARTIAL_BATCH)
    if operation == "batch_get_item":
        faults += (Fault.UNPROCESSED_KEYS, Fault.TORN_READ)
    return faults


def _parted(
    process: SimulatedProcess, wanted: Mapping[str, Any], share: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the keys of a BatchGetItem in two; each goes to the first part with the probability `share`."""
    parts: tuple[dict[str, Any], dict[str, Any]] = {}, {}
    for table, asked in wanted.items():
        for key in asked["Keys"]:
            part = parts[0 if process.chance.random() < share else 1]
            part.setdefault(table, dict(asked) | {"Keys": []})["Keys"].append(key)
    return parts


def _response(code: str, status: int) -> Any:
    """Make a response of botocore."""
    return {"Error": {"Code": code, "Message": "on demand"}, "ResponseMetadata": {"HTTPStatusCode": status}}


def _code(error: ClientError | None) -> str:
    return error.response["Error"]["Code"] if error else ""
