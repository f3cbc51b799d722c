"""What made-up requests to DynamoDB are made of: values and expressions, some of them wrong, about few attributes.

The grammar of the expressions is that of `tests.proofs.simulation.dynamodb.parser`.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from workers.aws.items import STATUS_KEY, Item

KEYS = ("o1", "o2", "o3", "o4", "o5", "o6", "é", "\U0001f600", "\uffff", "k" * 2048)
LONG_KEYS = ("k" * 1024, "k" * 1025, "k" * 2048)
TOO_LONG: Item = {"S": "k" * 2049}
BAD_KEYS: tuple[Item, ...] = ({"S": ""}, {"N": "1"}, TOO_LONG, {"BOOL": True}, {}, {"S": "a", "N": "1"})
PARTITIONS = ("p1", "p2")
SORTS = ("w#1", "w#2", "w#10", "w", "x#1", "é#1", "\U0001f600", "\uffff", "w#" + "9" * 1022)
NAMES = ("version", "n", "status", "text", "m", "gone")
_WHOLE = ("0", "1", "2", "2", "-3", "7", "10", "9" * 38)
NUMBERS = (*_WHOLE, "2.50", "007", "1.0", "-0", "1e3", "1E-2", "+4", ".5", "1e125", "1e-130")
BAD_NUMBERS = ("", " 1", "abc", "1_0", "1e126", "1e-131", "1" * 39, "NaN", "Infinity", "0x1", "1e")
BAD_VALUES: tuple[Item, ...] = ({}, {"S": "a", "N": "1"}, {"NULL": False})
_TEXTS = ("", "a", "ab", "b", "é", "w#1", "x" * 300)
_BYTES = (b"", b"a", b"ab", b"\xff\x00")
_INDEX_KEYS = (("eventId", PARTITIONS), (STATUS_KEY, SORTS), ("userId", PARTITIONS), ("registeredAt", SORTS))


class Values:
    """Makes attribute values."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def may(self, probability: float) -> bool:
        """Return True with this probability."""
        return self._chance.random() < probability

    def any(self, depth: int = 0) -> Item:
        """Draw a value; one in a hundred is invalid."""
        if self.may(0.01):
            return self._chance.choice([*BAD_VALUES, {"N": self._chance.choice(BAD_NUMBERS)}])
        simple: list[Item] = [
            {"S": self._chance.choice(_TEXTS)},
            {"N": self._chance.choice(NUMBERS)},
            {"N": self._chance.choice(NUMBERS)},
            {"B": self._chance.choice(_BYTES)},
            {"BOOL": self.may(0.5)},
            {"NULL": True},
        ]
        if depth > 1 or self.may(0.8):
            return self._chance.choice(simple)
        if self.may(0.5):
            return {"L": [self.any(depth + 1) for _ in range(self._chance.randrange(3))]}
        return {"M": {self._chance.choice(NAMES): self.any(depth + 1) for _ in range(2)}}

    def number(self) -> Item:
        """Draw a number."""
        return {"N": self._chance.choice(NUMBERS)}

    def key(self, pool: Sequence[str]) -> Item:
        """Draw a key; one in a hundred is invalid."""
        return self._chance.choice(BAD_KEYS) if self.may(0.01) else {"S": self._chance.choice(pool)}

    def index_keys(self) -> Item:
        """Draw key attributes of the indexes: mostly all, with few values."""
        item: Item = {}
        for name, pool in _INDEX_KEYS:
            if self.may(0.9):
                item[name] = {"S": self._chance.choice(pool)}
            if self.may(0.005):
                item[name] = self._chance.choice([*BAD_KEYS, {"S": "s" * 1025}])
        return item


class Expressions:
    """The expressions of one request to a table with that primary key, and their placeholders."""

    def __init__(self, chance: Random, primary: str) -> None:
        self._chance = chance
        self._primary = primary
        self._values = Values(chance)
        self._given_names: dict[str, str] = {}
        self._given_values: dict[str, Any] = {}

    def params(self, *, spoil: bool = False) -> Item:
        """Return the parameters for the placeholders; with `spoil` one is missing, or one too many."""
        names, values = dict(self._given_names), dict(self._given_values)
        if spoil:
            match self._chance.randrange(4):
                case 0:
                    names["#more"] = "more"
                case 1:
                    values[":more"] = {"S": "more"}
                case 2:
                    names = dict(list(names.items())[1:])
                case _:
                    values = dict(list(values.items())[1:])
        given = {"ExpressionAttributeNames": names, "ExpressionAttributeValues": values}
        return {key: pairs for key, pairs in given.items() if pairs}

    def name(self, name: str) -> str:
        """Return a placeholder for an attribute, the same each time."""
        token = "#" + "".join(character for character in name if character.isalnum())
        self._given_names[token] = name
        return token

    def value(self, value: Item) -> str:
        """Return a new placeholder for a value."""
        token = f":v{len(self._given_values)}"
        self._given_values[token] = value
        return token

    def projection(self) -> str:
        """Draw one or two attributes, which may be the same."""
        return ", ".join(
            self.name(self._chance.choice((*NAMES, "eventId"))) for _ in range(self._chance.choice((1, 2)))
        )

    def condition(self, depth: int = 0) -> str:
        """Draw a condition."""
        match self._chance.randrange(6 if depth < 2 else 4):
            case 0 | 1:
                function = self._chance.choice(("attribute_exists", "attribute_not_exists"))
                return f"{function}({self._path()})"
            case 2 | 3:
                return f"{self._path()} = {self.value(self._values.any(1))}"
            case _:
                both = f"{self.condition(depth + 1)} {self._chance.choice(('AND', 'OR'))} {self.condition(2)}"
                return f"{self.condition(2)} {self._chance.choice(('AND', 'OR'))} ({both})"

    def change(self) -> str:
        """Draw an update: one clause or two, of one part or two."""
        chosen = self._chance.sample(("SET", "SET", "REMOVE"), self._chance.choice((1, 1, 2)))
        clauses = []
        for word in dict.fromkeys(chosen):
            parts = [self._part(word) for _ in range(self._chance.choice((1, 1, 2)))]
            clauses.append(f"{word} {', '.join(parts)}")
        return " ".join(clauses)

    def _part(self, word: str) -> str:
        if word == "REMOVE":
            return self.name(self._chance.choice((*NAMES, STATUS_KEY, "userId")))
        if self._values.may(0.2):
            # DynamoDB Local would let an update, but not a put, give an index a key that is no text.
            name, pool = self._chance.choice(_INDEX_KEYS)
            return f"{self.name(name)} = {self.value({'S': self._chance.choice(pool)})}"
        path = self.name(self._primary if self._values.may(0.01) else self._chance.choice(NAMES))
        match self._chance.randrange(5):
            case 0 | 1:
                return f"{path} = {self.value(self._values.any(1))}"
            case 2:
                return f"{path} = if_not_exists({self._path()}, {self.value(self._values.any(1))})"
            case 3:
                zero = self.value({"N": "0"} if self._values.may(0.9) else self._values.any(1))
                return f"{path} = if_not_exists({path}, {zero}) + {self.value({'N': '1'})}"
            case _:
                right = self.value(self._values.number() if self._values.may(0.9) else self._values.any(1))
                return f"{path} = {self._path()} + {right}"

    def _path(self) -> str:
        return self._primary if self._values.may(0.1) else self.name(self._chance.choice((*NAMES, self._primary)))
