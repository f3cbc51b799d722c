"""The version is written in pyproject.toml, and everything else reads it there."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from api.contract.__main__ import KEPT
from infra import DISTRIBUTION
from infra.build.sbom import of_environment
from infra.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
GENERATED = {
    KEPT,
    ROOT / "infra" / "constraints.txt",
    ROOT / "infra" / "package-lock.json",
    ROOT / "tests" / "infra" / "released.json",
}
TEXTS = {".css", ".html", ".js", ".json", ".md", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml", ""}


def test_all_versions_agree(capsys: pytest.CaptureFixture[str]) -> None:
    """`turnstile --version`, the installed package, the OpenAPI document and the bills of materials agree."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"turnstile {VERSION}\n")
    assert version(DISTRIBUTION) == VERSION
    assert json.loads(KEPT.read_text(encoding="utf-8"))["info"]["version"] == VERSION
    assert (subject := of_environment().metadata.component) is not None
    assert subject.version == VERSION


def test_it_is_written_once() -> None:
    """No other handwritten file has the version."""
    says = re.compile("version|turnstile", re.IGNORECASE)
    number = re.compile(rf"(?<![\d.]){re.escape(VERSION)}(?![\d.])")
    found = [
        f"{path.relative_to(ROOT)}: {line}"
        for path in _written()
        for line in path.read_text(encoding="utf-8").splitlines()
        if number.search(line) and says.search(line)
    ]
    assert found == [f'pyproject.toml: version = "{VERSION}"']


def _written() -> Iterator[Path]:
    yield from (ROOT / name for name in ("pyproject.toml", "Makefile", "README.md"))
    for room in (".github", ".githooks", ".ci", "api", "docs", "infra", "tests", "workers"):
        for folder, folders, names in os.walk(ROOT / room):
            folders[:] = [name for name in folders if name not in {"node_modules", "__pycache__", "cdk.out"}]
            paths = (Path(folder) / name for name in names)
            yield from (path for path in paths if path.suffix in TEXTS and path not in GENERATED)
