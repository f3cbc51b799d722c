"""The users table has two kinds of items: users, and which user the bearer of a token is."""

from __future__ import annotations

from workers.aws.items import is_key

_BINDING = "subject#"


def binding_key(subject: str) -> str:
    """The key of the item that says which user a token's subject has: no user has an id like this."""
    return _BINDING + subject


def is_user_key(user_id: str) -> bool:
    """True for what can be the key of a user."""
    return is_key(user_id) and not user_id.startswith(_BINDING)
