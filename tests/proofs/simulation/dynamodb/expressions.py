"""What DynamoDB's expressions mean once they are parsed (`parser`): functions of an item and placeholders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.proofs.simulation.dynamodb.errors import Invalid
from tests.proofs.simulation.dynamodb.values import Value, added
from workers.aws.items import Item

Names = dict[str, str]
"""Attributes by placeholder: `{"#version": "version"}`."""
Values = dict[str, Value]
"""Values by placeholder: `{":before": {"N": "1"}}`."""
Test = Callable[[Item, Names, Values], bool]
Operand = Callable[[Item, Names, Values], Value | None]
Path = Callable[[Names], str]
ORDERED = frozenset("SNB")
"""The types that have an order."""


@dataclass(slots=True)
class Uses:
    """The placeholders and bare names that an expression uses, the types that some of its values must have, and the
    pairs of paths that must differ."""

    names: set[str] = field(default_factory=set)
    values: set[str] = field(default_factory=set)
    bare: set[str] = field(default_factory=set)
    types: list[tuple[str, frozenset[str]]] = field(default_factory=list)
    pairs: list[tuple[Path, Path]] = field(default_factory=list)

    def check(self, names: Names, values: Values) -> None:
        """Invalid if a value is not of its type, or a comparison or a function has one attribute twice."""
        for token, types in self.types:
            if values[token].keys().isdisjoint(types):
                raise Invalid(f"Incorrect operand type for operator or function; operand {token}")
        for left, right in self.pairs:
            if left(names) == right(names):
                raise Invalid("The first operand must be distinct from the remaining operands for this operator")


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed condition. `holds` answers for an item ({} for one that is not there)."""

    uses: Uses
    holds: Test


@dataclass(frozen=True, slots=True)
class Update:
    """A parsed update."""

    uses: Uses
    sets: tuple[tuple[Path, Operand], ...]
    adds: tuple[tuple[Path, str], ...]
    removes: tuple[Path, ...]

    def targets(self, names: Names) -> list[str]:
        """The attributes that are written or removed."""
        return [path(names) for path, *_ in (*self.sets, *self.adds)] + [path(names) for path in self.removes]

    def check(self, names: Names) -> None:
        """Invalid if one attribute is to be changed twice."""
        targets = self.targets(names)
        if len(targets) != len(set(targets)):
            raise Invalid("Invalid UpdateExpression: Two document paths overlap with each other")

    def apply(self, item: Item, names: Names, values: Values) -> Item:
        """The item afterwards. Invalid if it is not one that can be changed like that."""
        new = {path(names): there(operand(item, names, values)) for path, operand in self.sets}
        for path, value in self.adds:
            name = path(names)
            before = item.get(name, {"N": "0"})
            if "N" not in before:
                raise Invalid("An operand in the update expression has an incorrect data type")
            new[name] = {"N": added(before["N"], values[value]["N"], 1)}
        gone = {path(names) for path in self.removes}
        return {name: value for name, value in item.items() if name not in gone} | new


@dataclass(frozen=True, slots=True)
class Projection:
    """A parsed projection."""

    uses: Uses
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class KeyCondition:
    """A parsed key condition: (path, comparison or begins_with, value placeholder) each."""

    uses: Uses
    parts: tuple[tuple[Path, str, str], ...]


def first_of(stored: Value | None, otherwise: Value | None) -> Value:
    """What is stored. The alternative must be there all the same."""
    other = there(otherwise)
    return other if stored is None else stored


def there(value: Value | None) -> Value:
    """A value that must be there."""
    if value is None:
        raise Invalid("The provided expression refers to an attribute that does not exist in the item")
    return value


def total(left: Value | None, right: Value | None, sign: int) -> Value:
    """The sum of two numbers, or (`sign` -1) their difference."""
    if "N" not in there(left) or "N" not in there(right):
        raise Invalid("An operand in the update expression has an incorrect data type")
    return {"N": added(there(left)["N"], there(right)["N"], sign)}


def begins(value: Value | None, prefix: Value | None) -> bool:
    """True for a text that begins with the other one, and for bytes alike."""
    if value is None or prefix is None or value.keys() != prefix.keys():
        return False
    ((kind, content),) = value.items()
    return kind in {"S", "B"} and bool(content.startswith(prefix[kind]))


def compared(compare: Callable[[Any, Any], bool], left: Value | None, right: Value | None) -> bool:
    """Compares two values of one type; False for any others."""
    if left is None or right is None or left.keys() != right.keys():
        return False
    ((kind, content),) = left.items()
    if kind == "N":
        return compare(Decimal(content), Decimal(right["N"]))
    return kind in ORDERED and compare(content, right[kind])
