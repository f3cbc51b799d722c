"""What is not compiled in advance is slow to start on AWS: whoever deploys it hears so."""

from __future__ import annotations

import pytest

from infra.stack import stack as deployed
from tests.infra.synthesis import stack_of


@pytest.mark.parametrize("python", ["/usr/bin/python", None])
def test_whoever_deploys_uncompiled_functions_is_warned(monkeypatch: pytest.MonkeyPatch, python: str | None) -> None:
    """Without a Python of Lambda's version there is a warning that says what to do; with one there is none."""
    monkeypatch.setattr(deployed, "compiler", lambda _: python)
    warnings = [entry.data for entry in stack_of("dev").node.metadata if entry.type == "aws:cdk:warning"]
    assert [warning.startswith("There is no Python 3.13 on this machine") for warning in warnings] == (
        [] if python else [True]
    )
