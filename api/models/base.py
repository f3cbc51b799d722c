"""The base of all request bodies: strict types, no unknown fields, and the ids of users."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

UserId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{3,50}$")]
NewUserId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{2,49}$")]
"""No new id starts with a hyphen, which commands take for an option. Users of earlier software may have one."""


class Body(BaseModel):
    """A JSON object with camelCase names."""

    model_config = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel)


def described(**schema: object) -> Any:
    """Describe the check of a Python validator in JSON Schema, for the API's document only."""
    return Field(json_schema_extra=schema)  # type: ignore[arg-type]  # whatever JSON can say
