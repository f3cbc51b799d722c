"""The reads of the in-memory DynamoDB: attributes of an item, pages of an index, pages of a table."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

from tests.proofs.simulation.dynamodb.errors import Invalid, wrong_parameter
from tests.proofs.simulation.dynamodb.expressions import NAMES, bind, key_condition, projection
from tests.proofs.simulation.dynamodb.tables import MAX_SORT_KEY_BYTES, Index, Row, Table
from tests.proofs.simulation.dynamodb.values import Value, checked, key_text
from workers.aws.items import Item


def projected(params: Item, table: Table) -> Callable[[Item], Item]:
    """Return a function that copies an item, with some attributes or all."""
    if "ProjectionExpression" not in params:
        if NAMES in params:
            raise Invalid(f"{NAMES} can only be specified when using expressions")
        return dict
    found = projection(params["ProjectionExpression"])
    names, _ = bind(params, (found.uses,), table.key_names)
    shown = [path(names) for path in found.paths]
    if len(shown) != len(set(shown)):
        raise Invalid("Invalid ProjectionExpression: Two document paths overlap with each other")
    return lambda item: {name: item[name] for name in shown if name in item}


def check_page(params: Item) -> None:
    """Raise botocore's error if the limit is below 1, NotImplementedError for a Select other than COUNT."""
    limit, select = params.get("Limit", 1), params.get("Select")
    if limit < 1:
        raise wrong_parameter(f"Invalid value for parameter Limit, value: {limit}, valid min value: 1")
    if select not in {None, "COUNT"}:
        raise NotImplementedError(f"the in-memory DynamoDB does not know Select {select}")


def index_page(params: Item, table: Table) -> Item:
    """Answer a Query of an index."""
    if "IndexName" not in params:
        raise NotImplementedError("a Query of a table without an index: its partitions are single items")
    index = table.indexes.get(params["IndexName"])
    if index is None:
        raise Invalid(f"The table does not have the specified index: {params['IndexName']}")
    if params.get("ConsistentRead"):
        raise Invalid("Consistent reads are not supported on global secondary indexes")
    partition, rows = _rows(params, table, index)
    if params.get("ScanIndexForward", True) is False:
        rows = rows[::-1]
    length, cut = _length(params, len(rows))
    entries = [index.entry(partition, row) for row in rows[:length]]
    return _page(params, entries, entries[-1] if cut else None)


def table_page(params: Item, table: Table) -> Item:
    """Answer a Scan."""
    show, start = projected(params, table), params.get("ExclusiveStartKey")
    if "Select" in params and "ProjectionExpression" in params:
        raise Invalid("Cannot specify the ProjectionExpression when choosing to get only the Count")
    keys = table.keys_behind(None if start is None else table.key(start))
    length, cut = _length(params, len(keys))
    last = {table.primary: {"S": keys[length - 1]}} if cut else None
    return _page(params, [show(table.items[key]) for key in keys[:length]], last)


def _length(params: Item, number: int) -> tuple[int, bool]:
    """Return how many are on a page, and whether it has a LastEvaluatedKey: at the limit, even if nothing follows."""
    limit: int = params.get("Limit", number + 1)
    return min(number, limit), limit <= number


def _page(params: Item, entries: list[Item], last: Item | None) -> Item:
    select = params.get("Select")
    shown = {"Items": entries} if select is None else {}
    cut = {"LastEvaluatedKey": last} if last is not None else {}
    return {**shown, "Count": len(entries), "ScannedCount": len(entries), **cut}


def _rows(params: Item, table: Table, index: Index) -> tuple[str, Sequence[Row]]:
    """Return the partition, and its rows with the prefix that is asked for."""
    partition, prefix = _range(params, table, index)
    rows, last = index.rows(partition), _beyond(prefix)
    start = bisect_left(rows, (prefix,))
    end = len(rows) if last is None else bisect_left(rows, (last,))
    if "ExclusiveStartKey" in params:
        row = _start_row(params["ExclusiveStartKey"], index, partition)
        if row[0] < prefix or (last is not None and row[0] >= last):
            raise Invalid("The provided starting key does not match the range key predicate")
        if params.get("ScanIndexForward", True):
            start = max(start, bisect_right(rows, row))
        else:
            end = min(end, bisect_left(rows, row))
    return partition, rows[start:end]


def _range(params: Item, table: Table, index: Index) -> tuple[str, str]:
    """Return the partition and the prefix of the sort key ("": any)."""
    found = key_condition(params["KeyConditionExpression"])
    names, values = bind(params, (found.uses,), table.key_names)
    parts = dict(zip((path(names) for path in found.paths), (values[token] for token in found.values), strict=True))
    if list(parts) not in ([index.partition], [index.partition, index.sort]):
        raise Invalid("Query condition missed key schema element, or names another attribute")
    partition = key_text(parts[index.partition], index.partition)
    prefix = parts.get(index.sort)
    return partition, "" if prefix is None else key_text(prefix, index.sort, MAX_SORT_KEY_BYTES)


def _beyond(prefix: str) -> str | None:
    """Return the first text behind all that begin with this; None if there is none."""
    stem = prefix.rstrip("\U0010ffff")
    return stem[:-1] + chr(ord(stem[-1]) + 1) if stem else None


def _start_row(key: dict[str, Value], index: Index, partition: str) -> Row:
    if key.keys() != {index.primary, index.partition, index.sort}:
        raise Invalid("The provided starting key is invalid")
    checked(key)
    texts = {name: key_text(value, name) for name, value in key.items()}
    if texts[index.partition] != partition:
        raise Invalid("The provided starting key is outside query boundaries based on provided conditions")
    return index.row(texts[index.sort], texts[index.primary])
