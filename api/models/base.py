"""What the bodies have in common: types are strict, unknown fields are refused."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

# Parts of character classes, for Python and for JSON Schema alike.
CONTROL = r"\u0000-\u001f\u007f-\u009f"
_TURNING = r"\u202a-\u202e\u2066-\u2069"
"""What has a text read in another order than it is written, and reaches into the text beside it."""

NOT_PLAIN = CONTROL + r"\u2028\u2029" + _TURNING
WIDTHLESS = r"\u00ad\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff0-\ufffb"
"""What nobody sees. Hyphenation and some scripts need it in a text, names do not."""

SPACE = (
    r" \u00a0\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180d\u180f\u2000-\u200a\u200c-\u200f\u202f\u205f\u2800"
    r"\u3000\u3164\ufe00-\ufe0f\uffa0"
)
"""What is empty if it stands alone: spaces, fillers, joiners, marks of direction, variants of what is before."""

PLAIN = rf"^[^{NOT_PLAIN}]*[^{NOT_PLAIN}{SPACE}{WIDTHLESS}][^{NOT_PLAIN}]*$"
"""What `plain` takes, as a pattern of JSON Schema, for the API's document."""

_NOT_PLAIN = re.compile(f"[{NOT_PLAIN}]")
_SEEN = re.compile(f"[^{NOT_PLAIN}{SPACE}{WIDTHLESS}]")

UserId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{3,50}$")]


class Body(BaseModel):
    """A JSON object with camelCase names."""

    model_config = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel)


def described(**schema: object) -> Any:
    """For the API's document alone: what a validator in Python checks, in words of JSON Schema."""
    return Field(json_schema_extra=schema)  # type: ignore[arg-type]  # whatever JSON can say


def plain(value: str) -> str:
    """One line of text. ValueError if there is nothing to be seen, or something that breaks or turns the line."""
    if _NOT_PLAIN.search(value):
        raise ValueError("must not have control characters, line breaks or characters that turn the direction")
    if not _SEEN.search(value):
        raise ValueError("must not be blank")
    return value
