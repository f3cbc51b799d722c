"""The body of a user."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from api.models.base import NOT_PLAIN, SPACE, WIDTHLESS, Body, UserId, described, plain

_FORMULA = r"=+\-@\uff1d\uff0b\uff0d\uff20"
"""What a spreadsheet takes for the beginning of a formula, and nobody's name begins with."""

NAME = rf"^[{SPACE}]*[^{NOT_PLAIN}{SPACE}{WIDTHLESS}{_FORMULA}][^{NOT_PLAIN}{WIDTHLESS}]*$"
"""What `_name` takes, as a pattern of JSON Schema."""

MAX_EMAIL_CHARS = 254
"""No address that mail can be sent to is longer (RFC 5321)."""

_WIDTHLESS = re.compile(f"[{WIDTHLESS}]")
_BEGINS_AS_FORMULA = re.compile(f"[{SPACE}]*[{_FORMULA}]")


def _name(value: str) -> str:
    plain(value)
    if _WIDTHLESS.search(value):
        raise ValueError("must not have characters that cannot be seen")
    if _BEGINS_AS_FORMULA.match(value):
        raise ValueError("must not begin with =, +, - or @")
    return value


def _email(value: str) -> str:
    # Loading it takes 25 ms of a cold start, and most requests have no address in them.
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415

    try:
        return validate_email(value, check_deliverability=False).normalized
    except EmailNotValidError:
        # The library's message quotes parts of the address; error bodies carry nothing personal.
        raise ValueError("must be a valid e-mail address") from None


class NewUser(Body):
    """Somebody who wants to register for events."""

    user_id: UserId
    name: Annotated[
        str, StringConstraints(min_length=1, max_length=100), AfterValidator(_name), described(pattern=NAME)
    ]
    email: (
        Annotated[str, StringConstraints(max_length=MAX_EMAIL_CHARS), AfterValidator(_email), described(format="email")]
        | None
    ) = None
