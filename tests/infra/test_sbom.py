"""The bills of materials: valid, complete, and the same every time."""

from __future__ import annotations

import json
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from cyclonedx.model.bom import Bom

from infra.build import bundles, pins, sbom
from infra.build.bundles import bundle

SCHEMAS = files("cyclonedx.schema") / "_res"
PARTS = ("spdx", "jsf-0.82")
"""What CycloneDX's own schema refers to."""


@pytest.fixture(scope="module")
def bills() -> dict[str, dict[str, Any]]:
    """All bills, by the name of their file."""
    made: dict[str, dict[str, Any]] = {"development": sbom.of_environment()}
    for package in bundles.SOURCES:
        made[package] = sbom.of_bundle(package, bundle(package, "lambda-arm64"))
    return made


def test_bills_are_valid(bills: dict[str, dict[str, Any]]) -> None:
    """Each bill is what CycloneDX's schema wants and its library reads, with references that lead somewhere."""
    validator = _validator()
    assert not validator.is_valid({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"name": "x"}]})
    for name, bill in bills.items():
        validator.validate(bill)
        if name != "development":  # it takes seconds to read
            read = Bom.from_json(bill)  # type: ignore[attr-defined]  # made by a decorator
            assert read.validate()
            assert len(read.components) == len(bill["components"])


def test_a_bundle_has_what_its_bill_says(bills: dict[str, dict[str, Any]]) -> None:
    """A bill names exactly the packages in the bundle, in the pinned versions, each needed by something."""
    pinned = {(pin.name, pin.version) for pin in pins.read(pins.CONSTRAINTS.read_text(encoding="utf-8"))}
    for package in bundles.SOURCES:
        bill = bills[package]
        listed = {_name_and_version(each["purl"]) for each in bill["components"]}
        there = {path.name.split("-")[0] for path in bundle(package, "lambda-arm64").glob("*.dist-info")}
        assert {name.replace("-", "_") for name, _ in listed} == there
        assert listed <= pinned
        needed = {ref for edge in bill["dependencies"] for ref in edge["dependsOn"]}
        assert needed == {each["bom-ref"] for each in bill["components"]}
        assert all(each["licenses"] for each in bill["components"])


def test_what_is_inside_a_package_is_named(bills: dict[str, dict[str, Any]]) -> None:
    """What a package brings along is listed within it: pydantic's Rust libraries, the page's Swagger UI."""
    inside = {
        name: {_name_and_version(part["purl"]) for each in bills[name]["components"] for part in each["components"]}
        for name in bundles.SOURCES
    }
    assert "regex" in dict(inside["api"])
    ((name, number),) = inside["docs"]
    assert name == "swagger-ui-dist"
    assert number.split(".")[0].isdigit()
    assert inside["workers"] == set()


def test_the_environment_is_listed(bills: dict[str, dict[str, Any]]) -> None:
    """The bill of the developer's machine has every package of Python and of npm, those of npm with their hash."""
    components = bills["development"]["components"]
    listed = {_name_and_version(each["purl"]) for each in components}
    for name in ("pytest", "aws-cdk-lib", "pyyaml"):
        assert (name, version(name)) in listed
    npm = {each["name"]: each for each in components if each["purl"].startswith("pkg:npm/")}
    assert set(npm) == {"amplify-dynamodb-simulator", "aws-cdk", "isarray"}
    assert all(len(each["hashes"][0]["content"]) == 128 for each in npm.values())


def test_a_bill_names_the_bytes(tmp_path: Path) -> None:
    """The hash in a bill is another one as soon as a byte, a name or a mode in the bundle is."""
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
    """The same content gives the same file: no time, no serial number, no order by chance."""
    monkeypatch.setattr(sbom, "BUILD", tmp_path)
    (first,) = sbom.write([("first", bills["docs"])])
    (second,) = sbom.write([("second", sbom.of_bundle("docs", bundle("docs", "lambda-arm64")))])
    assert first.read_bytes() == second.read_bytes()
    assert str(Path.home()).encode() not in first.read_bytes()
    assert not {"serialNumber", "timestamp"} & {*bills["docs"], *bills["docs"]["metadata"]}


def _name_and_version(purl: str) -> tuple[str, str]:
    name, _, number = purl.rpartition("/")[2].partition("@")
    return name, number.partition("?")[0]


def _validator() -> jsonschema_rs.Validator:
    def schema(name: str) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((SCHEMAS / f"{name}.SNAPSHOT.schema.json").read_text(encoding="utf-8"))
        return read

    main, parts = schema("bom-1.6"), {name: schema(name) for name in PARTS}
    place = main["$id"].rpartition("/")[0]
    registry = jsonschema_rs.Registry([(f"{place}/{name}.SNAPSHOT.schema.json", part) for name, part in parts.items()])
    return jsonschema_rs.validator_for(main, registry=registry)
