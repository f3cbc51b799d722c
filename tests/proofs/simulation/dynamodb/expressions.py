"""DynamoDB's expressions, as far as Turnstile uses them. Each text is parsed once, into functions.

    condition  :=  term {OR term};  term := test {AND test}
    test       :=  ( condition ) | path = :value | attribute_exists(path) | attribute_not_exists(path)
    update     :=  {SET path = sum {, path = sum} | REMOVE path {, path}}
    sum        :=  part [+ part];  part := path | :value | if_not_exists(path, :value)
    key        :=  path = :value [AND begins_with(path, :value)]
    projection :=  path {, path};  path := name | #name

Everything else raises NotImplementedError, whether DynamoDB knows it or not: nothing is ever ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NoReturn, TypeVar

from tests.proofs.simulation.dynamodb.errors import Invalid
from tests.proofs.simulation.dynamodb.values import Value, added, checked
from workers.aws.items import Item

NAMES, VALUES = "ExpressionAttributeNames", "ExpressionAttributeValues"

Names = dict[str, str]
"""Attributes by placeholder: `{"#version": "version"}`."""
Values = dict[str, Value]
"""Values by placeholder: `{":before": {"N": "1"}}`."""
Path = Callable[[Names], str]
Test = Callable[[Item, Names, Values], bool]
Operand = Callable[[Item, Names, Values], Value | None]

T = TypeVar("T")

_TOKEN = re.compile(r"\s*(?:([#:]?[A-Za-z0-9_]+)|([=(),+]))")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEYWORDS = {"AND", "OR", "NOT", "IN", "BETWEEN", "SET", "REMOVE", "ADD", "DELETE"}
_NOTHING: dict[str, Any] = {}


@dataclass(slots=True)
class Uses:
    """The placeholders and bare names in an expression, and the values that must be numbers."""

    names: set[str] = field(default_factory=set)
    values: set[str] = field(default_factory=set)
    bare: set[str] = field(default_factory=set)
    numbers: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed condition. `holds` is a function of an item, {} for an absent one."""

    uses: Uses
    holds: Test


@dataclass(frozen=True, slots=True)
class Update:
    """A parsed update."""

    uses: Uses
    sets: tuple[tuple[Path, Operand], ...]
    removes: tuple[Path, ...]

    def targets(self, names: Names) -> list[str]:
        """Return the attributes that are set or removed. Invalid if one occurs twice."""
        targets = [path(names) for path, _ in self.sets] + [path(names) for path in self.removes]
        if len(targets) != len(set(targets)):
            raise Invalid("Invalid UpdateExpression: Two document paths overlap with each other")
        return targets

    def apply(self, item: Item, names: Names, values: Values) -> Item:
        """Return the item afterwards. Invalid if the item cannot be changed like that."""
        new = {path(names): _there(operand(item, names, values)) for path, operand in self.sets}
        gone = {path(names) for path in self.removes}
        return {name: value for name, value in item.items() if name not in gone} | new


@dataclass(frozen=True, slots=True)
class Paths:
    """A parsed projection, or a key condition: its paths, and the values that they are compared with."""

    uses: Uses
    paths: tuple[Path, ...]
    values: tuple[str, ...] = ()


