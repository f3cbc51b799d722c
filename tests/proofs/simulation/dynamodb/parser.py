"""DynamoDB's expressions, as far as Turnstile uses them and a little further: each text is parsed once.

    condition  :=  term {OR term};  term := factor {AND factor};  factor := NOT factor | ( condition ) | test
    test       :=  operand (= | <> | < | <= | > | >=) operand
                |  attribute_exists(path) | attribute_not_exists(path) | begins_with(path, operand)
    operand    :=  path | :value;  path := name | #name
    update     :=  {SET path = sum {, path = sum} | REMOVE path {, path} | ADD path :value {, path :value}}
    sum        :=  part [(+ | -) part];  part := operand | if_not_exists(path, operand)
    projection :=  path {, path}

Everything else is refused with NotImplementedError, also what DynamoDB would take (paths into documents, IN, BETWEEN,
size, contains, list_append, sets) or answer with a ValidationException (a slip of the pen).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NoReturn

from tests.proofs.simulation.dynamodb.errors import Invalid
from tests.proofs.simulation.dynamodb.expressions import (
    ORDERED,
    Condition,
    KeyCondition,
    Operand,
    Path,
    Projection,
    Test,
    Update,
    Uses,
    begins,
    compared,
    first_of,
    total,
)

_TOKEN = re.compile(r"\s*(?:([#:]?[A-Za-z0-9_]+)|(<>|<=|>=|[=<>(),+-]))")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEYWORDS = {"AND", "OR", "NOT", "IN", "BETWEEN", "SET", "REMOVE", "ADD", "DELETE"}
_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_NUMBER, _PREFIX = frozenset("N"), frozenset("SB")


class _ExpressionParser:
    """One pass over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split())
        self._next = 0
        self._closed: dict[int, int] = {}
        self.uses = Uses()

    def _split(self) -> Iterable[str]:
        at, end = 0, len(self._text.rstrip())
        while at < end:
            match = _TOKEN.match(self._text, at)
            if match is None:
                self.refuse()
            yield match[1] or match[2]
            at = match.end()

    def refuse(self) -> NoReturn:
        """The expression is not of this grammar."""
        raise NotImplementedError(f"the in-memory DynamoDB does not know this expression: {self._text!r}")

    def peek(self) -> str:
        """The next token in capitals; empty at the end."""
        return self._tokens[self._next].upper() if self._next < len(self._tokens) else ""

    def _then(self) -> str:
        """The token after the next."""
        return self._tokens[self._next + 1] if self._next + 1 < len(self._tokens) else ""

    def take(self, *wanted: str) -> str:
        """The next token, which must be one of these if any are named."""
        if self._next >= len(self._tokens) or (wanted and self.peek() not in wanted):
            self.refuse()
        self._next += 1
        return self._tokens[self._next - 1]

    def end(self) -> None:
        """Nothing may be left."""
        if self.peek():
            self.refuse()

    def path(self) -> Path:
        """An attribute of the item."""
        token = self.take()
        if token.startswith("#"):
            self.uses.names.add(token)
            return lambda names: names[token]
        if not _WORD.fullmatch(token) or token.upper() in _KEYWORDS:
            self.refuse()
        self.uses.bare.add(token)
        return lambda _: token

    def value(self) -> str:
        """The placeholder of a value."""
        token = self.take()
        if not token.startswith(":"):
            self.refuse()
        self.uses.values.add(token)
        return token

    def operand(self, types: frozenset[str] | None = None) -> tuple[Operand, Path | None]:
        """A value, which must be of one of the types, or an attribute, whose path is the second part of the answer."""
        if self.peek().startswith(":"):
            token = self.value()
            if types is not None:
                self.uses.types.append((token, types))
            return (lambda _item, _names, values: values[token]), None
        path = self.path()
        return (lambda item, names, _values: item.get(path(names))), path

    def _distinct(self, left: Path | None, right: Path | None) -> None:
        """They may not be the same attribute."""
        if left is not None and right is not None:
            self.uses.pairs.append((left, right))

    def listed(self, parse: Callable[[], Any]) -> tuple[Any, ...]:
        """One or several, with commas between them."""
        found = [parse()]
        while self.peek() == ",":
            self.take()
            found.append(parse())
        return tuple(found)

    def condition(self) -> Test:
        """Terms with OR between them."""
        tests = [self._term()]
        while self.peek() == "OR":
            self.take()
            tests.append(self._term())
        return tests[0] if len(tests) == 1 else lambda *given: any(test(*given) for test in tests)

    def _term(self) -> Test:
        tests = [self._factor()]
        while self.peek() == "AND":
            self.take()
            tests.append(self._factor())
        return tests[0] if len(tests) == 1 else lambda *given: all(test(*given) for test in tests)

    def _factor(self) -> Test:
        match self.peek():
            case "NOT":
                self.take()
                test = self._factor()
                return lambda *given: not test(*given)
            case "(":
                self.take()
                return self._in_parentheses()
            case "ATTRIBUTE_EXISTS" | "ATTRIBUTE_NOT_EXISTS" | "BEGINS_WITH":
                return self._function()
            case _:
                return self._comparison()

    def _in_parentheses(self) -> Test:
        start = self._next
        test = self.condition()
        if self._closed.get(start) == self._next - 1:
            raise Invalid("The expression has redundant parentheses")
        self._closed[start - 1] = self._next
        self.take(")")
        return test

    def _function(self) -> Test:
        name = self.take()
        self.take("(")
        path = self.path()
        if name == "begins_with":
            self.take(",")
            prefix, other = self.operand(_PREFIX)
            self._distinct(path, other)
            self.take(")")
            return lambda item, names, values: begins(item.get(path(names)), prefix(item, names, values))
        self.take(")")
        if name == "attribute_exists":
            return lambda item, names, _values: path(names) in item
        if name != "attribute_not_exists":
            self.refuse()
        return lambda item, names, _values: path(names) not in item

    def _comparison(self) -> Test:
        types = ORDERED if self._then() in _COMPARE else None
        left, path = self.operand(types)
        sign = self.take("=", "<>", *_COMPARE)
        right, other = self.operand(types)
        self._distinct(path, other)
        if sign == "=":
            return lambda *given: (value := left(*given)) is not None and value == right(*given)
        if sign == "<>":
            return lambda *given: (value := left(*given)) is None or value != right(*given)
        compare = _COMPARE[sign]
        return lambda *given: compared(compare, left(*given), right(*given))

    def assignment(self) -> tuple[Path, Operand]:
        """`path = sum`."""
        path = self.path()
        self.take("=")
        left = self._part(_NUMBER if self._then() in {"+", "-"} else None)
        if self.peek() not in {"+", "-"}:
            return path, left
        sign = 1 if self.take() == "+" else -1
        right = self._part(_NUMBER)
        return path, lambda *given: total(left(*given), right(*given), sign)

    def _part(self, types: frozenset[str] | None) -> Operand:
        if self.peek() != "IF_NOT_EXISTS":
            return self.operand(types)[0]
        if self.take() != "if_not_exists":
            self.refuse()
        self.take("(")
        path = self.path()
        self.take(",")
        otherwise, other = self.operand()
        self._distinct(path, other)
        self.take(")")
        return lambda *given: first_of(given[0].get(path(given[1])), otherwise(*given))

    def addition(self) -> tuple[Path, str]:
        """`path :number`."""
        path, value = self.path(), self.value()
        self.uses.types.append((value, _NUMBER))
        return path, value

    def key_part(self) -> tuple[Path, str, str]:
        """One half of a key condition."""
        if self._then() == "(":
            if self.take() != "begins_with":
                self.refuse()
            self.take("(")
            path = self.path()
            self.take(",")
            value = self.value()
            self.take(")")
            return path, "begins_with", value
        path = self.path()
        return path, self.take("=", "<", "<=", ">", ">="), self.value()


