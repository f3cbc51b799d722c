"""Callers, and what they may do.

A person acts for the user that their token's subject was bound to when the user was created. An organizer is a member
of one group, and manages the events that they created. An operator is a member of another group, and sees everything.

A caller who may not see a thing is answered as if it did not exist (404); one who may see it but not change it is told
so (403). A table in docs/security.md says who may call which route; a test holds it against the running stack.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.aws.items import Item

ORGANIZERS = "organizers"
OPERATORS = "operators"
"""The names of the groups, in the user pool or in the claims of another issuer."""

SUBJECT = "subject"
"""The attribute of a user item: the subject of the tokens that act for the user."""
ORGANIZER_SUBJECT = "organizerSubject"
"""The attribute of an event item: the subject of the tokens that may change it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request. `subject` is their token's, None without one; `unchecked`: authorization is off."""

    subject: str | None = None
    organizer: bool = False
    operator: bool = False
    unchecked: bool = False

    @property
    def can_create_events(self) -> bool:
        """Return whether the caller may create events."""
        return self.unchecked or self.organizer

    def is_user(self, user: Item | None) -> bool:
        """Return whether the caller acts for this user."""
        return self.unchecked or self._owns(user, SUBJECT)

    def can_see_user(self, user: Item | None) -> bool:
        """Return whether the caller may see this user and their registrations."""
        return self.operator or self.is_user(user)

    def can_manage(self, event: Item | None) -> bool:
        """Return whether the caller may change this event."""
        return self.unchecked or (self.organizer and self._owns(event, ORGANIZER_SUBJECT))

    def can_list_registrations(self, event: Item | None) -> bool:
        """Return whether the caller may see the registrations for this event."""
        return self.operator or self.can_manage(event)

    def _owns(self, item: Item | None, attribute: str) -> bool:
        return self.subject is not None and item is not None and item.get(attribute) == {"S": self.subject}


ANONYMOUS = Caller()
"""A caller without a token."""
UNCHECKED = Caller(unchecked=True)
"""Every caller where authorization is off."""
