"""Hypothesis strategies that follow from the product's tables."""

from __future__ import annotations

from hypothesis import strategies as st

from workers.domain.seat_settings import MAX_COUNT, SETTINGS, Setting


def _values(setting: Setting) -> st.SearchStrategy[object]:
    of_type: dict[type, st.SearchStrategy[object]] = {int: st.integers(0, MAX_COUNT), bool: st.booleans()}
    values = st.sampled_from(setting.kind.enum) if setting.kind.enum else of_type[setting.kind.json_type]
    return st.none() | values if setting.nullable else values


SETTING_VALUES = {name: _values(setting) for name, setting in SETTINGS.items()}
"""The values that each seat setting takes, by its name."""
