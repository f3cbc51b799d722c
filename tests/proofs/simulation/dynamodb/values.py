"""Attribute values: checked, numbers normalised, bytes counted, as DynamoDB does when a request comes in.

Item sizes: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

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

MAX_ITEM_BYTES = 400 * 1024
MAX_DIGITS = 38
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_EXACT = Context(prec=2000)


def checked(attributes: Mapping[str, Value]) -> tuple[Item, int]:
    """Return a copy with normalised numbers, and its size in bytes. Invalid, or botocore's ParamValidationError."""
    copy, size = dict(attributes), 0
    for name, value in attributes.items():
        size += len(name) if name.isascii() else len(name.encode())
        try:
            ((kind, content),) = value.items()
        except ValueError:
            raise Invalid("Supplied AttributeValue must contain exactly one of the supported datatypes") from None
        if kind == "S" and content.__class__ is str:
            size += len(content) if content.isascii() else len(content.encode())
        elif kind == "N" and content.__class__ is str:
            digits, more = normal_number(content)
            if digits != content:
                copy[name] = {"N": digits}
            size += more
        else:
            copy[name], more = _rare(kind, content)
            size += more
    return copy, size


def _rare(kind: str, content: Any) -> tuple[Value, int]:
    """Check a value that is no text and no number."""
    match kind, content:
        case "BOOL", bool():
            return {"BOOL": content}, 1
        case "NULL", bool():
            if not content:
                raise Invalid("One or more parameter values were invalid: Null attribute value types must have true")
            return {"NULL": True}, 1
        case "B", bytes():
            return {"B": content}, len(content)
        case "M", dict():
            copy, size = checked(content)
            return {"M": copy}, 3 + size + len(copy)
        case "L", list():
            elements = [checked({"": element}) for element in content]
            return {"L": [copy[""] for copy, _ in elements]}, 3 + sum(1 + size for _, size in elements)
        case (("SS" | "NS" | "BS"), _):
            raise NotImplementedError(f"sets ({kind}) are not known to the in-memory DynamoDB")
        case _:
            raise wrong_parameter(f"Invalid attribute value: {kind} {content!r}")


@lru_cache(maxsize=1 << 16)
def normal_number(text: str) -> tuple[str, int]:
    """Return a number as DynamoDB stores it (`007` becomes `7`, `1.0` becomes `1`), and its size in bytes. Invalid if
    it cannot be stored."""
    if not _NUMBER.fullmatch(text):
        raise Invalid(f"The parameter cannot be converted to a numeric value: {text}")
    number = _EXACT.create_decimal(text).normalize(_EXACT)
    if not number:
        return "0", 1
    if number.adjusted() > 125:
        raise Invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")
    if number.adjusted() < -130:
        raise Invalid("Number underflow. Attempting to store a number with magnitude smaller than supported range")
    _, digits, exponent = number.as_tuple()
    if len(digits) > MAX_DIGITS:
        raise Invalid("Attempting to store more than 38 significant digits in a Number")
    pairs = number.adjusted() // 2 - int(exponent) // 2 + 1
    return f"{number:f}", 1 + pairs + number.is_signed()


def added(left: str, right: str) -> str:
    """Return the sum of two stored numbers. Invalid if it cannot be stored."""
    return normal_number(str(_EXACT.add(Decimal(left), Decimal(right))))[0]


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