@lru_cache(maxsize=1024)
def condition(text: str) -> Condition:
    """Parses a condition."""
    parser = _ExpressionParser(text)
    test = parser.condition()
    parser.end()
    return Condition(parser.uses, test)


@lru_cache(maxsize=1024)
def update(text: str) -> Update:
    """Parses an update."""
    parser = _ExpressionParser(text)
    clauses: dict[str, tuple[Any, ...]] = {}
    while clause := parser.peek():
        parser.take("SET", "REMOVE", "ADD")
        if clause in clauses:
            parser.refuse()
        parse = {"SET": parser.assignment, "REMOVE": parser.path, "ADD": parser.addition}[clause]
        clauses[clause] = parser.listed(parse)
    return Update(parser.uses, clauses.get("SET", ()), clauses.get("ADD", ()), clauses.get("REMOVE", ()))


@lru_cache(maxsize=1024)
def projection(text: str) -> Projection:
    """Parses a projection."""
    parser = _ExpressionParser(text)
    paths = parser.listed(parser.path)
    parser.end()
    return Projection(parser.uses, paths)


@lru_cache(maxsize=1024)
def key_condition(text: str) -> KeyCondition:
    """Parses a key condition: one part, or two with AND between them."""
    parser = _ExpressionParser(text)
    parts = [parser.key_part()]
    if parser.peek() == "AND":
        parser.take()
        parts.append(parser.key_part())
    parser.end()
    return KeyCondition(parser.uses, tuple(parts))
