"""Settings: read from the environment by the names of their fields, and named when they are missing or wrong."""

from __future__ import annotations

from typing import Any

import pytest

from api.http.auth import AccessTokens, allow_anyone, authenticator
from api.settings import AccessSettings
from workers.aws.clock import SYSTEM_CLOCK
from workers.settings import AuditorSettings, InvalidSetting, MissingSetting

LIMIT = {"API_URL": "u", "WRITES_PER_SECOND": "0.5", "WRITES_BURST": "3"}
JWT = {"API_URL": "u", "AUTH": "jwt", "AUTH_AUDIENCE": "client-1", "AUTH_GROUPS_CLAIM": "groups"}


def test_a_field_is_read_from_the_variable_of_its_name() -> None:
    """A field's name in capitals is the variable; others are ignored."""
    environment = {"LEDGER_TABLE": "l", "REGISTRATIONS_TABLE": "r", "QUEUE_URL": "q"}
    assert AuditorSettings.load(environment) == AuditorSettings(ledger_table="l", registrations_table="r")


@pytest.mark.parametrize("empty", [{}, {"REGISTRATIONS_TABLE": ""}])
def test_a_missing_setting_is_named(empty: dict[str, str]) -> None:
    """An absent or empty variable is missing, and named."""
    with pytest.raises(MissingSetting, match="the environment variable REGISTRATIONS_TABLE is not set"):
        AuditorSettings.load({"LEDGER_TABLE": "l"} | empty)


def test_access() -> None:
    """Authorization and the write limit are typed; without a rate there is no limit."""
    assert AccessSettings.load(LIMIT | {"AUTH": "none"}) == AccessSettings("u", "none", "", "", 0.5, 3)
    assert AccessSettings.load(JWT | {"WRITES_BURST": "3"}).writes_per_second is None
    assert authenticator(AccessSettings("u", "none"), SYSTEM_CLOCK) is allow_anyone
    authenticate: Any = authenticator(AccessSettings.load(JWT), SYSTEM_CLOCK)
    assert authenticate.__self__ == AccessTokens("client-1", "groups", SYSTEM_CLOCK)


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        (LIMIT, "AUTH"),
        (JWT | {"AUTH_AUDIENCE": ""}, "AUTH_AUDIENCE"),
        ({"API_URL": "u", "AUTH": "jwt", "AUTH_AUDIENCE": "a"}, "AUTH_GROUPS_CLAIM"),
        ({"API_URL": "u", "AUTH": "none", "WRITES_PER_SECOND": "1"}, "WRITES_BURST"),
    ],
)
def test_settings_that_require_others(environment: dict[str, str], missing: str) -> None:
    """Tokens need an audience and a claim, a rate needs a burst."""
    with pytest.raises(MissingSetting, match=f"the environment variable {missing} is not set"):
        AccessSettings.load(environment)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTH", "off"),
        *[("WRITES_PER_SECOND", value) for value in ("0", "-1", "many", "nan", "inf", "1000001")],
        *[("WRITES_BURST", value) for value in ("0", "-1", "1.5")],
    ],
)
def test_an_invalid_setting_is_named(name: str, value: str) -> None:
    """A value without meaning stops the function, with its name, its value and what it must be."""
    with pytest.raises(InvalidSetting, match=f"the environment variable {name} must be .+, not '{value}'"):
        AccessSettings.load(LIMIT | {"AUTH": "none"} | {name: value})
