"""Settings of the API's functions. Each class lists the environment variables that its function needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from workers.settings import MissingSetting, Settings

Auth = Literal["none", "jwt"]


def _auth(text: str) -> Auth:
    match text:
        case "none" | "jwt":
            return text
        case _:
            raise ValueError(text)


def _rate(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1_000_000:
        raise ValueError(text)
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


@dataclass(frozen=True, slots=True)
class AccessSettings(Settings):
    """The base URL, authentication and write limit of a function. Without `writes_per_second` there is no limit.

    `auth_audience` is the audience that tokens must have, `auth_groups_claim` the claim that lists their groups; both
    are required where `auth` is `jwt`.
    """

    api_url: str
    auth: Auth = field(metadata={"parse": _auth, "expected": "none or jwt"})
    auth_audience: str = ""
    auth_groups_claim: str = ""
    writes_per_second: float | None = field(
        default=None, metadata={"parse": _rate, "expected": "a number above 0, at most 1000000"}
    )
    writes_burst: int = field(default=0, metadata={"parse": _count, "expected": "a whole number above 0"})

    def __post_init__(self) -> None:
        """Raise MissingSetting for a setting that another one requires."""
        required = ["auth_audience", "auth_groups_claim"] if self.auth == "jwt" else []
        if self.writes_per_second is not None:
            required.append("writes_burst")
        for name in required:
            if not getattr(self, name):
                raise MissingSetting(name.upper())


@dataclass(frozen=True, slots=True)
class UserSettings(Settings):
    """The settings of the users function."""

    users_table: str
    registrations_table: str
    queue_url: str
    erasure_queue_url: str
    api_url: str


@dataclass(frozen=True, slots=True)
class EventSettings(Settings):
    """The settings of the events function."""

    events_table: str
    ledger_table: str
    queue_url: str
    api_url: str


@dataclass(frozen=True, slots=True)
class RegistrationSettings(Settings):
    """The settings of the registrations function."""

    users_table: str
    events_table: str
    registrations_table: str
    ledger_table: str
    queue_url: str
    api_url: str
