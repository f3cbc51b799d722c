"""Users as clients see them: JSON made from stored items."""

from __future__ import annotations

from typing import Any

from workers.aws.items import Item


def user_view(item: Item) -> dict[str, Any]:
    """Show a user."""
    return {name: item[name]["S"] for name in ("userId", "name", "email", "createdAt") if "S" in item.get(name, {})}
