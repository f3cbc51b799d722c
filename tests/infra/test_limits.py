"""What the CDK's context may say of limits, and what of them production does not leave open."""

from __future__ import annotations

import pytest

from infra.settings.limits import Limits
from infra.stack.stage import Stage


@pytest.mark.parametrize(
    ("context", "limits"),
    [
        ({}, Limits(500, 250, 50, reserve=None)),
        ({"readsPerSecond": "2000", "writesPerSecond": 7}, Limits(2000, 7, 50, reserve=None)),
        ({"registrars": "2", "reserve": "no"}, Limits(500, 250, 2, reserve=False)),
        ({"registrars": 1000, "reserve": "yes"}, Limits(500, 250, 1000, reserve=True)),
        ({"listsPerSecond": "200"}, Limits(500, 250, 50, lists=200)),
    ],
)
def test_limits_can_be_set(context: dict[str, object], limits: Limits) -> None:
    """Each limit can be set in the CDK's context, as a text or as a number."""
    assert Limits.parse(context.get) == limits


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            (name, value)
            for name in ("readsPerSecond", "writesPerSecond", "listsPerSecond")
            for value in ("0", "-1", "many", "", 10_001)
        ),
        *(("registrars", value) for value in ("1", "1001", "1.5", 0)),
        *(("reserve", value) for value in ("maybe", "", True)),
    ],
)
def test_senseless_limits(name: str, value: object) -> None:
    """A limit that makes no sense is refused with one sentence that names it and says what does."""
    with pytest.raises(ValueError, match=rf"^{name}={value}: use -c {name}=[^\n]+$"):
        Limits.parse({name: value}.get)


@pytest.mark.parametrize(
    ("name", "reserve", "expected"),
    [("prod", None, 9), ("prod", False, None), ("dev", None, None), ("dev", True, 9), ("local", None, None)],
)
def test_production_reserves_unless_told_otherwise(name: str, reserve: bool | None, expected: int | None) -> None:
    """Registrars have their share reserved in production, unless whoever deploys says otherwise."""
    stage = Stage.parse(name, None)
    assert Stage(stage.name, limits=Limits(registrars=9, reserve=reserve)).reserved_registrars == expected
