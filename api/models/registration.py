"""The body of a registration."""

from __future__ import annotations

from api.models.base import Body, UserId


class NewRegistration(Body):
    """The user to register."""

    user_id: UserId
