"""What the bodies have in common: types are strict, unknown fields are refused."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

_CONTROL = r"\u0000-\u001f\u007f-\u009f"
PLAIN = rf"^[^{_CONTROL}]*[^\s{_CONTROL}][^{_CONTROL}]*$"
"""What `plain` takes, as a pattern of JSON Schema, for the API's document."""

UserId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{3,50}$")]


class Body(BaseModel):
    """A JSON object with camelCase names."""

    model_config = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel)


def described(**schema: object) -> Any:
    """For the API's document alone: what a validator in Python checks, in words of JSON Schema."""
    return Field(json_schema_extra=schema)  # type: ignore[arg-type]  # whatever JSON can say


def plain(value: str) -> str:
    """One line of text. ValueError if it is blank or has control characters."""
    if not value.replace("\ufeff", "").strip():  # a space that Python does not know, and other languages do
        raise ValueError("must not be blank")
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise ValueError("must not have control characters")
    return value
