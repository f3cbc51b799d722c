"""The paged reads of the in-memory DynamoDB: a partition of an index, and a table."""

from __future__ import annotations

from typing import Any

from tests.proofs.simulation.dynamodb.errors import Invalid
from tests.proofs.simulation.dynamodb.expressions import bind, key_condition
from tests.proofs.simulation.dynamodb.tables import Place, Table
from tests.proofs.simulation.dynamodb.values import key_text
from workers.aws.items import Item


def index_page(params: Item, table: Table, place: Place) -> Item:
    """Answer a Query of an index, by sort key."""
    index, text = table.indexes[params["IndexName"]], params["KeyConditionExpression"]
    parts = key_condition(text)
    names, values = bind(params, (text,), table.key_names)
    wanted = {names.get(path, path): [key_text(values[value]) for value in bounds] for path, *bounds in parts}
    if list(wanted) not in ([index.partition], [index.partition, index.sort]):
        raise Invalid("Query condition missed key schema element, or names another attribute")
    (partition,), bounds = wanted[index.partition], wanted.get(index.sort, [""])
    if bounds[0] > bounds[-1]:
        raise Invalid("The BETWEEN operator requires upper bound to be greater than or equal to lower bound")
    rows = [
        (sort, place(primary), primary)
        for sort, primary in index.rows(partition)
        if (sort.startswith(bounds[0]) if len(bounds) == 1 else bounds[0] <= sort <= bounds[1])
    ]
    if start := params.get("ExclusiveStartKey"):
        behind = key_text(start[index.sort]), place(key_text(start[table.primary]))
        rows = [row for row in rows if row[:2] > behind]
    entries = [
        {table.primary: {"S": primary}, index.partition: {"S": partition}, index.sort: {"S": sort}}
        for sort, _, primary in sorted(rows)
    ]
    return _page(params, entries, (table.primary, index.partition, index.sort))


def table_page(params: Item, table: Table, place: Place) -> Item:
    """Answer a Scan."""
    shown = params["ProjectionExpression"].split(", ") if "ProjectionExpression" in params else None
    if shown is not None and shown != [table.primary]:
        raise NotImplementedError(f"the in-memory DynamoDB's {table.name} does not know the projection {shown}")
    keys = sorted(table.items, key=place)
    if start := params.get("ExclusiveStartKey"):
        keys = [key for key in keys if place(key) > place(table.key(start))]
    items = [table.items[key] for key in keys]
    entries = [dict(item) if shown is None else {name: item[name] for name in shown} for item in items]
    return _page(params, entries, (table.primary,))


def _page(params: Item, entries: list[Item], key: tuple[str, ...]) -> dict[str, Any]:
    """Return a page, with a LastEvaluatedKey if it ends at the limit, even if nothing follows."""
    limit, select = params.get("Limit", len(entries) + 1), params.get("Select")
    if select not in {None, "COUNT"}:
        raise NotImplementedError(f"the in-memory DynamoDB does not know Select {select}")
    page = entries[:limit]
    shown = {"Items": page} if select is None else {}
    cut = {"LastEvaluatedKey": {name: page[-1][name] for name in key}} if limit <= len(entries) else {}
    return {**shown, "Count": len(page), "ScannedCount": len(page), **cut}
