"""Request bodies: JSON of the right size and type, parsed into a model, or a problem that names each invalid place."""

from __future__ import annotations

import base64
import json
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from api.http.headers import header
from api.http.problems import MAX_ERRORS, Problem, RequestError, invalid
from api.http.types import Request

MAX_BODY_BYTES = 64 * 1024
"""A larger body is refused before it is parsed (413)."""

_BYTE_ORDER_MARK = "\ufeff"
"""Ignored at the start, as RFC 8259 (section 8.1) allows: some editors and libraries write it."""
_REPLACED = "\ufffd"
"""The mark of a decoder for bytes that are not UTF-8. AWS does not say what API Gateway does with such a body; the
emulator decodes it like this. Stored, the text would be damaged for good."""

Model = TypeVar("Model", bound=BaseModel)


def read_body(request: Request, model: type[Model]) -> Model:
    """Parse the body into a model. Raises a RequestError: 413, 415, or 400 that names each invalid place."""
    raw = request.body
    # The size is computed without decoding, which may fail: only then is the body known to be no JSON.
    size = len(raw) * 3 // 4 - raw[-2:].count("=") if request.encoded else len(raw.encode(errors="replace"))
    if size > MAX_BODY_BYTES:
        raise RequestError(Problem("body-too-large", f"The body has {size} bytes; the limit is {MAX_BODY_BYTES}."))
    if _media_type(header(request, "Content-Type")) != "application/json":
        raise RequestError(Problem("unsupported-media-type", "Send Content-Type: application/json."))
    coding = (header(request, "Content-Encoding") or "identity").strip().lower()
    if coding != "identity":
        detail = f"Content-Encoding {coding[:20]} is not supported. Send the body uncompressed, without this header."
        raise RequestError(Problem("unsupported-media-type", detail))
    try:
        text = (base64.b64decode(raw).decode() if request.encoded else raw).removeprefix(_BYTE_ORDER_MARK)
        if _REPLACED in text:
            raise RequestError(Problem("invalid-json", "The body is not UTF-8, or contains U+FFFD."))
        data = json.loads(text, object_pairs_hook=_object, parse_float=_number, parse_constant=_no_constant)
    except RequestError:
        raise
    except (ValueError, RecursionError) as error:
        raise RequestError(Problem("invalid-json", _json_detail(error))) from error
    try:
        return model.model_validate(data)
    except ValidationError as error:
        errors = tuple(
            {"pointer": _pointer(found["loc"]), "detail": _detail(found["type"], found["msg"])}
            for found in error.errors(include_url=False, include_context=False, include_input=False)[:MAX_ERRORS]
        )
        raise RequestError(Problem("invalid-request", "The body is invalid.", errors)) from None


def _media_type(header: str | None) -> str:
    return (header or "").split(";", 1)[0].strip().lower()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise invalid("/" + _escape(name), "The name appears twice.")
        members[name] = value
    return members


def _number(text: str) -> int | float:
    """Parse a number. JSON has only one kind of them, and 3.0 is the same as 3."""
    value = float(text)
    return int(value) if value.is_integer() else value


def _no_constant(name: str) -> None:
    raise RequestError(Problem("invalid-json", f"{name} is not a JSON value."))


def _json_detail(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}, line {error.lineno}, column {error.colno}."
    if isinstance(error, RecursionError):
        return "The body is nested too deeply."
    if isinstance(error, UnicodeDecodeError):
        return "The body is not UTF-8."
    # A number with thousands of digits, or broken base64. Python's message would describe our code, not the request.
    return "The body cannot be parsed."


def _pointer(location: tuple[int | str, ...]) -> str:
    return "".join("/" + _escape(str(part)) for part in location)


def _escape(part: str) -> str:
    return part[:100].replace("~", "~0").replace("/", "~1")


def _detail(kind: str, message: str) -> str:
    if kind == "missing":
        return "This field is required."
    if kind == "extra_forbidden":
        return "Unknown field."
    if kind == "model_type":
        return "Must be a JSON object."
    if kind == "string_unicode":
        return "Must be valid Unicode text."
    sentence = message.removeprefix("Value error, ").rstrip(".") + "."
    return sentence[0].upper() + sentence[1:]
