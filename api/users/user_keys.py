"""The users table has two kinds of items: users, and which user the bearer of a token is."""

from __future__ import annotations

from typing import TypeGuard

from workers.aws.items import ERASED_AT, Item, is_key

_BINDING = "subject#"


def user_key(user_id: str) -> Item:
    """The key of a user."""
    return {"userId": {"S": user_id}}


def is_user(item: Item | None) -> TypeGuard[Item]:
    """False for what is left of somebody who was forgotten, and for an item that binds a login to a user."""
    return item is not None and ERASED_AT not in item and "boundTo" not in item


def binding_key(subject: str) -> Item:
    """The key of the item that says which user a token's subject has: no user has an id like this."""
    return user_key(_BINDING + subject)


def is_user_key(user_id: str) -> bool:
    """True for what can be the key of a user."""
    return is_key(user_id) and not user_id.startswith(_BINDING)
