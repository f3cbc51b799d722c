"""`make setup` installs npm's packages, here from a made-up registry on the loopback interface."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.build.bundles import ROOT
from tests.support.http_server import Handler, serving

BEFORE_NPM = (".venv/.created", ".venv/.uv", ".venv/.local")
"""The files that `make` makes first, in its order."""
DEMO, TARBALL = "/demo", "/demo-1.2.3.tgz"
"""The registry's entry for the package `demo`, and the package."""


def packed(description: str) -> bytes:
    """Return the package as npm has it."""
    content = json.dumps({"name": "demo", "version": "1.2.3", "description": description}).encode()
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        entry = tarfile.TarInfo("package/package.json")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def integrity(content: bytes) -> str:
    """Return the hash of a package as a lock file has it."""
    return "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """Return a registry's answers by path: it has only the package `demo`."""
    files: dict[str, bytes] = {TARBALL: packed("as its makers made it")}

    class RegistryHandler(Handler):
        def reply(self) -> None:
            self.answer(files[self.path])

    with serving(RegistryHandler) as url:
        dist = {"tarball": url + TARBALL, "integrity": integrity(files[TARBALL])}
        versions = {"1.2.3": {"name": "demo", "version": "1.2.3", "dist": dist}}
        files[DEMO] = json.dumps({"name": "demo", "versions": versions}).encode()
        monkeypatch.setenv("npm_config_registry", url)
        monkeypatch.setenv("npm_config_fetch_retries", "0")  # before each it waits 10 s or longer
        yield files


@pytest.fixture
def project(tmp_path: Path, registry: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the Makefile, all done but for npm, whose lock pins `demo` as the registry has it."""
    infra, tools = tmp_path / "infra", tmp_path / ".venv" / "bin"
    infra.mkdir()
    tools.mkdir(parents=True)
    (tools / "npm").symlink_to(Path(sys.executable).parent / "npm")
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "infra" / ".npmrc", infra)
    package = {"name": "project", "version": "1.0.0", "dependencies": {"demo": "1.2.3"}}
    demo = {"version": "1.2.3", "integrity": integrity(registry[TARBALL])}
    lock = {"lockfileVersion": 3, "packages": {"": package, "node_modules/demo": demo}}
    (infra / "package.json").write_text(json.dumps(package))
    (infra / "package-lock.json").write_text(json.dumps(package | lock, indent=2))
    for made in ("pyproject.toml", "infra/constraints.txt", *BEFORE_NPM):
        (tmp_path / made).touch()
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    return tmp_path


def set_up(project: Path) -> subprocess.CompletedProcess[str]:
    """Run the part of `make setup` that is npm's."""
    command = ["make", "--silent", "infra/node_modules/.installed"]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60, check=False)


def test_what_is_pinned_is_installed_without_a_word(project: Path) -> None:
    """A package with the pinned hash is installed, and nothing is printed but what is being done."""
    done = set_up(project)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Setting up the CDK ...\n", "")
    assert (project / "infra" / "node_modules" / "demo" / "package.json").exists()


@pytest.mark.parametrize("changed", [DEMO, TARBALL])
def test_a_tampered_package_is_named(changed: str, project: Path, registry: dict[str, bytes]) -> None:
    """A package with another hash than the pinned one, announced or sent, is not installed, and is named."""
    other = packed("as somebody else made it")
    pinned = integrity(registry[TARBALL]).encode()
    registry[changed] = other if changed == TARBALL else registry[DEMO].replace(pinned, integrity(other).encode())
    refused = set_up(project)
    assert refused.returncode != 0
    assert "EINTEGRITY" in refused.stderr
    assert '"node_modules/demo": {\n' in refused.stderr
    assert not (project / "infra" / "node_modules" / "demo").exists()
