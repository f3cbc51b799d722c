"""The Lambda bundles are the same every time: what went into one decides its name, and the name its bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.build import bundles
from infra.build.bundles import Package, Platform, bundle
from infra.build.sbom import digest

HERE = {name: getattr(bundles, name) for name in ("ROOT", "CONSTRAINTS", "BUILD")}


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """All that bundles are made of in another folder, with the times of today, for somebody with a strict umask."""
    names = {"pyproject.toml", "infra/constraints.txt", "infra/build/bundles.py"}
    names |= {name for sources in bundles.SOURCES.values() for name in sources if (bundles.ROOT / name).is_file()}
    files = [path for room in ("api", "workers") for path in (bundles.ROOT / room).rglob("*") if path.is_file()]
    for path in (*files, *map(bundles.ROOT.joinpath, names)):
        copy = tmp_path / path.relative_to(bundles.ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (tmp_path / "infra/build/bundles.py").rename(tmp_path / "bundles.py")
    monkeypatch.setattr(bundles, "ROOT", tmp_path)
    monkeypatch.setattr(bundles, "CONSTRAINTS", tmp_path / "infra/constraints.txt")
    monkeypatch.setattr(bundles, "BUILD", tmp_path / "build")
    umask = os.umask(0o077)
    yield tmp_path
    os.umask(umask)


# Each bundle that is deployed, and the smallest one of this machine: all are made by the same code.
@pytest.mark.parametrize(
    ("package", "platform"), [*((package, "lambda-arm64") for package in bundles.SOURCES), ("docs", "host")]
)
def test_bundle_is_reproducible(package: Package, platform: Platform, elsewhere: Path) -> None:
    """The same input gives the same name and the same bytes and modes of all files, whoever builds it, where and when;
    and nothing in it says where."""
    again = bundle(package, platform)
    with pytest.MonkeyPatch.context() as here:
        for name, value in HERE.items():
            here.setattr(bundles, name, value)
        first = bundle(package, platform)
    assert again != first
    assert again.name == first.name
    assert digest(again) == digest(first)
    assert {path.stat().st_mode & 0o777 for path in again.rglob("*") if path.is_dir()} == {0o755}
    assert not [path for path in again.rglob("*") if path.is_file() and str(elsewhere).encode() in path.read_bytes()]


@pytest.mark.parametrize(
    "input_", ["constraints", "requirement", "recipe", "Python that compiles", "no compiler", "source", "target"]
)
def test_another_input_is_another_bundle(input_: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever shows in the bytes of a bundle shows in its name: what is never the same never has the same name."""
    monkeypatch.setattr(bundles, "_once", lambda name, _: Path(name))
    monkeypatch.setattr(bundles, "compiler", lambda _: "python3.13")
    monkeypatch.setattr(bundles, "_version", lambda _: "3.13.1")
    before = bundle("docs", "lambda-arm64").name
    assert bundle("docs", "lambda-arm64").name == before
    match input_:
        case "constraints":
            _append(elsewhere / "infra/constraints.txt", "# changed\n")
        case "requirement":
            monkeypatch.setitem(bundles.EXTRAS, "docs", "worker")
        case "recipe":
            _append(elsewhere / "bundles.py", "# changed\n")
            monkeypatch.setattr(bundles, "__file__", str(elsewhere / "bundles.py"))
        case "Python that compiles":
            monkeypatch.setattr(bundles, "_version", lambda _: "3.13.2")
        case "no compiler":
            monkeypatch.setattr(bundles, "compiler", lambda _: None)
        case "source":
            _append(elsewhere / "docs/openapi.json", "\n")
        case _:
            monkeypatch.setattr(bundles, "LAMBDA_PYTHON", "3.14")
    assert bundle("docs", "lambda-arm64").name != before


def test_changed_source_changes_the_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed source gives another bundle, with the same dependencies as before."""
    for name in ("pyproject.toml", "workers/registrar/handler.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((bundles.ROOT / name).read_bytes())
    monkeypatch.setattr(bundles, "ROOT", tmp_path)
    monkeypatch.setattr(bundles, "BUILD", tmp_path / "build")
    before = bundle("workers", "lambda-arm64")
    assert bundle("workers", "lambda-arm64") == before
    _append(tmp_path / "workers/registrar/handler.py", "# changed\n")
    assert bundle("workers", "lambda-arm64") != before
    assert len(list(tmp_path.glob("build/workers-lambda-arm64-dependencies-*"))) == 1


def _append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)
