"""How `make setup` installs npm's packages, from a registry that is played by files on the loopback interface."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from infra.build.bundles import ROOT
from tests.support.http_server import serving

BEFORE_NPM = (".venv/.created", ".venv/.uv", ".venv/.installed")
"""What `make` makes first, in its order."""
TARBALL = "demo-1.2.3.tgz"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Path]:
    """The folder that the registry serves: a package `demo`, and in `address` where the registry is."""
    folder = tmp_path / "registry"
    folder.mkdir()
    with serving(partial(_Quiet, directory=str(folder))) as url:
        _pack(folder, "as its makers made it")
        dist = {"tarball": f"{url}/{TARBALL}", "integrity": _hash(folder / TARBALL)}
        versions = {"1.2.3": {"name": "demo", "version": "1.2.3", "dist": dist}}
        (folder / "demo").write_text(json.dumps({"name": "demo", "versions": versions}))
        (folder / "address").write_text(url)
        yield folder


@pytest.fixture
def project(tmp_path: Path, registry: Path) -> Path:
    """A folder with the Makefile, all done but for npm, whose lock pins `demo` as the registry has it."""
    folder = tmp_path / "project"
    infra, tools = folder / "infra", folder / ".venv" / "bin"
    for new in (infra, tools):
        new.mkdir(parents=True)
    (tools / "npm").symlink_to(Path(sys.executable).parent / "npm")
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copy(ROOT / "infra" / ".npmrc", infra)
    package = {"name": "project", "version": "1.0.0", "dependencies": {"demo": "1.2.3"}}
    demo = {"version": "1.2.3", "integrity": _hash(registry / TARBALL)}
    lock = {"lockfileVersion": 3, "packages": {"": package, "node_modules/demo": demo}}
    (infra / "package.json").write_text(json.dumps(package))
    (infra / "package-lock.json").write_text(json.dumps(package | lock, indent=2))
    for made in ("pyproject.toml", "infra/constraints.txt", *BEFORE_NPM):
        (folder / made).touch()
    return folder


def _pack(folder: Path, what: str) -> None:
    described = {"name": "demo", "version": "1.2.3", "description": what}
    (folder / "package.json").write_text(json.dumps(described))
    with tarfile.open(folder / TARBALL, "w:gz") as archive:
        archive.add(folder / "package.json", "package/package.json")


def _hash(file: Path) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()


def _set_up(project: Path, registry: Path) -> subprocess.CompletedProcess[str]:
    settings = {
        "npm_config_registry": (registry / "address").read_text(),
        "npm_config_cache": str(project / "cache"),
        "npm_config_fetch_retries": "0",  # before each it waits 10 s or longer
    }
    return subprocess.run(
        ["make", "--silent", "infra/node_modules/.installed"],
        cwd=project, env=os.environ | settings, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_what_is_pinned_is_installed_without_a_word(project: Path, registry: Path) -> None:
    """A package with the pinned hash is installed, and nothing is said but what is being done."""
    done = _set_up(project, registry)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Setting up the CDK ...\n", "")
    assert (project / "infra" / "node_modules" / "demo" / "package.json").exists()


@pytest.mark.parametrize("changed", ["what the registry announces", "what it sends"])
def test_a_tampered_package_is_named(changed: str, project: Path, registry: Path) -> None:
    """A package with another hash than the pinned one is not installed, and the set-up says which it was."""
    if changed == "what it sends":
        _pack(registry, "as somebody else made it")
    else:
        announced = (registry / "demo").read_text()
        (registry / "demo").write_text(re.sub("sha512-.{86}", "sha512-" + "A" * 86, announced))
    refused = _set_up(project, registry)
    assert refused.returncode != 0
    assert "EINTEGRITY" in refused.stderr
    assert '"node_modules/demo": {\n' in refused.stderr
    assert not (project / "infra" / "node_modules" / "demo").exists()
