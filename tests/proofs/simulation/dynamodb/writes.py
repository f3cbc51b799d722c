"""One write of the in-memory DynamoDB, in three steps: parse the request, locate the item, judge by what is stored."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from tests.proofs.simulation.dynamodb.errors import Invalid, RequestRefused
from tests.proofs.simulation.dynamodb.expressions import (
    NAMES,
    VALUES,
    Condition,
    Names,
    Update,
    Values,
    bind,
    condition,
    update,
)
from tests.proofs.simulation.dynamodb.tables import Listing, Table
from tests.proofs.simulation.dynamodb.values import checked
from workers.aws.items import Item

CONDITIONAL = ("ConditionExpression", "ReturnValuesOnConditionCheckFailure", NAMES, VALUES)
_NEEDS = {"Put": frozenset({"TableName", "Item"}), "Update": frozenset({"TableName", "Key", "UpdateExpression"})}
ACTIONS = {action: (needs, needs.union(CONDITIONAL)) for action, needs in _NEEDS.items()}
"""The actions of a transaction: the parameters that each must have, and those that it may have."""
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

    After `judge`, `before` is what is stored (None: nothing), `after` what is to be stored, listed in
    the indexes as `listing`; `touched` are the attributes that an update names.
    """

    table: Table
    key: str
    params: Item
    condition: Condition | None
    update: Update | None
    names: Names
    values: Values
    after: Item
    before: Item | None = None
    listing: Listing = ()
    touched: Collection[str] = ()

    def judge(self) -> None:
        """ConditionFailed if the condition does not hold, Invalid if the stored item cannot be changed like that."""
        before = self.before = self.table.items.get(self.key)
        if self.update is None:
            self.listing = self.table.listing(self.after)
        if self.condition is not None and not self.condition.holds(before or _NOTHING, self.names, self.values):
            raise ConditionFailed(self.params, before)
        if self.update is None:
            return
        self.touched = self.update.targets(self.names)
        if self.table.primary in self.touched:
            raise Invalid(f"Cannot update attribute {self.table.primary}. This attribute is part of the key")
        base = before if before is not None else dict(self.params["Key"])
        self.after = checked(self.update.apply(base, self.names, self.values))
        self.listing = self.table.listing(self.after)


def parsed(action: str, params: Item, table: Table) -> Write:
    """Parse a write. Invalid if its expressions or its item make no sense in this table."""
    one_of(params, "ReturnValuesOnConditionCheckFailure", {"NONE", "ALL_OLD"})
    found = condition(params["ConditionExpression"]) if "ConditionExpression" in params else None
    changes = update(params["UpdateExpression"]) if action == "Update" else None
    names, values = bind(params, [part.uses for part in (found, changes) if part is not None], table.key_names)
    if changes is not None:
        changes.targets(names)
        return Write(table, table.key(params["Key"]), params, found, changes, names, values, {})
    item = checked(params["Item"])
    return Write(table, table.key_in(item), params, found, None, names, values, item)


def one_of(params: Item, name: str, known: Collection[str]) -> str:
    """Return a setting that may be NONE. Invalid if DynamoDB has no such value."""
    value: str = params.get(name, "NONE")
    if value not in known:
        raise Invalid(f"Value '{value}' at '{name}' failed to satisfy constraint: Member must satisfy enum value set")
    return value
