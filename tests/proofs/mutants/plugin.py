"""Settings of pytest while mutants are tried: no randomness, examples first, no shrinking."""

from __future__ import annotations

import pytest
from hypothesis import Phase, is_hypothesis_test, settings

# Loaded before the tests are: what they say for themselves comes on top. Shrinking would take longer than all else.
settings.register_profile("mutants", derandomize=True, max_examples=50, phases=[Phase.explicit, Phase.generate])
settings.load_profile("mutants")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run generated tests last: they are slow, and an example kills most mutants."""
    items.sort(key=lambda item: is_hypothesis_test(getattr(item, "obj", None)))
