"""Attribute values of the in-memory DynamoDB, as far as Turnstile stores them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from workers.aws.items import Item

Value = dict[str, Any]
"""One attribute value: `{"S": "text"}`."""

LARGEST_VALUE = 64 * 1024
"""Larger texts and bytes are refused: the sizes of items, pages and transactions are not counted."""
_LARGEST_KEY_BYTES = 1024
_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,37}")
"""A whole number as DynamoDB stores it: others come back changed."""


def checked(attributes: Mapping[str, Value]) -> Item:
    """Return a copy. NotImplementedError if a value is of an unknown kind."""
    for name, value in attributes.items():
        for kind, content in value.items():
            if len(value) != 1 or kind not in _KINDS or not _KINDS[kind](content):
                raise NotImplementedError(f"the in-memory DynamoDB does not know this {name}: {str(value)[:200]}")
    return dict(attributes)


_KINDS: dict[str, Callable[[Any], bool]] = {
    "S": lambda text: text.__class__ is str and len(text) <= LARGEST_VALUE,
    "N": lambda text: text.__class__ is str and _NUMBER.fullmatch(text) is not None,
    "B": lambda content: isinstance(content, bytes) and len(content) <= LARGEST_VALUE,
    "BOOL": lambda content: isinstance(content, bool),
    "NULL": lambda content: content is True,
    "M": lambda content: checked(content) == content,
    "L": lambda content: all(checked({"element": element}) for element in content),
}


def key_text(value: Value) -> str:
    """Return the text of a key attribute. NotImplementedError if it is no text, empty or long."""
    text = value.get("S", "")
    if not 0 < len(text.encode()) <= _LARGEST_KEY_BYTES:
        raise NotImplementedError(f"the in-memory DynamoDB does not know this key: {str(value)[:200]}")
    return str(text)
