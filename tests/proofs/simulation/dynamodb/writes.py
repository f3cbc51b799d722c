"""One write of the in-memory DynamoDB, in three steps: parse the request, locate the item, judge by what is stored."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from tests.proofs.simulation.dynamodb.errors import Invalid, RequestRefused
from tests.proofs.simulation.dynamodb.expressions import (
    NAMES,
    VALUES,
    Names,
    Test,
    Update,
    Values,
    bind,
    condition,
    update,
)
from tests.proofs.simulation.dynamodb.tables import Table
from tests.proofs.simulation.dynamodb.values import checked, key_text
from workers.aws.items import Item

CONDITIONAL = ("ConditionExpression", "ReturnValuesOnConditionCheckFailure", NAMES, VALUES)
ACTIONS = {
    "Put": frozenset({"TableName", "Item", *CONDITIONAL}),
    "Update": frozenset({"TableName", "Key", "UpdateExpression", *CONDITIONAL}),
}
"""The actions of a transaction, and the parameters that each may have."""
_NOTHING: dict[str, Any] = {}


class ConditionFailed(RequestRefused):
    """The condition does not hold. The response has the stored item if the request asks for it."""

    def __init__(self, params: Item, stored: Item | None) -> None:
        wanted = params.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and stored is not None
        more = {"Item": dict(stored or {})} if wanted else {}
        super().__init__("ConditionalCheckFailedException", "The conditional request failed", **more)


@dataclass(slots=True)
class Write:
    """A Put or an Update of the item `key` in `table`.

    After `judge`, `before` is what is stored (None: nothing), and `after` what is to be stored; `touched` are the
    attributes that an update names.
    """

    table: Table
    key: str
    params: Item
    condition: Test | None
    update: Update | None
    names: Names
    values: Values
    after: Item
    before: Item | None = None
    touched: Collection[str] = ()

    def judge(self) -> None:
        """ConditionFailed if the condition does not hold, Invalid if the stored item cannot be changed like that."""
        before = self.before = self.table.items.get(self.key)
        if self.condition is not None and not self.condition(before or _NOTHING, self.names, self.values):
            raise ConditionFailed(self.params, before)
        if self.update is None:
            return
        self.touched = self.update.targets(self.names)
        if self.table.primary in self.touched:
            raise Invalid(f"Cannot update attribute {self.table.primary}. This attribute is part of the key")
        base = before if before is not None else self.params["Key"]
        self.after = checked(self.update.apply(base, self.names, self.values))


def parsed(action: str, params: Item, table: Table) -> Write:
    """Parse a write."""
    one_of(params, "ReturnValuesOnConditionCheckFailure", {"NONE", "ALL_OLD"})
    found = condition(params["ConditionExpression"]) if "ConditionExpression" in params else None
    changes = update(params["UpdateExpression"]) if action == "Update" else None
    texts = tuple(params[name] for name in ("ConditionExpression", "UpdateExpression") if name in params)
    names, values = bind(params, texts, table.key_names)
    item = checked(params["Item"]) if changes is None else {}
    key = key_text(item[table.primary]) if changes is None else table.key(params["Key"])
    return Write(table, key, params, found, changes, names, values, item)


def one_of(params: Item, name: str, known: Collection[str]) -> str:
    """Return a setting that may be NONE."""
    value: str = params.get(name, "NONE")
    if value not in known:
        raise NotImplementedError(f"the in-memory DynamoDB does not know {name} {value}")
    return value
