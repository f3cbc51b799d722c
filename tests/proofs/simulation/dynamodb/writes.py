"""One write of the in-memory DynamoDB, in three steps: what is asked, of which item, and does what is stored let it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.proofs.simulation.dynamodb.errors import Invalid, RequestRefused
from tests.proofs.simulation.dynamodb.expressions import Condition, Names, Update, Uses, Values
from tests.proofs.simulation.dynamodb.parser import condition, update
from tests.proofs.simulation.dynamodb.tables import Listing, Table
from tests.proofs.simulation.dynamodb.values import MAX_ITEM_BYTES, checked
from workers.aws.items import Item

NAMES, VALUES = "ExpressionAttributeNames", "ExpressionAttributeValues"
CONDITIONAL = ("ConditionExpression", "ReturnValuesOnConditionCheckFailure", NAMES, VALUES)
_NEEDS = {
    "Put": frozenset({"TableName", "Item"}),
    "Update": frozenset({"TableName", "Key", "UpdateExpression"}),
    "Delete": frozenset({"TableName", "Key"}),
    "ConditionCheck": frozenset({"TableName", "Key", "ConditionExpression"}),
}
ACTIONS = {action: (needs, needs.union(CONDITIONAL)) for action, needs in _NEEDS.items()}
"""The actions of a transaction: what each must have, and what it may have."""
_NOTHING: dict[str, Any] = {}
_NO_USES: tuple[Uses, ...] = ()


class ConditionFailed(RequestRefused):
    """What is stored does not meet the condition; the response has it if the request asks for it."""

    def __init__(self, params: Item, stored: Item | None) -> None:
        wanted = params.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and stored is not None
        more = {"Item": dict(stored or {})} if wanted else {}
        super().__init__("ConditionalCheckFailedException", "The conditional request failed", **more)


@dataclass(slots=True)
class Write:
    """A Put, an Update, a Delete or a ConditionCheck.

    After `locate`: the table and the primary key. After `judge`: `before` is what is stored, `after` what is to be
    (None: nothing), of `size` bytes, listed in the indexes as `listing`; `touched` are the attributes that an update
    names.
    """

    action: str
    params: Item
    condition: Condition | None
    update: Update | None
    names: Names
    values: Values
    table: Table = field(init=False)
    key: str = ""
    before: Item | None = None
    after: Item | None = None
    size: int = 0
    listing: Listing = ()
    touched: Collection[str] = ()

    def locate(self, table: Table) -> None:
        """Finds the place of the item. Invalid if it can have none in this table."""
        self.table = table
        for part in (self.condition, self.update):
            if part is not None:
                refuse_bare(part.uses, table)
        if self.after is not None:
            self.key = table.key_in(self.after)
        else:
            self.key = table.key(self.params["Key"])

    def judge(self) -> None:
        """ConditionFailed if the condition does not hold, Invalid if what is stored cannot be changed like that."""
        before = self.before = self.table.items.get(self.key)
        if self.after is not None:
            self.listing = self.table.listing(self.after)
        if self.condition is not None and not self.condition.holds(before or _NOTHING, self.names, self.values):
            raise ConditionFailed(self.params, before)
        if self.action == "ConditionCheck":
            self.after = before
            return
        if self.update is not None:
            self._change(self.update)

    def _change(self, change: Update) -> None:
        self.touched = change.targets(self.names)
        if self.table.primary in self.touched:
            raise Invalid(f"Cannot update attribute {self.table.primary}. This attribute is part of the key")
        base = self.before if self.before is not None else dict(self.params["Key"])
        self.after, self.size = checked(change.apply(base, self.names, self.values))
        if self.size > MAX_ITEM_BYTES:
            raise Invalid("Item size to update has exceeded the maximum allowed size")
        self.listing = self.table.listing(self.after)


def parsed(action: str, params: Item) -> Write:
    """What is asked. Invalid if its expressions or its item make no sense."""
    one_of(params, "ReturnValuesOnConditionCheckFailure", {"NONE", "ALL_OLD"})
    found = changes = None
    uses = _NO_USES
    if "ConditionExpression" in params:
        found = condition(params["ConditionExpression"])
        uses = (found.uses,)
    if action == "Update":
        if "UpdateExpression" not in params:
            raise NotImplementedError("an UpdateItem without an UpdateExpression")
        changes = update(params["UpdateExpression"])
        uses = (*uses, changes.uses)
    names, values = bind(params, uses)
    if changes is not None:
        changes.check(names)
    write = Write(action, params, found, changes, names, values)
    if action == "Put":
        write.after, write.size = checked(params["Item"])
        if write.size > MAX_ITEM_BYTES:
            raise Invalid("Item size has exceeded the maximum allowed size")
    return write


def one_of(params: Item, name: str, known: Collection[str]) -> str:
    """The value of a setting that may be NONE. Invalid if DynamoDB has no such value."""
    value: str = params.get(name, "NONE")
    if value not in known:
        raise Invalid(f"Value '{value}' at '{name}' failed to satisfy constraint: Member must satisfy enum value set")
    return value


def bind(params: Item, uses: Sequence[Uses]) -> tuple[Names, Values]:
    """The placeholders' names and values. Invalid if one is missing, not used, or of the wrong type."""
    names: Names = params.get(NAMES, _NOTHING)
    values: Values = params.get(VALUES, _NOTHING)
    if (not names and names is not _NOTHING) or (not values and values is not _NOTHING):
        raise Invalid(f"{NAMES} and {VALUES} must not be empty")
    if values:
        values, _ = checked(values)
    wanted_names, wanted_values = _wanted(uses)
    if names.keys() != wanted_names or values.keys() != wanted_values:
        odd = (names.keys() ^ wanted_names) | (values.keys() ^ wanted_values)
        raise Invalid(f"An expression attribute is not defined, or not used in the expressions: {sorted(odd)}")
    for use in uses:
        use.check(names, values)
    return names, values


def _wanted(uses: Sequence[Uses]) -> tuple[set[str], set[str]]:
    if len(uses) == 1:
        return uses[0].names, uses[0].values
    return {name for use in uses for name in use.names}, {value for use in uses for value in use.values}


def refuse_bare(uses: Uses, table: Table) -> None:
    """NotImplementedError if a name stands for itself that is not a key's."""
    if not uses.bare <= table.key_names:
        raise NotImplementedError(
            f"write {sorted(uses.bare - table.key_names)} as #names: the in-memory DynamoDB does not know which other "
            "words are reserved"
        )
