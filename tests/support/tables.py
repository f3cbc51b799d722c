"""The tables as the stack creates them, for engines without CloudFormation (moto, DynamoDB Local).

`tests/infra` holds this and the synthesized template together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

from workers.aws.items import DATE_INDEX, EVENT_INDEX, STATUS_KEY, USER_INDEX, Item
from workers.aws.load import DecisionTables
from workers.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_MOST_AT_ONCE = 25

S = TypeVar("S", bound=Settings)


@dataclass(frozen=True, slots=True)
class TableNames:
    """The four tables of one deployment."""

    users: str = "users"
    events: str = "events"
    registrations: str = "registrations"
    ledger: str = "ledger"

    @property
    def worker(self) -> DecisionTables:
        """The tables that the registrar uses."""
        return DecisionTables(events=self.events, registrations=self.registrations, ledger=self.ledger)

    def settings(self, cls: type[S], queue_url: str = "", api_url: str = "", erasure_queue_url: str = "-") -> S:
        """Return the settings of a function that works on these tables."""
        values = {f"{name}_table": table for name, table in asdict(self).items()}
        values |= {"queue_url": queue_url, "api_url": api_url, "erasure_queue_url": erasure_queue_url}
        return cls(**{field.name: values[field.name] for field in fields(cls)})


def put_items(client: DynamoDBClient, table: str, items: Sequence[Item]) -> None:
    """Put items as they are, in batches. No emulator leaves any of them unprocessed."""
    for start in range(0, len(items), _MOST_AT_ONCE):
        puts: Any = [{"PutRequest": {"Item": item}} for item in items[start : start + _MOST_AT_ONCE]]
        left = client.batch_write_item(RequestItems={table: puts}).get("UnprocessedItems")
        assert not left, "no emulator throttles anybody"


def create_tables(client: DynamoDBClient, prefix: str = "") -> TableNames:
    """Create the four tables, empty."""
    names = TableNames(*(prefix + name for name in ("users", "events", "registrations", "ledger")))
    for name, key in ((names.users, "userId"), (names.ledger, "eventId")):
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        )
    _create_indexed(client, names.events, "eventId", {DATE_INDEX: ("status", "date")})
    indexes = {USER_INDEX: ("userId", "registeredAt"), EVENT_INDEX: ("eventId", STATUS_KEY)}
    _create_indexed(client, names.registrations, "registrationId", indexes)
    return names


def _create_indexed(client: DynamoDBClient, table: str, key: str, indexes: dict[str, tuple[str, str]]) -> None:
    attributes = dict.fromkeys([key, *(name for names in indexes.values() for name in names)])
    client.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in attributes],
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[_index(name, *keys) for name, keys in indexes.items()],
    )


def _index(name: str, partition: str, sort: str) -> Any:
    return {
        "IndexName": name,
        "KeySchema": [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }
