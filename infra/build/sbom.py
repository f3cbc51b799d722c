"""Bills of materials: what the functions on AWS consist of, and what is on a developer's machine, as CycloneDX 1.6.

One file for each Lambda bundle, one for the virtual environment with the npm packages. A package is named by what lies
there (its metadata), not by what was asked for. The same content gives the same bytes: there is no time and no serial
number in it.
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

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.build import pins
from infra.build.bundles import EXTRAS, LAMBDA_PYTHON, ROOT, BundleError, Package, bundle

Component = dict[str, Any]
"""A package, as CycloneDX's JSON has it."""

NPM_LOCK = ROOT / "infra" / "package-lock.json"
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
"""Where the functions run, in the terms of PEP 508."""

_PROJECT = ROOT / "pyproject.toml"
_SWAGGER_UI = "aws_lambda_powertools/event_handler/openapi/swagger_ui/swagger-ui-bundle.min.js"
_OF_EMBEDDED = ("type", "name", "version", "purl", "hashes", "licenses")


def of_bundle(package: Package, directory: Path) -> dict[str, Any]:
    """What the bundle of `package` in `directory` consists of; its own hash is that of all its bytes (`digest`)."""
    subject = {
        "type": "application",
        "bom-ref": f"turnstile-{package}",
        "name": f"turnstile-{package}",
        "version": version("turnstile"),
        "hashes": [{"alg": "SHA-256", "content": digest(directory)}],
        "properties": [{"name": "turnstile:bundle", "value": directory.name}],
    }
    return _bill(subject, pins.extras(_PROJECT)[EXTRAS[package]], directory, ON_LAMBDA, [])


def of_environment() -> dict[str, Any]:
    """What is in this virtual environment, and what `npm ci` has put beside it."""
    subject = {"type": "application", "bom-ref": "turnstile", "name": "turnstile", "version": version("turnstile")}
    asked = [requirement for requirements in pins.extras(_PROJECT).values() for requirement in requirements]
    npm = _npm(json.loads(NPM_LOCK.read_text(encoding="utf-8")))
    return _bill(subject, asked, Path(sysconfig.get_paths()["purelib"]), {}, npm)


def digest(directory: Path) -> str:
    """SHA-256 over all that is sent to AWS of `directory`: names, modes and bytes of its files, sorted by name."""
    total = hashlib.sha256()
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        name = path.relative_to(directory).as_posix()
        total.update(f"{name}\0{path.stat().st_mode:o}\0{path.stat().st_size}\0".encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def _bill(
    subject: Component, asked: list[str], directory: Path, place: Mapping[str, str], npm: list[Component]
) -> dict[str, Any]:
    found = {path: Distribution.at(path) for path in directory.glob("*.dist-info")}
    found = {path: each for path, each in found.items() if each.name != subject["name"]}
    components: dict[str, Component] = {
        canonicalize_name(each.name): _component(each, path) for path, each in found.items()
    }

    def refs(requirements: Iterable[str]) -> list[str]:
        return sorted({components[name]["bom-ref"] for name in _names(requirements, place) if name in components})

    edges = {components[canonicalize_name(each.name)]["bom-ref"]: refs(each.requires or ()) for each in found.values()}
    edges[subject["bom-ref"]] = sorted([*refs(asked), *(component["bom-ref"] for component in npm)])
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": subject},
        "components": sorted([*components.values(), *npm], key=lambda component: str(component["bom-ref"])),
        "dependencies": [{"ref": ref, "dependsOn": edges[ref]} for ref in sorted(edges)],
    }


def _names(requirements: Iterable[str], place: Mapping[str, str]) -> Iterator[str]:
    for requirement in map(Requirement, requirements):
        if requirement.marker is None or requirement.marker.evaluate({**place, "extra": ""}):
            yield canonicalize_name(requirement.name)


def _component(found: Distribution, path: Path) -> Component:
    purl = f"pkg:pypi/{canonicalize_name(found.name)}@{found.version}"
    inside = sorted(_inside(path), key=lambda component: str(component["purl"]))
    return {
        "type": "library",
        "bom-ref": purl,
        "name": found.name,
        "version": found.version,
        "purl": purl,
        "licenses": _licenses(found),
        # What the package says that it was built of (PEP 770), such as the libraries in its machine code.
        "components": [component | {"bom-ref": f"{purl}#{component['purl']}"} for component in inside],
    }


def _licenses(found: Distribution) -> list[dict[str, Any]]:
    metadata = found.metadata
    if "License-Expression" in metadata:
        return [{"expression": metadata["License-Expression"]}]
    classifiers = metadata.get_all("Classifier") or []
    # Some have put the whole text there.
    names = [text for text in metadata.get_all("License") or [] if text and "\n" not in text]
    names = names or [each.split(" :: ")[-1] for each in classifiers if each.startswith("License :: ")]
    return [{"license": {"name": name}} for name in sorted(set(names))]


def _inside(path: Path) -> list[Component]:
    unique = {
        embedded["purl"]: {key: embedded[key] for key in _OF_EMBEDDED if key in embedded}
        for file in (path / "sboms").glob("*.json")
        for embedded in json.loads(file.read_text(encoding="utf-8")).get("components", [])
        if "purl" in embedded
    }
    script = path.parent / _SWAGGER_UI
    if path.name.startswith("aws_lambda_powertools-") and script.exists():
        return [*unique.values(), _swagger_ui(script.read_text(encoding="utf-8"))]
    return list(unique.values())


def _swagger_ui(script: str) -> Component:
    # Powertools does not say that it brings this along, nor in which version.
    number = script.partition('PACKAGE_VERSION:"')[2].partition('"')[0]
    purl = f"pkg:npm/swagger-ui-dist@{number}"
    return {"type": "library", "name": "swagger-ui-dist", "version": number, "purl": purl}


def _npm(lock: dict[str, Any]) -> list[Component]:
    packages = {
        (entry.get("name") or path.rpartition("node_modules/")[2], entry["version"]): entry
        for path, entry in lock["packages"].items()
        if path
    }
    return [_npm_component(name, number, entry) for (name, number), entry in packages.items()]


def _npm_component(name: str, number: str, entry: dict[str, Any]) -> Component:
    algorithm, _, encoded = entry["integrity"].partition("-")
    purl = f"pkg:npm/{name.replace('@', '%40')}@{number}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": number,
        "purl": purl,
        "hashes": [{"alg": algorithm.upper().replace("SHA", "SHA-"), "content": base64.b64decode(encoded).hex()}],
        "licenses": [{"license": {"name": entry["license"]}}],
    }


def write(bills: Iterable[tuple[str, dict[str, Any]]]) -> list[Path]:
    """Write each bill to build/sbom-NAME.json and return the paths."""
    BUILD.mkdir(exist_ok=True)
    paths = []
    for name, bill in bills:
        path = BUILD / f"sbom-{name}.json"
        path.write_text(json.dumps(bill, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        paths.append(path)
    return paths


def main() -> int:
    """Write all bills; on failure one sentence on stderr and code 1."""
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
