"""Unit tests look for counter-examples without a stopwatch: this machine may be busy."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("turnstile", deadline=None, database=None)
settings.load_profile("turnstile")
