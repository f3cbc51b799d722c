"""Read the ledgers of a deployment, up to a limit that keeps the scan cheap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workers.aws.items import DECODE_ERRORS, ledger_from_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from workers.domain.records import Ledger

MAX_LEDGERS = 2000
"""The limit of one scan: eventually consistent, at some 300 bytes each, it costs less than 100 read units."""


@dataclass(frozen=True, slots=True)
class ScannedLedgers:
    """The ledgers that were read, and the ids of events with unreadable ledgers.

    `complete` is False if there are more than these.
    """

    readable: Sequence[Ledger]
    unreadable: Sequence[str]
    complete: bool

    @property
    def read(self) -> int:
        """Return the number of ledgers that were read."""
        return len(self.readable) + len(self.unreadable)


def scan_ledgers(dynamodb: DynamoDBClient, table: str) -> ScannedLedgers:
    """Read the first MAX_LEDGERS ledgers of the table, in no particular order. Raises the client's errors."""
    readable: list[Ledger] = []
    unreadable: list[str] = []
    page = dict[str, Any]()
    while True:
        left = MAX_LEDGERS - len(readable) - len(unreadable)
        answer = dynamodb.scan(TableName=table, Limit=left, **page)
        for item in answer["Items"]:
            try:
                readable.append(ledger_from_item(item))
            except DECODE_ERRORS:
                unreadable.append(item["eventId"]["S"])
        complete = "LastEvaluatedKey" not in answer
        if complete or len(readable) + len(unreadable) >= MAX_LEDGERS:
            return ScannedLedgers(readable, unreadable, complete)
        page = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
