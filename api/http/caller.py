"""Who asks, and what they may do.

A person is the user that their token's subject was bound to when the user was created. An organizer is a member of one
group, and runs the events that they created. An operator is a member of another group, and sees everything.

Who may not see a thing is answered as if it did not exist (404); who may see it, but not do this with it, hears so
(403). Which route takes whom is a table in docs/security.md, which a test holds against the running stack.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.aws.items import Item

ORGANIZERS = "organizers"
OPERATORS = "operators"
"""The groups, by their names in the user pool or in the claims of another issuer."""

SUBJECT = "subject"
"""The attribute of a user: the subject of the tokens that act for them."""
ORGANIZER_SUBJECT = "organizerSubject"
"""The attribute of an event: the subject of the tokens that may change it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `subject` is the token's, None where there was none; `unchecked`: nobody is asked who they are."""

    subject: str | None = None
    organizer: bool = False
    operator: bool = False
    unchecked: bool = False

    @property
    def can_create_events(self) -> bool:
        """Whether the caller may create events."""
        return self.unchecked or self.organizer

    def is_user(self, user: Item | None) -> bool:
        """Whether this user is the caller."""
        return self.unchecked or self._owns(user, SUBJECT)

    def can_see_user(self, user: Item | None) -> bool:
        """Whether the caller may see this user, and their registrations."""
        return self.operator or self.is_user(user)

    def can_manage(self, event: Item | None) -> bool:
        """Whether the caller may change this event."""
        return self.unchecked or (self.organizer and self._owns(event, ORGANIZER_SUBJECT))

    def can_list_registrations(self, event: Item | None) -> bool:
        """Whether the caller may see who has registered for this event."""
        return self.operator or self.can_manage(event)

    def _owns(self, item: Item | None, attribute: str) -> bool:
        return self.subject is not None and item is not None and item.get(attribute) == {"S": self.subject}


ANONYMOUS = Caller()
"""Who shows no token: may do what needs none."""
UNCHECKED = Caller(unchecked=True)
"""Anybody, where nobody is asked."""
