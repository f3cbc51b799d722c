"""`python -m tests.tools.bench`: one part, and one that fails."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.tools.bench import __main__ as bench
from tests.tools.bench import counts, sold_out
from tests.tools.bench.context import BenchContext, BenchError
from tests.tools.bench.figures import Figure, Part, at_least, at_most


def test_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Missed goals and failures are named on stderr, every figure is in the table and in the file; the code is 1."""

    def measured(_: BenchContext) -> Part:
        return Part("counts", [Figure("calls", 2, "per batch", at_most(2)), Figure("ratio", 2, "times", at_least(3))])

    def failing(_: BenchContext) -> Part:
        raise BenchError("the local stack did not start:\nport in use")

    monkeypatch.setattr(counts, "measure", measured)
    monkeypatch.setattr(sold_out, "measure", failing)
    monkeypatch.setattr(bench, "OUT", tmp_path)
    assert [module for module in bench.PARTS.values() if find_spec(f"tests.tools.bench.{module}") is None] == []
    assert bench.main(["--only", "counts", "sold"]) == 1
    out, err = capfd.readouterr()
    assert "2 per batch" in out
    assert err.splitlines()[-2:] == [
        "bench: counts: ratio is 2 times, not ≥ 3",
        "bench: sold out: failed: the local stack did not start: port in use",
    ]
    written = json.loads((tmp_path / "bench-part.json").read_text(encoding="utf-8"))
    assert [figure["met"] for figure in written["parts"][0]["figures"]] == [True, False]
    assert written["met"] is False
