"""The body of a user."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from api.models.base import Body, NewUserId, described
from api.models.text import FLAG, NOT_PLAIN, SPACE, WIDTHLESS, plain

_FORMULA = r"=+\-@\uff1d\uff0b\uff0d\uff20"
"""The start of a formula in a spreadsheet. No name starts with it."""

NAME = rf"^[{SPACE}]*({FLAG}|[^{NOT_PLAIN}{SPACE}{WIDTHLESS}{_FORMULA}])({FLAG}|[^{NOT_PLAIN}{WIDTHLESS}])*$"
"""The rule of `_name` as a pattern of JSON Schema."""

MAX_EMAIL_CHARS = 254
"""The longest address that mail can be sent to (RFC 5321)."""

_WIDTHLESS = re.compile(f"[{WIDTHLESS}]")
_BEGINS_AS_FORMULA = re.compile(f"[{SPACE}]*[{_FORMULA}]")


def _name(value: str) -> str:
    plain(value)
    if _WIDTHLESS.search(value):
        raise ValueError("must not contain invisible characters")
    if _BEGINS_AS_FORMULA.match(value):
        raise ValueError("must not start with =, +, - or @")
    return value


def _email(value: str) -> str:
    # Loading it would add 25 ms to every cold start, and most requests contain no address.
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415

    try:
        address = validate_email(value, check_deliverability=False, strict=True)
    except EmailNotValidError:
        # The library's message quotes parts of the address; error bodies contain nothing personal.
        raise ValueError("must be a valid email address") from None
    # A domain that was sent in its ASCII form comes back in it.
    return f"{address.local_part}@{address.ascii_domain}" if "xn--" in value.lower() else address.normalized


class NewUser(Body):
    """A person who wants to register for events."""

    user_id: NewUserId
    name: Annotated[
        str, StringConstraints(min_length=1, max_length=100), AfterValidator(_name), described(pattern=NAME)
    ]
    email: (
        Annotated[str, StringConstraints(max_length=MAX_EMAIL_CHARS), AfterValidator(_email), described(format="email")]
        | None
    ) = None
