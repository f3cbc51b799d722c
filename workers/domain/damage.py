"""Describe stored data and messages that cannot be decoded, for operators."""

from __future__ import annotations


def describe_damage(error: BaseException) -> str:
    """Return what is wrong with a stored item, from the exception that reading it raised."""
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    return str(error) or type(error).__name__
