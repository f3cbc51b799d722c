"""The body of a user."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from api.models.base import PLAIN, Body, UserId, described, plain


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
        str, StringConstraints(min_length=1, max_length=100), AfterValidator(plain), described(pattern=PLAIN)
    ]
    email: Annotated[str, AfterValidator(_email), described(format="email")] | None = None
