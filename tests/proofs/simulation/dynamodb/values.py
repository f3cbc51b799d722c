"""Attribute values: checked, and numbers normalised, as DynamoDB does when a request comes in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any

from tests.proofs.simulation.dynamodb.errors import Invalid, wrong_parameter
from workers.aws.items import Item

Value = dict[str, Any]
"""One attribute value: `{"S": "text"}`."""

MAX_DIGITS = 38
LARGEST_VALUE = 64 * 1024
"""Larger texts and bytes are refused: the sizes of items, pages and transactions are not counted."""

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_EXACT = Context(prec=2000)


def checked(attributes: Mapping[str, Value]) -> Item:
    """Return a copy with normalised numbers. Invalid, or botocore's ParamValidationError."""
    copy = dict(attributes)
    for name, value in attributes.items():
        try:
            ((kind, content),) = value.items()
        except ValueError:
            raise Invalid("Supplied AttributeValue must contain exactly one of the supported datatypes") from None
        if kind == "N" and content.__class__ is str:
            digits = normal_number(content)
            if digits != content:
                copy[name] = {"N": digits}
        elif kind != "S" or content.__class__ is not str or len(content) > LARGEST_VALUE:
            copy[name] = _rare(kind, content)
    return copy


def _rare(kind: str, content: Any) -> Value:
    """Check a value that is no number and no short text."""
    match kind, content:
        case "BOOL", bool():
            return {"BOOL": content}
        case "NULL", bool():
            if not content:
                raise Invalid("One or more parameter values were invalid: Null attribute value types must have true")
            return {"NULL": True}
        case ("S", str()) | ("B", bytes()):
            if len(content) > LARGEST_VALUE:
                raise NotImplementedError(f"the in-memory DynamoDB does not know values of {len(content)} bytes")
            return {kind: content}
        case "M", dict():
            return {"M": checked(content)}
        case "L", list():
            return {"L": [checked({"": element})[""] for element in content]}
        case (("SS" | "NS" | "BS"), _):
            raise NotImplementedError(f"sets ({kind}) are not known to the in-memory DynamoDB")
        case _:
            raise wrong_parameter(f"Invalid attribute value: {kind} {content!r}")


@lru_cache(maxsize=1 << 16)
def normal_number(text: str) -> str:
    """Return a number as DynamoDB stores it (`007` becomes `7`, `1.0` becomes `1`). Invalid if it cannot be stored."""
    if not _NUMBER.fullmatch(text):
        raise Invalid(f"The parameter cannot be converted to a numeric value: {text}")
    number = _EXACT.create_decimal(text).normalize(_EXACT)
    if not number:
        return "0"
    if number.adjusted() > 125:
        raise Invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")
    if number.adjusted() < -130:
        raise Invalid("Number underflow. Attempting to store a number with magnitude smaller than supported range")
    if len(number.as_tuple().digits) > MAX_DIGITS:
        raise Invalid("Attempting to store more than 38 significant digits in a Number")
    return f"{number:f}"


def added(left: str, right: str) -> str:
    """Return the sum of two stored numbers. Invalid if it cannot be stored."""
    return normal_number(str(_EXACT.add(Decimal(left), Decimal(right))))


def key_text(value: Value, name: str, max_bytes: int | None = None) -> str:
    """Return the text of a key attribute. Invalid if it is no text, empty or too long."""
    text = value.get("S")
    if text is None:
        raise Invalid(f"One or more parameter values were invalid: Type mismatch for key {name} expected: S")
    if not text:
        raise Invalid(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
            f"empty string value. Key: {name}"
        )
    if max_bytes is not None and len(text) * 4 > max_bytes and len(text.encode()) > max_bytes:
        raise Invalid(f"One or more parameter values were invalid: Size of key {name} has exceeded {max_bytes} bytes")
    return str(text)
