"""What lies between a function and AWS: time, and everything that can go wrong on the way there and back.

`Client` stands where the SDK's client stands: it makes three attempts, as `workers.aws.clients` sets it up, and all
attempts of one transaction carry the same ClientRequestToken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from tests.simulation.dynamodb.fake import Paginator
from tests.simulation.engine import SECOND, Process
from tests.simulation.faults import BEFORE, Fault

if TYPE_CHECKING:
    from tests.simulation.world import World

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
    """An attempt failed in a way that the SDK tries again."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Client:
    """A client of `service` whose calls end at `target`, in memory."""

    def __init__(self, world: World, service: str, target: Any) -> None:
        self._world = world
        self._service = service
        self._target = target
        self.exceptions = getattr(target, "exceptions", None)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        perform = getattr(self._target, operation)
        likely = _likely(operation)

        def call(**request: Any) -> Any:
            return self._call(operation, perform, likely, request)

        self.__dict__[operation] = call
        return call

    def get_paginator(self, operation: str) -> Paginator:
        """A walk over pages, each of them a call."""
        return Paginator(getattr(self, operation))

    def _call(self, operation: str, perform: Callable[..., Any], likely: list[Fault], request: dict[str, Any]) -> Any:
        process = self._world.engine.current
        diary = self._world.diaries.get(process.name)
        if operation == "transact_write_items":
            request.setdefault("ClientRequestToken", self._world.new_token())
        if diary is not None:
            diary.called(operation, request)
        for attempt in range(_ATTEMPTS):
            if attempt:
                process.pause(int(process.chance.random() * 2 ** (attempt - 1) * SECOND))
            try:
                return self._attempt(process, operation, perform, likely, request)
            except _TryAgain as failed:
                error = failed.error
            except ClientError as refusal:
                refusal.response["ResponseMetadata"]["RetryAttempts"] = attempt
                if diary is not None:
                    diary.met(operation, request)
                raise
        if diary is not None:
            diary.met(operation, request)
            self._world.failed[diary.function, operation] += 1
        raise error

    def _attempt(
        self,
        process: Process,
        operation: str,
        perform: Callable[..., Any],
        likely: list[Fault],
        request: dict[str, Any],
    ) -> Any:
        world = self._world
        fault = world.faults.one_of(likely, process.chance)
        world.steps += 1
        process.pause(self._travel(process, fault))
        if outage := world.outages.met(self._service, operation, request, world.engine.now):
            raise self._out_of_breath(operation, throttled=outage.throttled)
        if fault is not None and (refused := self._on_the_way(process, fault, operation, perform, request)):
            raise refused
        answer, refusal = None, None
        try:
            answer = self._perform(process, fault, operation, perform, request)
        except ClientError as error:
            refusal = error
        world.note("%s: %s%s", process.name, operation, f" -> {_code(refusal)}" if refusal else "")
        process.pause(self._travel(process, None))
        if fault is Fault.CRASH:
            world.count(fault, process.name, "behind", operation)
            process.die()
        if fault is Fault.ANSWER_LOST and refusal is None:
            world.count(fault, process.name, operation)
            raise _TryAgain(EndpointConnectionError(endpoint_url=self._service))
        if refusal is not None:
            raise refusal
        return answer

    def _on_the_way(
        self, process: Process, fault: Fault, operation: str, perform: Callable[..., Any], request: dict[str, Any]
    ) -> Exception | None:
        """What happens instead of the effect. None if the request gets through."""
        world = self._world
        if fault is Fault.CRASH and process.chance.random() < 0.5:
            world.count(fault, process.name, "in front of", operation)
            process.die()
        if fault in BEFORE:
            world.count(fault, process.name, operation)
            if fault is Fault.RESET:
                return _TryAgain(EndpointConnectionError(endpoint_url=self._service))
            return self._out_of_breath(operation, throttled=fault is Fault.THROTTLE)
        if fault is Fault.CONFLICT:
            world.count(fault, process.name, operation)
            return self._conflict(operation, request)
        if fault is Fault.TIMEOUT:
            world.count(fault, process.name, operation)
            self._lose(process, operation, perform, request)
            process.pause(_READ_TIMEOUT)
            return _TryAgain(ReadTimeoutError(endpoint_url=self._service))
        return None

    def _out_of_breath(self, operation: str, *, throttled: bool) -> _TryAgain:
        code = _CODES[self._service][0 if throttled else 1]
        return _TryAgain(_error(code, operation, 400 if throttled else 503))

    def _lose(self, process: Process, operation: str, perform: Callable[..., Any], request: dict[str, Any]) -> None:
        """The request takes effect some time, nobody hears of it: now, late, or never."""
        when = process.chance.choice((0, 0, None, process.chance.randrange(20 * SECOND)))
        if when is None or operation not in _WRITES:
            return

        def arrive() -> None:
            try:
                perform(**request)
            except ClientError as error:
                self._world.note("%s, late: %s -> %s", process.name, operation, _code(error))
            else:
                self._world.count(Fault.LATE_EFFECT, process.name, operation)

        self._world.engine.after(when, arrive)

    def _perform(
        self,
        process: Process,
        fault: Fault | None,
        operation: str,
        perform: Callable[..., Any],
        request: dict[str, Any],
    ) -> Any:
        world = self._world
        if fault is Fault.PARTIAL_BATCH:
            return self._partly(process, perform, request)
        if fault is Fault.UNPROCESSED_KEYS:
            return self._leave_keys(process, perform, request)
        if fault is Fault.TORN_READ:
            return self._tear(process, perform, request)
        if fault is Fault.LATENCY:
            world.count(fault, process.name, operation)
        if operation == "query" and world.index_lag.is_met():
            self._left_out(process, operation, request)
        return self._perhaps_old(process, operation, request, perform(**request))

    def _perhaps_old(self, process: Process, operation: str, request: dict[str, Any], answer: Any) -> Any:
        """What was not asked for consistently, DynamoDB may answer as it was a moment ago."""
        if operation == "get_item":
            return self._world.past.get_item(request, answer, process.chance)
        if operation == "batch_get_item":
            return self._world.past.batch_get_item(request, answer, process.chance)
        return answer

    def _left_out(self, process: Process, operation: str, request: dict[str, Any]) -> None:
        """An answer without some of what is there."""
        if (diary := self._world.diaries.get(process.name)) is not None:
            diary.met(operation, request)

    def _partly(self, process: Process, perform: Callable[..., Any], request: dict[str, Any]) -> Any:
        entries = request["Entries"]
        refused = [entry for entry in entries if process.chance.random() < 0.5] or entries[:1]
        self._world.count(Fault.PARTIAL_BATCH, process.name, f"{len(refused)} of {len(entries)}")
        taken = [entry for entry in entries if entry not in refused]
        answer = perform(**request | {"Entries": taken}) if taken else {"Successful": []}
        failed = [{"Id": entry["Id"], "Code": "InternalError", "SenderFault": False} for entry in refused]
        return {"Successful": answer["Successful"], "Failed": failed}

    def _leave_keys(self, process: Process, perform: Callable[..., Any], request: dict[str, Any]) -> Any:
        left, asked = _parted(process, request["RequestItems"], 0.4)
        if left:
            count = sum(len(wanted["Keys"]) for wanted in left.values())
            self._world.count(Fault.UNPROCESSED_KEYS, process.name, str(count))
            self._left_out(process, "batch_get_item", {"RequestItems": left})
        answer = perform(RequestItems=asked) if asked else {"Responses": {}}
        return {"Responses": answer["Responses"], "UnprocessedKeys": left}

    def _tear(self, process: Process, perform: Callable[..., Any], request: dict[str, Any]) -> Any:
        """BatchGetItem is no snapshot: each item is as it was at some moment of the call."""
        late, early = _parted(process, request["RequestItems"], 0.5)
        if not late or not early:
            return perform(**request)
        found, was = perform(RequestItems=early)["Responses"], perform(RequestItems=late)["Responses"]
        process.pause(process.chance.randrange(2 * SECOND))
        then = perform(RequestItems=late)["Responses"]
        if then != was:
            self._world.count(Fault.TORN_READ, process.name, ", ".join(then))
        return {"Responses": {table: found.get(table, []) + then.get(table, []) for table in found | then}}

    def _conflict(self, operation: str, request: dict[str, Any]) -> Exception:
        if operation != "transact_write_items":
            error = self._target.exceptions.TransactionConflictException
            return error(_response("TransactionConflictException", 400), operation)  # type: ignore[no-any-return]
        reasons = [{"Code": "TransactionConflict"}] + [{"Code": "None"}] * (len(request["TransactItems"]) - 1)
        response = _response("TransactionCanceledException", 400) | {"CancellationReasons": reasons}
        return self._target.exceptions.TransactionCanceledException(response, operation)  # type: ignore[no-any-return]

    def _travel(self, process: Process, fault: Fault | None) -> int:
        """Microseconds of half a round trip: mostly short, sometimes not, so that all orders come about."""
        if fault is Fault.LATENCY:
            return process.chance.randrange(SECOND // 10, 2 * SECOND)
        return int(500 + 4000 * process.chance.random() ** 4 * 10)


def _likely(operation: str) -> list[Fault]:
    """The faults that a call of this operation can meet."""
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


def _parted(process: Process, wanted: Mapping[str, Any], share: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keys of a BatchGetItem as two requests: each key in the first one with the probability `share`."""
    parts: tuple[dict[str, Any], dict[str, Any]] = {}, {}
    for table, asked in wanted.items():
        for key in asked["Keys"]:
            part = parts[0 if process.chance.random() < share else 1]
            part.setdefault(table, dict(asked) | {"Keys": []})["Keys"].append(key)
    return parts


def _response(code: str, status: int) -> dict[str, Any]:
    return {"Error": {"Code": code, "Message": "on demand"}, "ResponseMetadata": {"HTTPStatusCode": status}}


def _error(code: str, operation: str, status: int) -> ClientError:
    return ClientError(_response(code, status), operation)  # type: ignore[arg-type]  # its type knows more fields


def _code(error: ClientError | None) -> str:
    return error.response["Error"]["Code"] if error else ""
