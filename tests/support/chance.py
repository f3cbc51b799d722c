"""All random data in a test run comes from one seed: the order, Hypothesis's examples, and `random`.

pytest-randomly draws it and prints it. Whatever fails names it, and says how to have the same again.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Generator
from typing import Any

import pytest


class Chance:
    """The plugin that gives Hypothesis the seed of the order, and names it in failures."""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Set Hypothesis's seed; only now is it known whether any test has loaded it."""
        core: Any = sys.modules.get("hypothesis.core")
        seed = _seed(session.config)
        if core is not None and seed is not None and core.global_force_seed is None:
            core.global_force_seed = seed

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add the seed to a failure's report."""
        report = yield
        seed = _seed(item.config)
        if report.failed and seed is not None:
            report.sections.append(("seed", _again(item.nodeid, seed)))
        return report


def _seed(config: pytest.Config) -> int | None:
    """Return the seed; None if the order is not random (`-p no:randomly`)."""
    seed = config.getoption("randomly_seed", None)
    return seed if isinstance(seed, int) else None


def _again(nodeid: str, seed: int) -> str:
    file = nodeid.partition("::")[0]
    return (
        f"The seed of this run is {seed}.\n"
        f"this test again:                   .venv/bin/pytest {shlex.quote(nodeid)} --randomly-seed={seed}\n"
        f"its file again, in the same order: .venv/bin/pytest {file} --randomly-seed={seed}\n"
        f"all of it:                         make test SEED={seed}"
    )
