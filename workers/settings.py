"""Settings: how a function reads its environment, and the settings of the workers.

Each function has one frozen class of settings, read once at its Lambda entry. A field's name in capitals is the
environment variable, so the class is also the list of what the stack must provide. Everything behind the entry takes
typed values, never an environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Self


class MissingSetting(Exception):
    """A function was started without a setting that it needs."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the environment variable {name} is not set")


class InvalidSetting(Exception):
    """A function was started with a setting that has no meaning."""

    def __init__(self, name: str, value: str, expected: str) -> None:
        super().__init__(f"the environment variable {name} must be {expected}, not {value!r}")


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one function. A subclass adds the fields; a field with a default is optional.

    A field that is no text names its parser in the field's metadata, under `parse`, and in words under `expected`.
    """

    @classmethod
    def load(cls, environment: Mapping[str, str]) -> Self:
        """Read every field from its environment variable.

        An empty variable counts as absent. Raises MissingSetting or InvalidSetting, which name the variable.
        """
        values: dict[str, Any] = {}
        for field in fields(cls):
            name = field.name.upper()
            if text := environment.get(name):
                try:
                    values[field.name] = field.metadata.get("parse", str)(text)
                except ValueError as error:
                    raise InvalidSetting(name, text, field.metadata["expected"]) from error
            elif field.default is MISSING:
                raise MissingSetting(name)
        return cls(**values)


@dataclass(frozen=True, slots=True)
class RegistrarSettings(Settings):
    """The settings of the registrar."""

    events_table: str
    registrations_table: str
    ledger_table: str
    queue_url: str
    dead_letter_queue_url: str


@dataclass(frozen=True, slots=True)
class PromoterSettings(Settings):
    """The settings of the promoter."""

    queue_url: str


@dataclass(frozen=True, slots=True)
class EraserSettings(Settings):
    """The settings of the eraser."""

    registrations_table: str
    queue_url: str


@dataclass(frozen=True, slots=True)
class AuditorSettings(Settings):
    """The settings of the auditor."""

    ledger_table: str
    registrations_table: str
