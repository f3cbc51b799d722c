"""Keys of the users table, which has two kinds of items: users, and bindings of a login to its user."""

from __future__ import annotations

from typing import TypeGuard

from workers.aws.items import ERASED_AT, Item, is_key

_BINDING = "subject#"


def user_key(user_id: str) -> Item:
    """Return the key of a user."""
    return {"userId": {"S": user_id}}


def binding_key(subject: str) -> Item:
    """Return the key of the item that binds a token's subject to its user. No user can have such an id."""
    return user_key(_BINDING + subject)


def is_user(item: Item | None) -> TypeGuard[Item]:
    """Return whether an item is a user, and neither an erased one nor a binding."""
    return item is not None and ERASED_AT not in item and "boundTo" not in item


def is_user_key(user_id: str) -> bool:
    """Return whether an id can be the key of a user."""
    return is_key(user_id) and not user_id.startswith(_BINDING)
