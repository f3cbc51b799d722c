"""What the bodies have in common: types are strict, unknown fields are refused."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel

UserId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{3,50}$")]


class Body(BaseModel):
    """A JSON object with camelCase names."""

    model_config = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel)


def plain(value: str) -> str:
    """One line of text. ValueError if it is blank or has control characters."""
    if not value.strip():
        raise ValueError("must not be blank")
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise ValueError("must not have control characters")
    return value
