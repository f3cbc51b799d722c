"""Everything that is installed is pinned: to an exact version and to the hashes of its files."""

from __future__ import annotations

import json
import re
import subprocess
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra import DISTRIBUTION
from infra.build import bundles, pins
from infra.build.bundles import BundleError, bundle
from infra.build.pins import NotPinnedError
from tests.support import java

HASH = f"--hash=sha256:{'a' * 64}"
INDEX = re.compile(
    rb"pypi\.org|pythonhosted\.org|npmjs\.(com|org)|yarnpkg\.com|deb\.debian\.org"
    rb'|^ *(-i|--index-url|--extra-index-url|--find-links)\b|"resolved": *"http',
    re.MULTILINE,
)


@pytest.fixture(scope="module")
def locked() -> list[pins.Pin]:
    """The pins of this project."""
    return pins.read(pins.CONSTRAINTS.read_text(encoding="utf-8"))


def test_all_that_is_installed_is_pinned(locked: list[pins.Pin]) -> None:
    """Each package that the project needs, directly or through others, is installed in the version that is pinned."""
    versions = {pin.name: pin.version for pin in locked if not pin.marker or Marker(pin.marker).evaluate()}
    needed = _needed()
    assert len(needed) > 100
    assert {name: version(name) for name in needed} == {name: versions.get(name) for name in needed}
    assert all(pin.hashes for pin in locked)


def test_the_build_backend_is_pinned(locked: list[pins.Pin]) -> None:
    """The tools that build and install this project are pinned too, in versions that pyproject.toml accepts."""
    text = (pins.ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (backend,) = re.findall(r'^requires = \["(.+)"\]$', text, re.MULTILINE)
    assert len(pins.exact([backend, "uv"], locked)) == 2


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("idna", "idna has no exact version"),
        (f"idna>=3 {HASH}", "idna has no exact version"),
        (f"idna==3.* {HASH}", "idna has no exact version"),
        ("idna==3.20", "idna has no hashes"),
        ("idna==3.20 --hash=md5:00", "idna has no hashes"),
        ("--index-url somewhere", "no requirement"),
    ],
)
def test_what_is_not_exact_is_no_pin(line: str, complaint: str) -> None:
    """A range, a line without a hash that counts, or an option in the file is refused by name."""
    with pytest.raises(NotPinnedError, match=complaint):
        pins.read(f"# a comment\nsix==1.17.0 \\\n    {HASH}\n{line}\n")


def test_exact_keeps_extras_and_markers() -> None:
    """A requirement becomes the pinned one, with its extras, for the machines that both are for."""
    text = f"a-b==1.0 ; sys_platform == 'linux' \\\n {HASH}\na-b==0.9 ; sys_platform != 'linux' {HASH}\n"
    found = pins.exact(["A_b[x,c]<2 ; os_name == 'posix'"], pins.read(text))
    assert [Requirement(each) for each in found] == [
        Requirement("a-b[c,x]==1.0 ; (os_name == 'posix') and (sys_platform == 'linux')"),
        Requirement("a-b[c,x]==0.9 ; (os_name == 'posix') and (sys_platform != 'linux')"),
    ]


@pytest.mark.parametrize("asked", ["idna", "six>2"])
def test_what_is_not_pinned_is_named(asked: str) -> None:
    """A requirement that is not pinned, or in another version, fails with a hint on how to pin it."""
    with pytest.raises(NotPinnedError, match=f"^{asked} is not in .*make lock"):
        pins.exact([asked], pins.read(f"six==1.17.0 {HASH}"))


@pytest.mark.parametrize("change", ["another hash", "no hash", "not there"])
def test_a_bundle_takes_only_what_is_verified(change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle is not made of a file with another hash than the pinned one, even deep down, nor of a package without a
    hash. The error is one sentence, and nothing is left behind."""
    text = pins.CONSTRAINTS.read_text(encoding="utf-8")
    pattern = r"^(jmespath==\S+)(?: \\\n +--hash=\S+)+\n"
    new = {"another hash": rf"\1 {HASH}\n", "no hash": r"\1\n", "not there": ""}[change]
    changed, count = re.subn(pattern, new, text, flags=re.MULTILINE)
    assert count == 1
    constraints = tmp_path / "constraints.txt"
    constraints.write_text(changed, encoding="utf-8")
    monkeypatch.setattr(bundles, "CONSTRAINTS", constraints)
    monkeypatch.setattr(bundles, "BUILD", tmp_path / "build")
    sentence = r"The dependencies of the docs bundle could not be installed: [^\n]*jmespath[^\n]*\Z"
    with pytest.raises(BundleError, match=sentence):
        bundle("docs", "lambda-arm64")
    assert list((tmp_path / "build").iterdir()) == []


def test_npm_packages_are_pinned() -> None:
    """Each npm package has an exact version and a SHA-512."""
    packages = [entry for path, entry in json.loads(pins.NPM_LOCK.read_text())["packages"].items() if path]
    assert packages
    for entry in packages:
        assert re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", entry["version"])
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", entry["integrity"])


def test_no_file_names_a_registry() -> None:
    """No file of the repository says where packages come from: that is for the machine that installs them to say."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=pins.ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    files = [path for path in map(pins.ROOT.joinpath, filter(None, listed)) if path.is_file()]
    assert len(files) > 300
    assert [path for path in files if INDEX.search(path.read_bytes())] == []


def test_an_extra_is_printed_with_the_extras_that_it_names(capsys: pytest.CaptureFixture[str]) -> None:
    """`local` contains `deploy` and `cli`, each package in its pinned version, and nothing that only tests need."""
    assert pins.main(["local"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert {line.partition("==")[0] for line in printed} >= {"ministack", "uv-build", "aws-cdk-lib", "boto3", "rich"}
    assert all("==" in line for line in printed)
    assert not [line for line in printed if line.startswith(("pytest", "turnstile"))]


def _needed() -> set[str]:
    """Names of all packages that the project, with all its extras, needs on this machine."""
    seen: set[tuple[str, str]] = set()
    extras = pins.extras(pins.ROOT / "pyproject.toml").keys() - ({"java"} if java.packaged() is None else set())
    todo = [(DISTRIBUTION, extra) for extra in extras]
    while todo:
        name, extra = todo.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        # Type stubs have a thousand extras, and reading them all takes seconds.
        lines = (line for line in requires(name) or () if "extra ==" not in line or (extra and extra in line))
        for requirement in map(Requirement, lines):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                todo += [(canonicalize_name(requirement.name), each) for each in ("", *requirement.extras)]
    return {name for name, _ in seen} - {DISTRIBUTION}
