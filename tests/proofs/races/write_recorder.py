"""Records the writes of a race on their way to DynamoDB, refuses some as conflicts, and loses some answers."""

from __future__ import annotations

import json
import threading
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ConnectionClosedError

from tests.support.faults import refusal
from workers.aws.items import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_REFUSED, _UNHEARD, _NEVER_HEARD = 5, 12, 3
"""Every fifth write is refused. Of every twelfth the answer is lost, of every third of those for good. They are
counted, not drawn, so that all of it happens in every race."""
_REASONS = [{"Code": "TransactionConflict"}]
_CONFLICTS = {
    "TransactWriteItems": refusal("TransactionCanceledException", CancellationReasons=_REASONS),
    "PutItem": refusal("TransactionConflictException"),
}


class WriteRecorder:
    """Hooks of a DynamoDB client.

    `writes` has tables and items of each request that wrote, in the wire format; `stream` gets the ledgers that pass
    the stream's filter. During a `meeting`, the first commit of each thread waits there for the others, without a
    fault.
    """

    def __init__(self, client: DynamoDBClient) -> None:
        self.client = client
        self.writes: list[list[tuple[str, Item]]] = []
        self.stream = deque[Item]()
        self.meeting: threading.Barrier | None = None
        self.counts = Counter[str]()
        self._http: Any = client._endpoint.http_session  # type: ignore[attr-defined]  # what lies below the retries
        self._met = threading.local()
        self._lost_for_good: dict[str, bool] = {}  # by token of each transaction that was made
        self._turns = Counter[str]()
        self._lock = threading.Lock()
        events: Any = client.meta.events
        for operation in _CONFLICTS:
            events.register(f"before-call.dynamodb.{operation}", self._refuse)
            events.register(f"before-send.dynamodb.{operation}", self._send)

    def _refuse(self, model: Any, **_: Any) -> Any:
        if self.meeting is not None and not hasattr(self._met, "already"):
            self._met.already = True
            self.meeting.wait()
            return None
        return _CONFLICTS[model.name] if self._its_turn(_REFUSED, f"conflicts of {model.name}") else None

    def _send(self, request: Any, **_: Any) -> Any:
        response = self._http.send(request)
        if response.status_code == 200 and self._answer_is_lost(json.loads(request.body)):
            raise ConnectionClosedError(endpoint_url=request.url)
        if b"ConditionalCheckFailed" in response.content:
            self._its_turn(1, "failed conditions")
        return response

    def _answer_is_lost(self, body: dict[str, Any]) -> bool:
        token = body.get("ClientRequestToken")
        if token in self._lost_for_good:  # the SDK's own retry
            return self._lost_for_good[token] or not self._its_turn(1, "answers that a retry got")
        puts = [write["Put"] for write in body["TransactItems"] if "Put" in write] if token else [body]
        self.writes.append([(put["TableName"], put["Item"]) for put in puts])
        self.stream += [put["Item"] for put in puts if "promotable" in put["Item"]]
        lost = self._its_turn(_UNHEARD, "lost answers")
        if token:
            self._lost_for_good[token] = lost and self._its_turn(_NEVER_HEARD, "answers lost for good")
        return lost

    def _its_turn(self, every: int, what: str) -> bool:
        with self._lock:
            self._turns[what] += 1
            due = self._turns[what] % every == 0
            self.counts[what] += due
            return due
