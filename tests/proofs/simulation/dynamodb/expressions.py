"""DynamoDB's expressions, as far as Turnstile writes them. Each text is parsed once.

    condition  :=  group {AND group};  group := test | ( test {OR test} )
    test       :=  path = :value | attribute_exists(path) | attribute_not_exists(path)
    update     :=  [SET path = sum {, path = sum}] [REMOVE path {, path}]
    sum        :=  part [+ part];  part := path | :value | if_not_exists(path, :value)
    key        :=  path = :value [AND begins_with(path, :value) | AND path BETWEEN :value AND :value]
    path       :=  name | #name

Everything else raises NotImplementedError, whether DynamoDB knows it or not: nothing is ever ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tests.proofs.simulation.dynamodb.errors import Invalid
from tests.proofs.simulation.dynamodb.values import Value, checked
from workers.aws.items import Item

NAMES, VALUES = "ExpressionAttributeNames", "ExpressionAttributeValues"

Names = dict[str, str]
"""Attributes by placeholder: `{"#version": "version"}`."""
Values = dict[str, Value]
"""Values by placeholder: `{":before": {"N": "1"}}`."""
Test = Callable[[Item, Names, Values], bool]
Operand = Callable[[Item, Names, Values], Value | None]

_PATH, _VALUE = r"#?[A-Za-z_]\w*", r":\w+"
_EQUALS = re.compile(rf"({_PATH}) = ({_VALUE})")
_EXISTS = re.compile(rf"attribute_(not_)?exists\(({_PATH})\)")
_UPDATE = re.compile(r"(?:SET (.+?))?(?:(?:^| )REMOVE (.+))?")
_COMMA = re.compile(r", (?![^(]*\))")
_ASSIGNMENT = re.compile(rf"({_PATH}) = ([^+]+?)(?: \+ ([^+]+))?")
_IF_NOT_EXISTS = re.compile(rf"if_not_exists\(({_PATH}), ({_VALUE})\)")
_KEY = re.compile(rf"({_PATH}) = ({_VALUE})(?: AND (.+))?")
_PREFIX = re.compile(rf"begins_with\(({_PATH}), ({_VALUE})\)")
_BETWEEN = re.compile(rf"({_PATH}) BETWEEN ({_VALUE}) AND ({_VALUE})")
_WORDS = re.compile(r"[#:]?[A-Za-z_]\w*")
_OWN_WORDS = {
    "AND", "OR", "SET", "REMOVE", "BETWEEN", "attribute_exists", "attribute_not_exists", "if_not_exists", "begins_with",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Update:
    """A parsed update: the operands by the path that is set, and the paths that are removed."""

    sets: tuple[tuple[str, Operand], ...]
    removes: tuple[str, ...]

    def targets(self, names: Names) -> list[str]:
        """Return the attributes that are set or removed. Invalid if one occurs twice."""
        targets = [names.get(path, path) for path in (*(path for path, _ in self.sets), *self.removes)]
        if len(targets) != len(set(targets)):
            raise Invalid("Invalid UpdateExpression: Two document paths overlap with each other")
        return targets

    def apply(self, item: Item, names: Names, values: Values) -> Item:
        """Return the item afterwards. Invalid if the item cannot be changed like that."""
        new = {names.get(path, path): _there(operand(item, names, values)) for path, operand in self.sets}
        gone = {names.get(path, path) for path in self.removes}
        return {name: value for name, value in item.items() if name not in gone} | new


@lru_cache(maxsize=1024)
def condition(text: str) -> Test:
    """Parse a condition into a function of an item, {} for an absent one."""
    groups = [part[1:-1].split(" OR ") if part.startswith("(") else [part] for part in text.split(" AND ")]
    tests = [[_test(one) for one in group] for group in groups]
    return lambda *given: all(any(test(*given) for test in group) for group in tests)


def _test(text: str) -> Test:
    if match := _EQUALS.fullmatch(text):
        path, value = match[1], match[2]
        return lambda item, names, values: item.get(names.get(path, path)) == values[value]
    match = _match(_EXISTS, text)
    absent, path = bool(match[1]), match[2]
    return lambda item, names, _: (names.get(path, path) in item) is not absent


@lru_cache(maxsize=1024)
def update(text: str) -> Update:
    """Parse an update."""
    match = _match(_UPDATE, text)
    sets = tuple(_assignment(part) for part in _COMMA.split(match[1])) if match[1] else ()
    removes = match[2].split(", ") if match[2] else []
    return Update(sets, tuple(_match(_PATH, path)[0] for path in removes))


def _assignment(text: str) -> tuple[str, Operand]:
    match = _match(_ASSIGNMENT, text)
    left = _operand(match[2])
    if match[3] is None:
        return match[1], left
    right = _operand(match[3])
    return match[1], lambda *given: _total(left(*given), right(*given))


def _operand(text: str) -> Operand:
    if re.fullmatch(_VALUE, text):
        return lambda _item, _names, values: values[text]
    if match := _IF_NOT_EXISTS.fullmatch(text):
        path, otherwise = match[1], match[2]
        return lambda item, names, values: item.get(names.get(path, path), values[otherwise])
    path = _match(_PATH, text)[0]
    return lambda item, names, _: item.get(names.get(path, path))


@lru_cache(maxsize=1024)
def key_condition(text: str) -> tuple[tuple[str, ...], ...]:
    """Parse a key condition: path and value of the partition key, maybe path and prefix or bounds of the sort key."""
    match = _match(_KEY, text)
    if not match[3]:
        return ((match[1], match[2]),)
    return (match[1], match[2]), (_BETWEEN.fullmatch(match[3]) or _match(_PREFIX, match[3])).groups()


def bind(params: Item, texts: tuple[str, ...], key_names: Collection[str]) -> tuple[Names, Values]:
    """Return the placeholders' names and values in some expressions. Invalid if one is missing or unused."""
    used, bare = _placeholders(texts)
    if not bare <= set(key_names):
        raise NotImplementedError(f"use #names for {sorted(bare)}: the in-memory DynamoDB does not know reserved words")
    names: Names = params.get(NAMES, {})
    values: Values = checked(params.get(VALUES, {}))
    if (not names and NAMES in params) or (not values and VALUES in params):
        raise Invalid(f"{NAMES} and {VALUES} must not be empty")
    if odd := used ^ {*names, *values}:
        raise Invalid(f"An expression attribute is not defined, or not used in the expressions: {sorted(odd)}")
    return names, values


@lru_cache(maxsize=1024)
def _placeholders(texts: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the placeholders and the bare names in some expressions."""
    words = {word for text in texts for word in _WORDS.findall(text)} - _OWN_WORDS
    used = frozenset(word for word in words if word[0] in "#:")
    return used, frozenset(words - used)


def _match(pattern: str | re.Pattern[str], text: str) -> re.Match[str]:
    match = re.fullmatch(pattern, text)
    if match is None:
        raise NotImplementedError(f"the in-memory DynamoDB does not know this expression: {text!r}")
    return match


def _there(value: Value | None) -> Value:
    if value is None:
        raise Invalid("The provided expression refers to an attribute that does not exist in the item")
    return value


def _total(left: Value | None, right: Value | None) -> dict[str, Any]:
    if "N" not in _there(left) or "N" not in _there(right):
        raise Invalid("An operand in the update expression has an incorrect data type")
    return {"N": str(int(_there(left)["N"]) + int(_there(right)["N"]))}
