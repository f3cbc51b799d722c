"""Write bills of materials in CycloneDX 1.6: one for each Lambda bundle, one for the development environment.

A bill lists the packages that are installed, by their metadata, not those that were requested. The same content gives
the same bytes: a bill has no time and no serial number.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, version
from pathlib import Path
from typing import Any, get_args

from cyclonedx.contrib.hash.factories import HashTypeFactory
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from infra import DISTRIBUTION
from infra.build import pins
from infra.build.bundles import EXTRAS, LAMBDA_PYTHON, ROOT, BundleError, Package, bundle

BUILD = ROOT / "build"
ON_LAMBDA = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "aarch64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": f"{LAMBDA_PYTHON}.0",
    "python_version": LAMBDA_PYTHON,
    "sys_platform": "linux",
}
"""The environment in which the functions run, as markers of PEP 508."""

_PROJECT = ROOT / "pyproject.toml"
_KEPT = ("type", "name", "version", "purl", "hashes", "licenses")
"""The fields that a bill keeps of the packages inside another package."""


def of_bundle(package: Package, directory: Path) -> Bom:
    """List the contents of the bundle of `package` in `directory`. The hash of the bundle itself is its `digest`."""
    subject = _subject(f"turnstile-{package}")
    subject.hashes.add(HashTypeFactory().from_hashlib_alg("sha256", digest(directory)))
    subject.properties.add(Property(name="turnstile:bundle", value=directory.name))
    # npm packages have the same path as in the repository, each with its own package.json.
    described = directory.glob("infra/node_modules/*/package.json")
    npm = [_npm(json.loads(path.read_text(encoding="utf-8"))) for path in described]
    return _bill(subject, pins.extras(_PROJECT)[EXTRAS[package]], directory, ON_LAMBDA, npm)


def of_environment() -> Bom:
    """List the packages in this virtual environment and those that `npm ci` installed."""
    asked = [requirement for requirements in pins.extras(_PROJECT).values() for requirement in requirements]
    locked = json.loads(pins.NPM_LOCK.read_text(encoding="utf-8"))["packages"]
    npm = [_npm({"name": path.rpartition("node_modules/")[2]} | entry) for path, entry in locked.items() if path]
    return _bill(_subject("turnstile"), asked, Path(sysconfig.get_paths()["purelib"]), {}, npm)


def digest(directory: Path) -> str:
    """Return the SHA-256 of everything in `directory` that is sent to AWS: names, modes and bytes of its files."""
    total = hashlib.sha256()
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        name = path.relative_to(directory).as_posix()
        total.update(f"{name}\0{path.stat().st_mode:o}\0{path.stat().st_size}\0".encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def _subject(name: str) -> Component:
    return Component(type=ComponentType.APPLICATION, bom_ref=name, name=name, version=version(DISTRIBUTION))


def _bill(subject: Component, asked: list[str], directory: Path, place: Mapping[str, str], npm: list[Component]) -> Bom:
    paths = {path: Distribution.at(path) for path in directory.glob("*.dist-info")}
    found = {canonicalize_name(each.name): (each, _component(each, path)) for path, each in paths.items()}
    found.pop(canonicalize_name(DISTRIBUTION), None)

    def needed(requirements: Iterable[str]) -> list[Component]:
        return [found[name][1] for name in _names(requirements, place) if name in found]

    bom = Bom(components=[*(component for _, component in found.values()), *npm])
    bom.serial_number = bom.metadata.timestamp = None  # type: ignore[assignment]  # the library's outputs leave them out
    bom.metadata.component = subject
    bom.register_dependency(subject, [*needed(asked), *npm])
    for distribution, component in found.values():
        bom.register_dependency(component, needed(distribution.requires or ()))
    return bom


def _names(requirements: Iterable[str], place: Mapping[str, str]) -> Iterator[NormalizedName]:
    for requirement in map(Requirement, requirements):
        if requirement.marker is None or requirement.marker.evaluate({**place, "extra": ""}):
            yield canonicalize_name(requirement.name)


def _component(found: Distribution, path: Path) -> Component:
    purl = PackageURL("pypi", None, canonicalize_name(found.name), found.version)
    # The parts that the package itself declares (PEP 770), such as the libraries in its machine code.
    inside = {
        part["purl"]: {"bom-ref": f"{purl}#{part['purl']}"} | {name: part[name] for name in _KEPT if name in part}
        for file in (path / "sboms").glob("*.json")
        for part in json.loads(file.read_text(encoding="utf-8")).get("components", [])
        if "purl" in part
    }
    return Component(
        name=found.name,
        bom_ref=str(purl),
        version=found.version,
        purl=purl,
        licenses=_licenses(found),
        components=[Component.from_json(part) for part in inside.values()],  # type: ignore[attr-defined]  # a decorator's
    )


def _licenses(found: Distribution) -> list[License]:
    metadata, read = found.metadata, LicenseFactory()
    if "License-Expression" in metadata:
        return [read.make_from_string(metadata["License-Expression"])]
    classifiers = metadata.get_all("Classifier") or []
    # Some packages put the whole licence text there.
    names = [text for text in metadata.get_all("License") or [] if text and "\n" not in text]
    names = names or [each.split(" :: ")[-1] for each in classifiers if each.startswith("License :: ")]
    return [read.make_with_name(name) for name in sorted(set(names))]


def _npm(package: dict[str, Any]) -> Component:
    """Make the component of an npm package, from its package.json or its entry in the lock file, which has a hash."""
    scope, _, name = package["name"].rpartition("/")
    purl = PackageURL("npm", scope or None, name, package["version"])
    algorithm, _, encoded = package.get("integrity", "").partition("-")
    hashes = [HashTypeFactory().from_hashlib_alg(algorithm, base64.b64decode(encoded).hex())] if encoded else []
    return Component(
        name=package["name"],
        bom_ref=str(purl),
        version=package["version"],
        purl=purl,
        hashes=hashes,
        licenses=[LicenseFactory().make_from_string(package["license"])],
    )


def write(bills: Iterable[tuple[str, Bom]]) -> list[Path]:
    """Write each bill to build/sbom-NAME.json and return the paths."""
    BUILD.mkdir(exist_ok=True)
    paths = []
    for name, bill in bills:
        path = BUILD / f"sbom-{name}.json"
        JsonV1Dot6(bill).output_to_file(str(path), allow_overwrite=True, indent=2)
        paths.append(path)
    return paths


def main() -> int:
    """Write all bills. On failure, print one sentence on stderr and return 1."""
    try:
        bundles = [(package, of_bundle(package, bundle(package, "lambda-arm64"))) for package in get_args(Package)]
    except BundleError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for path in write([*bundles, ("development", of_environment())]):
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
