"""The base of all request bodies: strict types, no unknown fields, and rules for text."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

# Parts of character classes, for both Python and JSON Schema.
CONTROL = r"\u0000-\u001f\u007f-\u009f"
_TURNING = r"\u202a-\u202e\u2066-\u2069"
"""Characters that change the direction of text, also of the text after it."""

NOT_PLAIN = CONTROL + r"\u2028\u2029" + _TURNING
WIDTHLESS = r"\u00ad\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff0-\ufffb"
"""Invisible characters. Texts need some of them, for hyphenation and some scripts; names do not."""

SPACE = (
    r" \u00a0\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180d\u180f\u2000-\u200a\u200c-\u200f\u202f\u205f\u2800"
    r"\u3000\u3164\ufe00-\ufe0f\uffa0"
)
"""Characters that are blank on their own: spaces, fillers, joiners, direction marks, variation selectors."""

PLAIN = rf"^[^{NOT_PLAIN}]*[^{NOT_PLAIN}{SPACE}{WIDTHLESS}][^{NOT_PLAIN}]*$"
"""The rule of `plain` as a pattern of JSON Schema, for the API's document."""

_NOT_PLAIN = re.compile(f"[{NOT_PLAIN}]")
_SEEN = re.compile(f"[^{NOT_PLAIN}{SPACE}{WIDTHLESS}]")

UserId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{3,50}$")]


class Body(BaseModel):
    """A JSON object with camelCase names."""

    model_config = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel)


def described(**schema: object) -> Any:
    """Describe the check of a Python validator in JSON Schema, for the API's document only."""
    return Field(json_schema_extra=schema)  # type: ignore[arg-type]  # whatever JSON can say


def plain(value: str) -> str:
    """Check one line of text. Raises ValueError if it is blank, has several lines or changes direction."""
    if _NOT_PLAIN.search(value):
        raise ValueError(
            "must not contain control characters, line breaks or characters that change the text direction"
        )
    if not _SEEN.search(value):
        raise ValueError("must not be blank")
    return value
