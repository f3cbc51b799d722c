"""Add to DynamoDB Local what it lacks: the time that a request takes, and the conflicts of transactions.

Conflicts as "Transaction conflict handling in DynamoDB" specifies them
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html): a TransactWriteItems with an
item that is part of another transaction under way is cancelled, with the code TransactionConflict for that item; a
PutItem, UpdateItem or DeleteItem of such an item gets a TransactionConflictException. Non-transactional reads never
conflict.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from tests.support.faults import refusal
from tests.tools.bench import latencies
from tests.tools.bench.units import Schemas, writes_of
from workers.aws.items import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class ModelledDynamoDB:
    """Puts itself between clients and DynamoDB Local; clients of the same model conflict with each other.

    A request takes its published median (`tests.tools.bench.latencies`) or, if that is more, as long as DynamoDB Local
    does; a transaction that meets a conflict takes as long as one that does not. A transaction locks its items for a
    share of its time, `locked` (0 to 1): nobody publishes how long. `conflicts` counts the requests that met one.
    """

    def __init__(self, reader: DynamoDBClient, locked: float = 1.0) -> None:
        self._schemas = Schemas(reader)
        self._share = locked
        self._locked: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self.conflicts = 0

    def attach(self, client: DynamoDBClient) -> None:
        """Make the client's calls take as long, and conflict, as on AWS."""
        events: Any = client.meta.events
        events.register("before-parameter-build.dynamodb", self._note)
        events.register("before-call.dynamodb", self._begin)
        events.register("after-call.dynamodb", self._end)
        events.register("after-call-error.dynamodb", self._end)

    def _note(self, params: Item, model: Any, context: Item, **_: Any) -> None:
        context["modelled"] = params, modelled_ms(model.name, params) / 1000

    def _begin(self, model: Any, context: Item, **_: Any) -> Any:
        params, seconds = context["modelled"]
        began = time.monotonic()
        context["until"] = began + seconds
        context["unlock"] = began + seconds * self._share
        keys = [(write["TableName"], str(self._schemas.key_of(write))) for write in writes_of(model.name, params)]
        with self._lock:
            taken = [key in self._locked for key in keys]
            context["locked"] = [] if any(taken) or model.name != "TransactWriteItems" else keys
            self._locked.update(context["locked"])
            self.conflicts += any(taken)
        if not any(taken):
            return None
        if model.name != "TransactWriteItems":
            return refusal("TransactionConflictException")
        reasons = [{"Code": "TransactionConflict" if conflicting else "None"} for conflicting in taken]
        return refusal("TransactionCanceledException", CancellationReasons=reasons)

    def _end(self, context: Item, **_: Any) -> None:
        time.sleep(max(0.0, context["unlock"] - time.monotonic()))
        with self._lock:
            self._locked.difference_update(context["locked"])
        time.sleep(max(0.0, context["until"] - time.monotonic()))


def modelled_ms(operation: str, params: Item) -> float:
    """Return the median time of a request on AWS. KeyError for an operation without a published latency."""
    if operation == "TransactWriteItems":
        return latencies.transaction_ms(len(params["TransactItems"]))
    if operation == "BatchGetItem":
        return latencies.batch_get_ms(sum(len(wanted["Keys"]) for wanted in params["RequestItems"].values()))
    return {"Query": latencies.QUERY_MS, "PutItem": latencies.PUT_MS, "UpdateItem": latencies.PUT_MS}[operation]
