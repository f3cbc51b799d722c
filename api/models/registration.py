"""The body of a registration."""

from __future__ import annotations

from api.models.base import Body, UserId


class NewRegistration(Body):
    """POST /events/{eventId}/registrations."""

    user_id: UserId
