"""The body of a registration."""

from __future__ import annotations

from api.models.base import Body, UserId


class NewRegistration(Body):
    """Who is to be registered."""

    user_id: UserId