class _ExpressionParser:
    """One pass over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split())
        self._next = 0
        self.uses = Uses()

    def _split(self) -> Iterator[str]:
        at, end = 0, len(self._text.rstrip())
        while at < end:
            match = _TOKEN.match(self._text, at)
            if match is None:
                self.refuse()
            yield match[1] or match[2]
            at = match.end()

    def refuse(self) -> NoReturn:
        raise NotImplementedError(f"the in-memory DynamoDB does not know this expression: {self._text!r}")

    def peek(self) -> str:
        """Return the next token; empty at the end."""
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def take(self, *wanted: str) -> str:
        """Return the next token, which must be one of these if any are named, and go on."""
        token = self.peek()
        if not token or (wanted and token not in wanted):
            self.refuse()
        self._next += 1
        return token

    def end(self) -> None:
        if self.peek():
            self.refuse()

    def path(self) -> Path:
        token = self.take()
        if token.startswith("#"):
            self.uses.names.add(token)
            return lambda names: names[token]
        if not _WORD.fullmatch(token) or token.upper() in _KEYWORDS:
            self.refuse()
        self.uses.bare.add(token)
        return lambda _: token

    def value(self) -> str:
        token = self.take()
        if not token.startswith(":"):
            self.refuse()
        self.uses.values.add(token)
        return token

    def separated(self, parse: Callable[[], T], separator: str) -> tuple[T, ...]:
        """Parse once, and again behind each separator."""
        found = [parse()]
        while self.peek() == separator:
            self.take()
            found.append(parse())
        return tuple(found)

    def condition(self) -> Test:
        terms = self.separated(self._term, "OR")
        return terms[0] if len(terms) == 1 else lambda *given: any(term(*given) for term in terms)

    def _term(self) -> Test:
        tests = self.separated(self._test, "AND")
        return tests[0] if len(tests) == 1 else lambda *given: all(test(*given) for test in tests)

    def _test(self) -> Test:
        if self.peek() == "(":
            self.take()
            if self.peek() == "(":  # DynamoDB refuses redundant parentheses
                self.refuse()
            test = self.condition()
            self.take(")")
            return test
        if self.peek() in {"attribute_exists", "attribute_not_exists"}:
            wanted = self.take() == "attribute_exists"
            path = self._argument()
            return lambda item, names, _: (path(names) in item) is wanted
        path = self.path()
        self.take("=")
        token = self.value()
        return lambda item, names, values: item.get(path(names)) == values[token]

    def _argument(self) -> Path:
        self.take("(")
        path = self.path()
        self.take(")")
        return path

    def assignment(self) -> tuple[Path, Operand]:
        path = self.path()
        self.take("=")
        left, token = self._part()
        if self.peek() != "+":
            return path, left
        self.take()
        right, other = self._part()
        self.uses.numbers |= {name for name in (token, other) if name}
        return path, lambda *given: _total(left(*given), right(*given))

    def _part(self) -> tuple[Operand, str | None]:
        """Parse a part of a sum; also return its token if it is a plain value."""
        if self.peek().startswith(":"):
            token = self.value()
            return (lambda _item, _names, values: values[token]), token
        if self.peek() != "if_not_exists":
            path = self.path()
            return (lambda item, names, _: item.get(path(names))), None
        self.take()
        self.take("(")
        path = self.path()
        self.take(",")
        otherwise = self.value()
        self.take(")")
        return (lambda item, names, values: item.get(path(names), values[otherwise])), None

    def prefix(self) -> tuple[Path, str]:
        self.take("begins_with")
        self.take("(")
        path = self.path()
        self.take(",")
        value = self.value()
        self.take(")")
        return path, value


@lru_cache(maxsize=1024)
def condition(text: str) -> Condition:
    """Parse a condition."""
    parser = _ExpressionParser(text)
    test = parser.condition()
    parser.end()
    return Condition(parser.uses, test)


@lru_cache(maxsize=1024)
def update(text: str) -> Update:
    """Parse an update."""
    parser = _ExpressionParser(text)
    clauses: dict[str, tuple[Any, ...]] = {}
    while parser.peek():
        clause = parser.take(*{"SET", "REMOVE"} - clauses.keys())
        clauses[clause] = parser.separated({"SET": parser.assignment, "REMOVE": parser.path}[clause], ",")
    return Update(parser.uses, clauses.get("SET", ()), clauses.get("REMOVE", ()))


@lru_cache(maxsize=1024)
def projection(text: str) -> Paths:
    """Parse a projection."""
    parser = _ExpressionParser(text)
    paths = parser.separated(parser.path, ",")
    parser.end()
    return Paths(parser.uses, paths)


@lru_cache(maxsize=1024)
def key_condition(text: str) -> Paths:
    """Parse a key condition: the partition key, maybe with a prefix of the sort key."""
    parser = _ExpressionParser(text)
    parts = [(parser.path(), (parser.take("="), parser.value())[1])]
    if parser.peek():
        parser.take("AND")
        parts.append(parser.prefix())
    parser.end()
    return Paths(parser.uses, tuple(path for path, _ in parts), tuple(value for _, value in parts))


def bind(params: Item, uses: Sequence[Uses], key_names: Collection[str]) -> tuple[Names, Values]:
    """Return the placeholders' names and values. Invalid if one is missing, unused, or not the number it must be."""
    if bare := {name for use in uses for name in use.bare if name not in key_names}:
        raise NotImplementedError(f"use #names for {sorted(bare)}: the in-memory DynamoDB does not know reserved words")
    names: Names = params.get(NAMES, _NOTHING)
    values: Values = params.get(VALUES, _NOTHING)
    if (not names and names is not _NOTHING) or (not values and values is not _NOTHING):
        raise Invalid(f"{NAMES} and {VALUES} must not be empty")
    if values:
        values = checked(values)
    odd = names.keys() ^ {name for use in uses for name in use.names}
    odd |= values.keys() ^ {value for use in uses for value in use.values}
    if odd:
        raise Invalid(f"An expression attribute is not defined, or not used in the expressions: {sorted(odd)}")
    if any("N" not in values[token] for use in uses for token in use.numbers):
        raise Invalid("Incorrect operand type for operator or function")
    return names, values


def _there(value: Value | None) -> Value:
    if value is None:
        raise Invalid("The provided expression refers to an attribute that does not exist in the item")
    return value


def _total(left: Value | None, right: Value | None) -> Value:
    if "N" not in _there(left) or "N" not in _there(right):
        raise Invalid("An operand in the update expression has an incorrect data type")
    return {"N": added(_there(left)["N"], _there(right)["N"])}
