"""The hook of `make hooks`: what git accepts in a commit."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = ("api", "workers", "infra", "tests")

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git there, independent of this machine's settings and of the repository that the tests run from."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "MAKE", "MFLAGS"))}
    clean |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    return subprocess.run(["git", *who, *arguments], cwd=folder, env=clean, capture_output=True, text=True, check=False)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with this code, all of it staged, and the hook active."""
    folder = tmp_path / "clone"
    skip = shutil.ignore_patterns("node_modules", "__pycache__", "cdk.out")
    for name in (*CODE, ".githooks"):
        shutil.copytree(ROOT / name, folder / name, ignore=skip)
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    links = (".venv", ".mypy_cache", ".ruff_cache")
    for name in links:
        (folder / name).symlink_to(ROOT / name)
    (folder / ".gitignore").write_text("\n".join(["__pycache__/", *links]), encoding="utf-8")
    git(folder, "init", "--quiet")
    git(folder, "config", "core.hooksPath", ".githooks")
    git(folder, "add", "--all")
    return folder


def test_only_staged_content_counts(clone: Path) -> None:
    """A staged mistake is refused, although the file is correct by now; a correct one is committed, although another
    file is wrong."""
    mistaken, unfinished = clone / "workers" / "registrar" / "batch.py", clone / "workers" / "registrar" / "plan.py"
    right = mistaken.read_text(encoding="utf-8")
    mistaken.write_text(right + "\n\nimport os\n", encoding="utf-8")
    git(clone, "add", "--all")
    mistaken.write_text(right, encoding="utf-8")
    refused = git(clone, "commit", "--message", "With a mistake")
    assert refused.returncode != 0
    assert "F401" in refused.stderr
    assert "workers/registrar/batch.py" in refused.stderr
    assert git(clone, "rev-parse", "--verify", "HEAD").returncode != 0

    git(clone, "add", "--all")
    unfinished.write_text("import os\n", encoding="utf-8")
    taken = git(clone, "commit", "--message", "Without it")
    assert taken.returncode == 0, taken.stderr
    assert git(clone, "show", "HEAD:workers/registrar/batch.py").stdout == right


def test_make_hooks() -> None:
    """`make hooks` tells git where the hook is, and it is executable."""
    recipe = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "hooks"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert recipe.stdout.splitlines()[-1] == "git config core.hooksPath .githooks"
    assert os.access(ROOT / ".githooks" / "pre-commit", os.X_OK)
